"""A trained network of several labels, measured: thresholds on validation images."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.data.sources.test_targets import several, written
from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.core import file_io
from tfpipeline.metrics import thresholds
from tfpipeline.train.command import train


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
