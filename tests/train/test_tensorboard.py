"""What TensorBoard shows of a run is what its other files say, each step once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN, Trained
from tests.train.test_events import values
from tfpipeline import cli
from tfpipeline.config import LogSettings, RunSettings
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.synthesize.command import synthesize
from tfpipeline.train import tensorboard
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow

SMALL = (*PLAIN, "--train.epochs", "4", "--data.batch_size", "32")


def start(demo_run: Trained, workdir: Path, *more: str) -> int:
    """Train on the drawings of the demo that are there already."""
    argv = ["--workdir", str(workdir), "--cache_dir", str(demo_run.cache), *SMALL]
    return cli.main(train, RunSettings, [*argv, *more])


def expected(run: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Return the curves that a history makes."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in file_io.read_csv(run / "history.csv"):
        stage, epoch = row.pop("stage"), int(row.pop("epoch"))
        for name, value in row.items():
            part = "validation" if name.startswith("val_") else "train"
            key = (f"{stage}/{part}", name.removeprefix("val_"))
            found.setdefault(key, []).append((epoch, pytest.approx(float(value))))
    return found


def test_the_curves_are_those_of_the_history(demo_run: Trained) -> None:
    found = values(demo_run.path / "logs")
    curves = {key: told for key, told in found.items() if key[0] != "."}
    wanted = expected(demo_run.path)
    assert curves.keys() == wanted.keys() and len(curves) == 5
    for key, told in curves.items():
        assert told == wanted[key], key


def test_the_result_is_shown_with_pictures_and_settings(demo_run: Trained) -> None:
    found = values(demo_run.path / "logs")
    metrics = json.loads((demo_run.path / "metrics.json").read_text())
    epochs = len(file_io.read_csv(demo_run.path / "history.csv"))
    for split in ("test", "validation"):
        accuracy = pytest.approx(metrics[split]["accuracy"])
        assert found[".", f"{split}/accuracy"] == [(epochs, accuracy)]
        assert len(found[".", f"{split}/confusion"]) == 1
    ((_, (width, height, png)),) = found[".", "batch"]
    kept = image_io.decode(demo_run.path / "figures" / "batch.png")
    assert kept.shape == (int(height), int(width), 3)
    assert (image_io.read(png, *kept.shape[:2], "squash") == kept).all()
    (told,) = found[".", "_hparams_/session_start_info"]
    assert b"model.backbone" in told[1] and b"MobileNetV2" in told[1]
    manifest = json.loads((demo_run.path / "manifest.json").read_text())
    assert (demo_run.path / manifest["logs"]).is_dir()


def test_a_run_that_was_stopped_goes_on_without_a_step_twice(
    demo_run: Trained, tmp_path: Path, monkeypatch
) -> None:
    told = tensorboard.Board._write_epoch

    def stop_at_the_second(self: tensorboard.Board, row) -> None:
        told(self, row)
        if row["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    run, more = tmp_path / "run", ("--fine_tune.epochs", "1")
    with monkeypatch.context() as patched:
        patched.setattr(tensorboard.Board, "_write_epoch", stop_at_the_second)
        assert start(demo_run, run, *more) == 143
    before = values(run / "logs")
    assert [step for step, _ in before["head/train", "loss"]] == [1, 2]
    assert start(demo_run, run, *more) == 0
    found = values(run / "logs")
    curves = {key: steps for key, steps in found.items() if key[0] != "."}
    assert curves == expected(run) and len(curves["head/train", "loss"]) == 4
    assert len(curves["fine_tune/validation", "accuracy"]) == 1
    assert len(found[".", "_hparams_/session_start_info"]) == 1
    # What replaces it shows nothing of it, even where it shows nothing at all.
    assert start(demo_run, run, "--overwrite=true", "--logs.tensorboard=false") == 0
    assert not (run / "logs").exists()
    assert json.loads((run / "manifest.json").read_text())["logs"] is None


def test_a_profile_is_recorded_on_request(demo_run: Trained, tmp_path: Path) -> None:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    assert start(demo_run, tmp_path / "r", "--logs.profile_steps", "3") == 0
    (file,) = (tmp_path / "r" / "logs" / "head").rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(file.read_bytes())
    names = {
        metadata.name
        for plane in space.planes
        for metadata in plane.event_metadata.values()
    }
    # The step, and an operation of the head in it.
    assert any("train" in name for name in names)
    assert any("MatMul" in name for name in names)


def test_a_profile_needs_a_number_of_steps(demo_run: Trained, tmp_path, capsys) -> None:
    assert start(demo_run, tmp_path / "r", "--logs.profile_steps", "-1") == 2
    assert "--logs.profile_steps: expected at least 0" in capsys.readouterr().err


def test_where_nothing_can_be_written_the_training_goes_on(
    tmp_path: Path, capsys
) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "logs"
    shown = tensorboard.Board(folder, LogSettings(), writes=True, anew=False)
    shown.finish(tmp_path, 1, {}, {}, None)
    shown.finish(tmp_path, 1, {}, {}, None)
    told = capsys.readouterr().err
    assert told.startswith(f"warning: {folder}: no more logs") and told.count("\n") == 1


def test_only_who_writes_the_run_writes_events(tmp_path: Path) -> None:
    for writes, settings in ((False, LogSettings()), (True, LogSettings(False))):
        shown = tensorboard.Board(tmp_path / "logs", settings, writes=writes, anew=True)
        shown.finish(tmp_path, 1, {}, {}, None)
        assert not (tmp_path / "logs").exists()


def test_settings_are_compared_by_name_and_paths_are_not() -> None:
    found = tensorboard.comparable_settings(RunSettings(workdir="r"))
    assert found["train.epochs"] == 30 and found["model.hidden"] == "[]"
    assert "workdir" not in found and "data.tfds_dir" not in found
    assert all(isinstance(value, bool | int | float | str) for value in found.values())


def test_of_many_classes_those_with_most_errors_are_in_the_picture() -> None:
    names = [f"class {i}" for i in range(40)]
    label = np.arange(40)
    some, all_of_them = (
        image_io.decode(tensorboard.confusion(np.eye(n), label[:n], names[:n])())
        for n in (30, 40)
    )
    assert some.shape == all_of_them.shape


def test_ideal_images_are_shown_as_they_came_about(
    demo_run: Trained, tmp_path: Path
) -> None:
    argv = ["--run", str(demo_run.path), "--classes", "teapot", "--output"]
    argv += [str(tmp_path / "o"), "--synthesis.steps", "3"]
    for more in ([], ["--overwrite", "true"]):
        assert cli.main(synthesize, SynthesizeSettings, [*argv, *more]) == 0
    found = values(tmp_path / "o" / "logs")
    (name,) = {tag.split("/")[0] for _, tag in found}
    assert [step for step, _ in found["best", f"{name}/score"]] == [0, 1, 2]
    ((_, (_, _, png)),) = found["best", f"{name}/image"]
    kept = image_io.decode(tmp_path / "o" / f"{name}.png")
    assert (image_io.read(png, *kept.shape[:2], "squash") == kept).all()
    # Without being asked for, no folder of logs.
    assert (
        cli.main(
            synthesize,
            SynthesizeSettings,
            [
                *argv[:4],
                "--output",
                str(tmp_path / "p"),
                *argv[6:],
                "--tensorboard=false",
            ],
        )
        == 0
    )
    assert not (tmp_path / "p" / "logs").exists()


def test_tensorboard_itself_serves_the_curves_of_a_run(demo_run: Trained) -> None:
    pytest.importorskip("tensorboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tensorboard.main", "--load_fast", "false"]
    words += ["--logdir", str(demo_run.path), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        place = f"http://127.0.0.1:{port}/data/plugin/"
        curve = f"{place}scalars/scalars?run=logs/head/validation&tag=accuracy"
        told = [(step, value) for _, step, value in _asked(curve, process)]
        assert told == expected(demo_run.path)["head/validation", "accuracy"]
        pictures = _asked(f"{place}images/tags", process)
        assert set(pictures["logs"]) == {
            *("batch", "test/confusion", "validation/confusion")
        }
    finally:
        process.kill()
        process.wait()


def _asked(address: str, process: subprocess.Popen) -> list | dict:
    """Return what a server answers, when it is ready and has read its files."""
    end = time.monotonic() + 240
    last: OSError | None = None
    while True:
        assert process.poll() is None and time.monotonic() < end, (address, last)
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                return json.load(response)
        except OSError as error:
            last = error
            time.sleep(0.5)
