"""Who the workers are: written for TensorFlow, or refused in words."""

import json

import pytest

from tfpipeline import cluster, distribution
from tfpipeline.config import DistributeSettings
from tfpipeline.errors import UserError


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "SLURM_PROCID"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_addresses_and_index_become_tf_config(monkeypatch) -> None:
    import os

    assert not cluster.named()
    assert cluster.announce("a:1, b:2", 1)
    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }
    assert cluster.named() and cluster.announce(None, None)


@pytest.mark.parametrize(
    ("workers", "index", "words"),
    [
        ("a:1,b", 0, "'b'"),
        ("a:1,b:x", 0, "'b:x'"),
        ("a:1,b:99999", 0, "99999"),
        ("a:1,a:1", 0, "each address once"),
        ("a:1,b:2", None, "expected 0 to 1.*nothing"),
        ("a:1,b:2", 2, "expected 0 to 1.*2"),
        (None, 1, "expected with --distribute.workers"),
        (None, None, "nothing names the workers"),
    ],
)
def test_what_is_wrong_is_told(workers, index, words: str) -> None:
    with pytest.raises(UserError, match=words):
        cluster.announce(workers, index)


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
        cluster.announce(None, None)


def test_slurm_is_left_to_tensorflow(monkeypatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert not cluster.announce(None, None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DistributeSettings("mirrored", workers="a:1", index=0), "multi_worker"),
        (DistributeSettings("multi_worker", devices=2), "devices"),
        (DistributeSettings("one_device", tpu="x"), "tpu"),
        (DistributeSettings("parameter_server"), "Known: .*multi_worker"),
        (DistributeSettings("multi_worker"), "nothing names the workers"),
    ],
)
def test_settings_that_contradict_each_other_are_told(settings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        distribution.choose(settings)
