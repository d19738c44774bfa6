"""What is in configs/cluster is run as far as a machine without a cluster can."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.distribute import cluster_env
from tfpipeline.shards import work

FOLDER = Path(__file__).parent.parent / "configs" / "cluster"
KUBERNETES, KUBEFLOW, SLURM = (
    FOLDER / name for name in ("kubernetes.yaml", "kubeflow.yaml", "slurm.sh")
)

# Stands for a program: writes its words down, and ends with a code.
RECORDER = """#!/bin/sh
printf '%s\\0' "$@" >> "$SEEN/{name}"
exit "${{{name}_code:-0}}"
"""

# Stands for srun: leaves its own flags aside and starts the task.
SRUN = """#!/bin/sh
while [ "$1" != python ]; do shift; done
exec "$@"
"""


class Stage:
    """A PATH on which python and SLURM's programs only say what they were told."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.seen = folder / "programs", folder / "seen"
        self.programs.mkdir()
        self.seen.mkdir()
        for name in ("python", "scontrol"):
            self.add(name, RECORDER.format(name=name))
        self.add("srun", SRUN)

    def add(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def run(self, words: list[str], **environment: str) -> int:
        known = {"PATH": f"{self.programs}:{os.defpath}", "HOME": "/home/somebody"}
        known["SEEN"] = str(self.seen)
        done = subprocess.run(
            words, env={**known, **environment}, capture_output=True, timeout=30
        )
        assert not done.stderr, done.stderr
        return done.returncode

    def told(self, name: str) -> list[str]:
        file = self.seen / name
        return file.read_text().split("\0")[:-1] if file.exists() else []


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Programs that stand for those of a cluster."""
    return Stage(tmp_path)


def documents(file: Path) -> dict[str, dict[str, Any]]:
    """Return the objects of a YAML file by their kind."""
    found = list(yaml.safe_load_all(file.read_text()))
    return {one["kind"]: one for one in found}


def replicas(file: Path) -> tuple[int, dict[str, Any]]:
    """Return how many workers a file starts, and what each of them is."""
    if file == KUBERNETES:
        spec = documents(file)["Job"]["spec"]
        assert spec["completionMode"] == "Indexed"
        assert spec["completions"] == spec["parallelism"]
        return spec["completions"], spec["template"]["spec"]
    worker = documents(file)["TFJob"]["spec"]["tfReplicaSpecs"]["Worker"]
    return worker["replicas"], worker["template"]["spec"]


def environment(container: dict[str, Any], job: str) -> dict[str, str]:
    """Return the variables of a container, as Kubernetes would set them."""
    label = {"fieldRef": {"fieldPath": "metadata.labels['job-name']"}}
    known = {}
    for entry in container["env"]:
        assert "value" in entry or entry["valueFrom"] == label
        known[entry["name"]] = entry.get("value", job)
    return known


def settings(words: list[str]) -> RunSettings:
    """Return what `train` makes of the words that python was started with."""
    assert words[:2] == ["-m", "tfpipeline.train"]
    return cli.parse(RunSettings, words[2:], prog="train", description="")


def started(stage: Stage, file: Path, index: int = 0) -> RunSettings:
    """Start one worker of a file as its cluster would, and return its settings."""
    if file == SLURM:
        shared = {"SHARED": "/shared", "SLURM_JOB_ID": "7"}
        assert stage.run(["bash", str(file)], **shared) == 0
    else:
        (container,) = replicas(file)[1]["containers"]
        words = [*container["command"], *container.get("args", [])]
        known = environment(container, "tfpipeline")
        assert stage.run(words, **known, JOB_COMPLETION_INDEX=str(index)) == 0
    return settings(stage.told("python"))


FILES = pytest.mark.parametrize(
    "file", [KUBERNETES, KUBEFLOW, SLURM], ids=lambda file: file.name
)
MANIFESTS = pytest.mark.parametrize(
    "file", [KUBERNETES, KUBEFLOW], ids=lambda file: file.name
)


@FILES
def test_a_file_says_how_it_is_used_and_what_to_change(file: Path) -> None:
    text = file.read_text()
    assert f"configs/cluster/{file.name}\n" in text
    assert "# Needs: " in text and text.count("Change:") >= 3


@FILES
def test_train_knows_every_flag_of_a_file(stage: Stage, file: Path) -> None:
    found = started(stage, file)
    assert found.distribute.strategy == "multi_worker"
    for path in (found.workdir, found.cache_dir, found.data.source):
        assert path is not None and path.startswith("/shared/")
    assert isinstance(found.data.batch_size, int)


@MANIFESTS
def test_workers_share_a_batch_evenly_and_a_volume(file: Path, stage: Stage) -> None:
    count, pod = replicas(file)
    assert started(stage, file).data.batch_size % count == 0
    (container,) = pod["containers"]
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert mount == {"name": volume["name"], "mountPath": "/shared"}
    claim = documents(KUBERNETES)["PersistentVolumeClaim"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@MANIFESTS
def test_a_worker_has_the_time_for_a_checkpoint(file: Path) -> None:
    assert replicas(file)[1]["terminationGracePeriodSeconds"] >= 60


def test_every_pod_is_found_under_the_name_that_the_workers_are_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = documents(KUBERNETES)
    job, service = kinds["Job"]["metadata"]["name"], kinds["Service"]
    count, pod = replicas(KUBERNETES)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"job-name": job}
    assert pod["subdomain"] == service["metadata"]["name"]
    port = pod["containers"][0]["ports"][0]["containerPort"]
    expected = [f"{job}-{i}.{pod['subdomain']}:{port}" for i in range(count)]
    monkeypatch.setenv("TF_CONFIG", "")
    for index in range(count):
        (stage.seen / "python").unlink(missing_ok=True)
        told = started(stage, KUBERNETES, index).distribute
        cluster_env.announce(told.workers, told.index)
        assert json.loads(os.environ["TF_CONFIG"]) == {
            "cluster": {"worker": expected},
            "task": {"type": "worker", "index": index},
        }


def test_a_lost_worker_may_fail_all_the_others_several_times() -> None:
    spec = documents(KUBERNETES)["Job"]["spec"]
    count, pod = replicas(KUBERNETES)
    assert spec["backoffLimit"] >= 3 * count
    # A pod failure policy is refused with any other restart policy.
    assert pod["restartPolicy"] == "Never"
    rules = spec["podFailurePolicy"]["rules"]
    actions = {}
    for rule in rules:
        if (codes := rule.get("onExitCodes")) is not None:
            assert codes["containerName"] == pod["containers"][0]["name"]
            assert codes["operator"] == "In"
            actions |= dict.fromkeys(codes["values"], rule["action"])
    lost, mistake = TemporaryError.exit_code, UserError.exit_code
    assert actions == {143: "Ignore", mistake: "FailJob", lost: "Count"}
    kubeflow = documents(KUBEFLOW)["TFJob"]["spec"]
    assert kubeflow["runPolicy"]["backoffLimit"] >= 3 * replicas(KUBEFLOW)[0]
    worker = kubeflow["tfReplicaSpecs"]["Worker"]
    assert worker["restartPolicy"] == "OnFailure"
    # The operator finds the container by its name.
    assert worker["template"]["spec"]["containers"][0]["name"] == "tensorflow"


def test_the_slurm_script_is_bash_and_ends_before_its_time() -> None:
    checked = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True)
    assert checked.returncode == 0 and not checked.stderr
    found = re.findall(r"^#SBATCH --(\S+)$", SLURM.read_text(), re.MULTILINE)
    options = dict(option.partition("=")[::2] for option in found)
    # To the tasks and not to the script, which has to put the job into the queue again.
    name, _, seconds = options["signal"].partition("@")
    assert name == "TERM" and int(seconds) >= 60
    assert "requeue" in options and "ntasks-per-node" in options


@pytest.mark.parametrize(
    ("code", "restarts", "again"),
    [
        *((0, 0, False), (2, 0, False), (143, 99, True)),
        *((137, 0, True), (137, 5, False), (75, 0, True), (75, 5, False)),
    ],
)
def test_a_slurm_job_goes_on_where_another_start_can_help(
    stage: Stage, code: int, restarts: int, again: bool
) -> None:
    known = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(restarts)}
    assert stage.run(["bash", str(SLURM)], **known, python_code=str(code)) == code
    assert stage.told("scontrol") == (["requeue", "7"] if again else [])


def free_job() -> str:
    """Return the number of a SLURM job whose two ports on this machine are free."""
    for job in range(os.getpid(), os.getpid() + 100):
        first = 20000 + job % 10000
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", first))
                two.bind(("127.0.0.1", first + 1))
            except OSError:
                continue
        return str(job)
    raise AssertionError("no two ports in a row are free")


@pytest.mark.slow
def test_two_tasks_of_a_slurm_step_train_together(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tfpipeline.train"]
    words += ["--distribute.strategy", "multi_worker", "--data.demo_per_class", "12"]
    words += ["--train.epochs", "1", "--model.image_size", "32"]
    words += ["--model.weights", "demo", "--workdir", str(tmp_path / "run")]
    words += ["--cache_dir", str(tmp_path / "cache")]
    # What srun sets for two tasks on one node.
    step = {"SLURM_JOB_ID": free_job(), "SLURM_STEP_NUM_TASKS": "2"}
    step |= {"SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_STEP_TASKS_PER_NODE": "2"}
    known = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    known.pop("TF_CONFIG", None)
    tasks, logs = [], [tmp_path / f"{rank}.log" for rank in range(2)]
    try:
        for rank, log in enumerate(logs):
            own = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}
            with open(log, "wb") as file:
                tasks.append(
                    subprocess.Popen(
                        words, env={**known, **step, **own}, stdout=file, stderr=file
                    )
                )
        codes = [task.wait(timeout=180) for task in tasks]
    finally:
        for task in tasks:
            task.kill()
            task.wait()
    assert codes == [0, 0], [log.read_text()[-3000:] for log in logs]
    run = tmp_path / "run"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["finished"] and manifest["replicas"] == 2
    names = {"config.yaml", "labels.txt", "splits.csv", "history.csv", "metrics.json"}
    assert {*names, "model.keras"} <= set(os.listdir(run))
    # The first one writes, and says so; the other one is silent about the result.
    said = ["Test accuracy" in log.read_text() for log in logs]
    assert said == [True, False]


EMBED_SLURM, EMBED_JOB = FOLDER / "embed_slurm.sh", FOLDER / "embed_job.yaml"


@pytest.mark.parametrize("file", [EMBED_SLURM, EMBED_JOB], ids=lambda file: file.name)
def test_tasks_of_an_array_take_shares_that_make_up_the_whole(
    stage: Stage, file: Path
) -> None:
    text = file.read_text()
    assert f"configs/cluster/{file.name}\n" in text
    assert "# Needs: " in text and text.count("Change:") >= 3
    if file == EMBED_SLURM:
        (last,) = re.findall(r"#SBATCH --array=0-(\d+)", text)
        count = int(last) + 1
        assert stage.run(["bash", str(file)], SHARED="/shared") == 0
        words = stage.told("python")
        indices = [
            {"SLURM_ARRAY_TASK_ID": str(n), "SLURM_ARRAY_TASK_MIN": "0"}
            | {"SLURM_ARRAY_TASK_COUNT": str(count)}
            for n in range(count)
        ]
    else:
        spec = documents(file)["Job"]["spec"]
        count = spec["completions"]
        assert spec["completionMode"] == "Indexed" and spec["parallelism"] <= count
        (container,) = spec["template"]["spec"]["containers"]
        words = container["command"][1:]
        indices = [{"JOB_COMPLETION_INDEX": str(n)} for n in range(count)]
    assert words[:2] == ["-m", "tfpipeline.embed"]
    found = cli.parse(EmbedSettings, words[2:], prog="embed", description="")
    assert found.images == ["/shared/data"] and found.output == "/shared/features"
    shares = {work.share(found.part, found.parts, one) for one in indices}
    assert shares == {(n, count) for n in range(count)}
