"""Who the workers are: written for TensorFlow, or refused in words."""

import json
import os

import pytest

from tfpipeline import distribute
from tfpipeline.config import DistributeSettings
from tfpipeline.core.errors import UserError
from tfpipeline.distribute import cluster_env


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "SLURM_STEP_NODELIST", "SLURM_LOCALID"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_addresses_and_index_become_tf_config(monkeypatch) -> None:
    assert not cluster_env.has_workers()
    cluster_env.announce("a:1, b:2", 1)
    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }
    assert cluster_env.has_workers()
    cluster_env.announce(None, None)


@pytest.mark.parametrize(
    ("workers", "index", "words"),
    [
        ("a:1,b", 0, "'b'"),
        ("a:1,b:x", 0, "'b:x'"),
        ("a:1,b:99999", 0, "99999"),
        ("a:1,a:1", 0, "each address once"),
        ("a:1,b:2", None, "expected 0 to 1.*nothing"),
        ("a:1,b:2", 2, "expected 0 to 1.*2"),
        (None, None, "the workers are not named"),
    ],
)
def test_what_is_wrong_is_told(workers, index, words: str) -> None:
    with pytest.raises(UserError, match=words):
        cluster_env.announce(workers, index)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "expected JSON"),
        ({"cluster": {"worker": ["a:1"]}}, "task of type worker"),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}},
            "'ps'",
        ),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            "one of the 1 tasks",
        ),
        (
            {
                "cluster": {"worker": ["a:1"], "ps": ["b:1"]},
                "task": {"type": "worker", "index": 0},
            },
            "parameter servers",
        ),
    ],
)
def test_a_tf_config_that_cannot_train_is_told(monkeypatch, config, words) -> None:
    text = config if isinstance(config, str) else json.dumps(config)
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=words):
        cluster_env.announce(None, None)


def step(monkeypatch: pytest.MonkeyPatch, nodes: str, tasks: str, rank: int) -> None:
    """Set what srun would."""
    monkeypatch.setenv("SLURM_STEP_NODELIST", nodes)
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", tasks)
    monkeypatch.setenv("SLURM_PROCID", str(rank))
    monkeypatch.setenv("SLURM_JOB_ID", "70042")


@pytest.mark.parametrize(
    ("nodes", "tasks", "expected"),
    [
        ("n7", "2", ["n7:20042", "n7:20043"]),
        ("m,n[9-10]", "1(x3)", ["m:20042", "n9:20042", "n10:20042"]),
        ("n[08-09,11]", "1(x3)", ["n08:20042", "n09:20042", "n11:20042"]),
        ("a[1-2]-x.b", "2,1", ["a1-x.b:20042", "a1-x.b:20043", "a2-x.b:20042"]),
        (
            "r[1-2]c[3-4]",
            "1(x4)",
            [f"{n}:20042" for n in "r1c3 r1c4 r2c3 r2c4".split()],
        ),
    ],
)
def test_slurm_numbers_its_tasks_node_after_node(
    monkeypatch, nodes: str, tasks: str, expected: list[str]
) -> None:
    step(monkeypatch, nodes, tasks, 1)
    cluster_env.announce(None, None)
    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": expected},
        "task": {"type": "worker", "index": 1},
    }


def test_what_slurm_says_is_not_believed_blindly(monkeypatch) -> None:
    for nodes, tasks, rank in (("n[1-2]", "1", 0), ("n1", "x", 0), ("n1", "1", 1)):
        step(monkeypatch, nodes, tasks, rank)
        with pytest.raises(UserError, match="SLURM names.*srun"):
            cluster_env.announce(None, None)
    step(monkeypatch, "n[1-2]", "2(x2)", 1)
    monkeypatch.setenv("SLURM_LOCALID", "0")
    with pytest.raises(UserError, match="--distribution=block"):
        cluster_env.announce(None, None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DistributeSettings("mirrored", workers="a:1", index=0), "multi_worker"),
        (DistributeSettings("multi_worker", devices=2), "devices"),
        (DistributeSettings("one_device", devices=2), "devices"),
        (DistributeSettings(index=3), "expected with --distribute.workers"),
        (DistributeSettings("one_device", tpu="x"), "tpu"),
        (DistributeSettings("parameter_server"), "Known: .*multi_worker"),
        (DistributeSettings("multi_worker"), "the workers are not named"),
    ],
)
def test_settings_that_contradict_each_other_are_told(settings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        distribute.choose(settings)
