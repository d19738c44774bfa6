"""Evaluation of a run: on its own test images, on other sources, and refusals."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config import EvaluateSettings
from tfpipeline.demo import world
from tfpipeline.evaluate import evaluate


@pytest.fixture()
def run(demo_run: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_run.path, tmp_path / "run"))


def start(*argv: str) -> int:
    return cli.main(evaluate, EvaluateSettings, argv)


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_the_saved_model_reproduces_the_figures_of_its_training(
    run: Path, strategy: str
) -> None:
    argv = ["--run", str(run), "--distribute.strategy", strategy]
    argv += ["--distribute.devices", "2"] if strategy == "mirrored" else []
    assert start(*argv) == 0
    trained = json.loads((run / "metrics.json").read_text())["test"]
    again = json.loads((run / "evaluation.json").read_text())
    assert again["n"] == trained["n"] and again["split"] == "test"
    assert again["accuracy"] == trained["accuracy"]
    assert again["loss"] == pytest.approx(trained["loss"], abs=1e-4)


def test_another_source_with_the_same_classes_is_measured_whole(
    run: Path, tmp_path: Path
) -> None:
    world.write_folder(tmp_path / "other", world.TRANSFER_CLASSES, 10, seed=99)
    assert start("--run", str(run), "--source", str(tmp_path / "other")) == 0
    found = json.loads((run / "evaluation.json").read_text())
    assert found["n"] == 60 and found["accuracy"] > 0.85


def test_other_classes_are_refused_with_the_first_difference(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [*world.TRANSFER_CLASSES[:2], "house"]
    world.write_folder(tmp_path / "other", names, 2, seed=0)
    assert start("--run", str(run), "--source", str(tmp_path / "other")) == 2
    error = capsys.readouterr().err
    assert "number 2" in error and "'house'" in error
    assert not (run / "evaluation.json").exists()


def test_what_is_no_run_is_told(tmp_path: Path, capsys) -> None:
    assert start() == 2 and "--run" in capsys.readouterr().err
    assert start("--run", str(tmp_path / "gone")) == 2
    assert "found nothing there" in capsys.readouterr().err
