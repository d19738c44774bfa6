"""Two worker processes on this machine train what one device does, and may be lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.train.test_command import start
from tfpipeline.core import file_io
from tfpipeline.core.errors import TemporaryError
from tfpipeline.data.scan_cache import Ledger
from tfpipeline.models import saving

pytestmark = pytest.mark.slow

# 96 training images in batches of 20: the last one is partial. Dropout, batch norm,
# clipping, decay and averaging are on, and a part of the backbone learns as well.
COMMON = (
    *PLAIN,
    *("--data.demo_per_class", "22", "--data.batch_size", "20"),
    *("--train.epochs", "2", "--train.clip_norm", "1"),
    *("--model.hidden", "[16]", "--model.batch_norm", "true"),
    *("--train.optimizer", "adamw", "--train.schedule", "one_cycle"),
    *("--train.averaging", "ema", "--fine_tune.epochs", "2"),
    *("--fine_tune.unfreeze", "block3", "--fine_tune.layer_decay", "0.8"),
)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Workers:
    """Two processes with one command, each with further flags, in its own folder."""

    def __init__(
        self,
        folder: Path,
        *more: str,
        verb: str = "train",
        own: Sequence[Sequence[str]] = ((), ()),
        where: Sequence[Path | None] = (None, None),
    ) -> None:
        addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
        words = [sys.executable, "-m", f"tfpipeline.{verb}", *more]
        if verb == "train":
            words += [*COMMON, "--workdir", str(folder / "run")]
            words += ["--cache_dir", str(folder / "c")]
        words += ["--distribute.strategy", "multi_worker"]
        words += ["--distribute.workers", addresses]
        # What they say goes to files: a full pipe would hold them up.
        self.logs = [folder / f"worker{index}.log" for index in range(2)]
        self.processes = []
        for index, log in enumerate(self.logs):
            with log.open("w") as file:
                process = subprocess.Popen(
                    [*words, "--distribute.index", str(index), *own[index]],
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
                    cwd=where[index],
                )
            self.processes.append(process)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, seconds: float = 120) -> list[int]:
        """Return the exit codes."""
        end = time.monotonic() + seconds
        return [p.wait(max(1, end - time.monotonic())) for p in self.processes]

    def told(self, index: int) -> str:
        """Return what a worker has said."""
        return self.logs[index].read_text()

    def wait_for_checkpoints(self, folder: Path, count: int) -> None:
        """Wait until the training is well on its way."""
        end = time.monotonic() + 120
        while len(self.reached(folder)) < 1 or self.reached(folder)[-1] < count:
            assert time.monotonic() < end and self.processes[0].poll() is None
            time.sleep(0.01)

    @staticmethod
    def reached(folder: Path) -> list[int]:
        """Return the numbers of the checkpoints that stand there."""
        there = (folder / "run" / "checkpoints").glob("[0-9]*.npz")
        return sorted(int(file.stem) for file in there)


def copied_alone(part: Path, folder: Path) -> Path:
    """Return a folder in which a part of an audit's ledger is the only one."""
    target = folder / "parts" / part.stem
    target.mkdir(parents=True)
    shutil.copy(part, target)
    return target


def weights(run: Path) -> list[np.ndarray]:
    return saving.load_classifier(run / "model.keras")[0].get_weights()


def assert_alike(one: Path, two: Path, tolerance: float = 1e-5) -> None:
    """Compare weights, the losses of every epoch, and the result on test images."""
    for a, b in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)
    rows = [file_io.read_csv(run / "history.csv") for run in (one, two)]
    for a, b in zip(*rows, strict=True):
        for name in set(a) - {"stage"}:
            assert float(a[name]) == pytest.approx(float(b[name]), abs=tolerance), name
    first, second = (
        json.loads((run / "metrics.json").read_text())["test"] for run in (one, two)
    )
    assert first["n"] == second["n"]
    assert first["loss"] == pytest.approx(second["loss"], abs=tolerance)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one device."""
    folder = tmp_path_factory.mktemp("alone")
    where = ("--workdir", str(folder / "run"), "--cache_dir", str(folder / "c"))
    assert start(*COMMON, *where, "--distribute.strategy", "one_device") == 0
    return folder


def test_two_replicas_train_the_backbone_as_one_device_does(
    alone: Path, tmp_path: Path
) -> None:
    where = ("--workdir", str(tmp_path / "run"), "--cache_dir", str(alone / "c"))
    two = ("--distribute.strategy", "mirrored", "--distribute.devices", "2")
    assert start(*COMMON, *where, *two) == 0
    assert_alike(alone / "run", tmp_path / "run")


def test_two_workers_train_as_one_device_does(alone: Path, tmp_path: Path) -> None:
    with Workers(tmp_path) as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
        assert "Test accuracy" in workers.told(0)
        assert "Test accuracy" not in workers.told(1), "one of them speaks"
    assert_alike(alone / "run", tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["replicas"] == 2 and manifest["finished"]
    # Only the first one writes what TensorBoard shows.
    assert len(list((tmp_path / "run" / "logs").glob("events.out.*"))) == 1
    keys = [
        line
        for file in (tmp_path / "c" / "features").rglob("*.keys")
        for line in file.read_text().split()
    ]
    assert len(keys) == len(set(keys)), "no image was put through the network twice"
    pictures = [str(file) for file in (tmp_path / "c" / "demo").rglob("*.png")]
    parts = [
        Ledger(copied_alone(part, tmp_path)).read([(path, 0) for path in pictures])
        for part in (tmp_path / "c").glob("audit-*/*.sqlite")
    ]
    assert [len(part) for part in parts] == [66, 66], "each looked at its half"
    assert not set(parts[0]) & set(parts[1]), "no file was looked at twice"


def test_a_lost_worker_ends_the_run_in_words_and_the_same_command_goes_on(
    alone: Path, tmp_path: Path
) -> None:
    more = ("--checkpoint.every_steps", "1")
    with Workers(tmp_path, *more) as workers:
        workers.wait_for_checkpoints(tmp_path, 4)
        workers.processes[1].kill()
        assert workers.wait(60) == [TemporaryError.exit_code, -signal.SIGKILL]
        told = workers.told(0)
        assert told.count("error:") == 1 and "Traceback" not in told
        assert "another worker has gone" in told and "same command" in told
    assert not (tmp_path / "run" / "model.keras").exists()
    assert Workers.reached(tmp_path)
    with Workers(tmp_path, *more) as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
        assert "resuming" in workers.told(0)
    assert_alike(alone / "run", tmp_path / "run")


def test_a_lost_chief_is_noticed_by_the_others(tmp_path: Path) -> None:
    with Workers(tmp_path, "--checkpoint.every_steps", "1") as workers:
        workers.wait_for_checkpoints(tmp_path, 1)
        workers.processes[0].kill()
        assert workers.wait(60) == [-signal.SIGKILL, TemporaryError.exit_code]
        assert "another worker has gone" in workers.told(1)


def test_sigterm_at_one_worker_stops_both_at_one_checkpoint(
    alone: Path, tmp_path: Path
) -> None:
    more = ("--checkpoint.every_steps", "1")
    with Workers(tmp_path, *more) as workers:
        workers.wait_for_checkpoints(tmp_path, 3)
        workers.processes[1].terminate()
        codes = workers.wait(60)
        assert codes == [143, 143], workers.told(0) + workers.told(1)
        for index in range(2):
            assert "Traceback" not in workers.told(index)
            assert "a checkpoint is written" in workers.told(index)
    with Workers(tmp_path, *more) as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
    assert_alike(alone / "run", tmp_path / "run")


def refused(folder: Path, *more: str, **each: Any) -> str:
    """Return what both workers say, neither of which has trained."""
    with Workers(folder, *more, **each) as workers:
        assert workers.wait() == [2, 2], workers.told(0) + workers.told(1)
        both = [workers.told(index).strip() for index in range(2)]
    assert "Traceback" not in "".join(both)
    assert not (folder / "run" / "manifest.json").exists()
    return "\n".join(one.splitlines()[-1] for one in both)


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two folders, each with a list of the same pictures, as on two machines."""
    from tfpipeline.demo import world

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), *sys.path]))
    world.write_folder(tmp_path / "pictures", ["rocket", "teapot"], 10, seed=1)
    files = sorted((tmp_path / "pictures").rglob("*.png"))
    rows = [(file, file.parent.name) for file in files]
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        file_io.write_csv(folder / "data.csv", ("path", "label"), rows)
    return folders


def test_workers_with_other_labels_train_nothing_and_name_the_first(
    tmp_path: Path, copies: list[Path]
) -> None:
    older = copies[1] / "data.csv"
    lines = older.read_text().splitlines()
    name = lines[3].split(",")[0]
    older.write_text("\n".join([*lines[:3], f"{name},teapot", *lines[4:]]))
    told = refused(tmp_path, "--data.source", "data.csv", where=copies)
    first = f"worker 0 has '{name}: rocket'; worker 1 has '{name}: teapot'"
    assert told.count(f"labels: {first}") == 2


def test_what_one_worker_lacks_ends_both_and_neither_waits(
    tmp_path: Path, copies: list[Path]
) -> None:
    (copies[1] / "data.csv").unlink()
    told = refused(tmp_path, "--data.source", "data.csv", where=copies)
    assert told.count("--data.source data.csv") == 2
    assert "Worker 1 of 2" in told.splitlines()[0]


def test_workers_with_other_seeds_train_nothing(tmp_path: Path) -> None:
    told = refused(tmp_path, own=(("--seed", "1"), ("--seed", "2")))
    assert told.count("worker 0 has '--seed 1'; worker 1 has '--seed 2'") == 2


def test_two_workers_share_ideal_images(small_run, tmp_path: Path) -> None:
    """Three classes are no multiple of two workers; only the first one writes."""
    from tfpipeline import cli
    from tfpipeline.config.synthesis import SynthesizeSettings
    from tfpipeline.core import image_io
    from tfpipeline.synthesize.command import synthesize

    words = ["--run", str(small_run.path), "--classes", "teapot", "0", "1"]
    words += ["--synthesis.steps", "6", "--output"]
    # One at a time for each: another number may be rounded otherwise.
    both = [*words, str(tmp_path / "both"), "--synthesis.batch_size", "2"]
    with Workers(tmp_path, *both, verb="synthesize") as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
        assert "3 ideal images" in workers.told(0) + workers.told(1)
    alone = [*words, str(tmp_path / "alone"), "--synthesis.batch_size", "1"]
    assert cli.main(synthesize, SynthesizeSettings, alone) == 0
    found = json.loads((tmp_path / "alone" / "synthesis.json").read_text())["images"]
    assert len(found) == 3
    for item in found:
        one, two = (
            image_io.decode(tmp_path / name / item["image"]).astype(int)
            for name in ("alone", "both")
        )
        assert np.abs(one - two).max() <= 1


def test_two_workers_share_an_attack(demo_run, tmp_path: Path) -> None:
    """Three pictures are no multiple of two workers; only the first one writes."""
    from tfpipeline import cli
    from tfpipeline.attack.command import attack
    from tfpipeline.config.attack import AttackSettings
    from tfpipeline.core import image_io
    from tfpipeline.demo import world

    world.write_folder(tmp_path / "in", ["teapot"], 3, seed=77)
    words = ["--run", str(demo_run.path), "--images", str(tmp_path / "in")]
    words += ["--epsilon", "6/255", "--adversary.attack", "pgd", "--output"]
    both = [*words, str(tmp_path / "both")]
    with Workers(tmp_path, *both, verb="attack") as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
        assert "3 of 3 pictures fool" in workers.told(0) + workers.told(1)
    assert cli.main(attack, AttackSettings, [*words, str(tmp_path / "alone")]) == 0
    for item in json.loads((tmp_path / "alone" / "attack.json").read_text())["images"]:
        one, two = (
            image_io.decode(tmp_path / name / item["adversarial"]).astype(int)
            for name in ("alone", "both")
        )
        assert (one != two).mean() < 0.05


def test_two_workers_learn_several_labels_as_one_device_does(tmp_path: Path) -> None:
    few = ("--data.source", "demo:multi", "--data.demo_per_class", "9")
    few += ("--fine_tune.epochs", "1")
    alone = ("--workdir", str(tmp_path / "alone"), "--cache_dir", str(tmp_path / "c"))
    assert start(*COMMON, *alone, *few, "--distribute.strategy", "one_device") == 0
    with Workers(tmp_path, own=(few, few)) as workers:
        assert workers.wait() == [0, 0], workers.told(0) + workers.told(1)
        assert "Thresholds" in workers.told(0)
        assert "Thresholds" not in workers.told(1), "one of them speaks"
    assert_alike(tmp_path / "alone", tmp_path / "run")
    one, two = (
        json.loads((tmp_path / name / "target.json").read_text())
        for name in ("alone", "run")
    )
    assert one["labels"] == two["labels"]
    assert one["thresholds"] == pytest.approx(two["thresholds"], abs=1e-5)
