"""A trained network of several labels, measured: thresholds on validation images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.data.sources.test_targets import pictures, prepare, several, written
from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import file_io
from tfpipeline.metrics import thresholds
from tfpipeline.train.command import train
from tfpipeline.train.targets import measurement


@pytest.mark.parametrize("validation", ["0.3", "0"])
def test_thresholds_come_from_validation_images_alone(
    tmp_path: Path, validation: str
) -> None:
    file = written(tmp_path, ("label",), several([])[:60])
    run = tmp_path / "run"
    argv = [str(file), "--data.target", "multi", "--workdir", str(run), *PLAIN]
    argv += ["--cache_dir", str(tmp_path / "cache"), "--train.epochs", "2", "--quiet"]
    argv += ["--data.validation_fraction", validation]
    argv += ["--calibration.thresholds", "recall_at_precision"]
    argv += ["--calibration.precision", "0.6"]
    assert cli.main(train, RunSettings, argv) == 0
    decision = json.loads((run / "target.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["criterion"] == "recall_at_precision"
    if validation == "0":
        assert metrics["test"]["chosen_on"] is None and "validation" not in metrics
        assert decision["thresholds"] == [0.5] * 3
        return
    rows = [
        row
        for row in file_io.read_csv(run / "predictions.csv")
        if row["split"] == "validation"
    ]
    for name, threshold in zip(decision["labels"], decision["thresholds"]):
        chance = np.array([float(row[name]) for row in rows])
        there = np.array([name in row["label"].split("|") for row in rows])
        own = thresholds.choose(chance, there, "recall_at_precision", 0.6)
        assert threshold == pytest.approx(own.value, abs=1e-5)
    calibration = json.loads((run / "calibration.json").read_text())
    assert calibration["temperature"] == decision["temperature"]
    assert calibration["threshold"] is None and calibration["n"] == len(rows)
    assert "not defined for --data.target multi" in calibration["reason"]


def test_too_few_images_for_an_interval_are_told(tmp_path: Path, capsys) -> None:
    file = written(tmp_path, ("age",), range(60))
    run = tmp_path / "run"
    argv = [str(file), "--data.target", "number", "--data.label_column", "age"]
    argv += ["--workdir", str(run), *PLAIN, "--cache_dir", str(tmp_path / "cache")]
    argv += ["--train.epochs", "1", "--calibration.coverage", "0.99"]
    assert cli.main(train, RunSettings, argv) == 0
    decision = json.loads((run / "target.json").read_text())
    assert decision["half_width"] is None and "needs 99" in decision["reason"]
    said = " ".join(capsys.readouterr().out.split())
    assert f"have no interval: {decision['reason']}" in said
    assert "band" not in json.loads((run / "metrics.json").read_text())["test"]
    assert "low" not in file_io.read_csv(run / "predictions.csv")[0]
    assert decision["reason"] in (run / "report.html").read_text()


def test_what_training_has_an_equal_file_of_chooses_no_interval(tmp_path) -> None:
    """Half of the validation images are copies, which a network has by heart."""
    names, rows = pictures(tmp_path, 60), []
    for i, name in enumerate(names):
        rows.append((name, i, "validation" if i < 40 else "train"))
        if i < 20:
            shutil.copy(tmp_path / name, tmp_path / f"copy{name}")
            rows.append((f"copy{name}", i, "train"))
    file = tmp_path / "s.csv"
    file_io.write_csv(file, ("path", "age", "split"), rows)
    examples = prepare(file, "number", label_column="age", test_fraction=0)
    chosen = examples.of("validation")
    truth = examples.truth(chosen)
    outputs = truth + np.where(truth < 20, 0, truth)
    given = measurement.validation(examples, outputs)
    assert len(chosen) == 40 and (examples.truth(given.chosen) >= 20).all()
    found = measurement.decide(examples, given, CalibrationSettings(), None)
    assert found.n == 20 and found.half_width == 38  # The 19th of 20 to 39.
    own = measurement.validation(examples, None)
    assert len(own.chosen) == len(own.outputs) == 20


def test_copies_in_another_fold_choose_nothing_and_in_its_own_count_once(
    tmp_path,
) -> None:
    names = pictures(tmp_path, 12)
    for i in range(4):
        shutil.copy(tmp_path / names[i], tmp_path / f"copy{i}.png")
    every = names + [f"copy{i}.png" for i in range(4)]
    labels = ["a|b", "b"] * 8
    file = tmp_path / "s.csv"
    file_io.write_csv(
        file, ("path", "label", "split"), zip(every, labels, ["train"] * 16)
    )
    examples = prepare(file, "multi", validation_fraction=0, test_fraction=0)
    ids = [examples.source.ids[i] for i in examples.of("train")]
    # The first two copies are in another fold than their pictures.
    fold = np.array([2 if name in ("copy0.png", "copy1.png") else 1 for name in ids])
    outputs = np.zeros((16, 2), np.float32)
    given = measurement.out_of_fold(examples, outputs, fold)
    left = {examples.source.ids[i] for i in given.chosen}
    assert len(left) == len(given.chosen) == 10
    assert not left & {*names[:2], "copy0.png", "copy1.png"}
    # Thresholds and temperature are chosen by these.
    assert measurement.calibrate(examples, given).n == 10
