"""Predictions of several labels and of numbers, the largest errors first."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import target_report
from tfpipeline.report.diagnosis import Measured


def write(folder: Path, examples, outputs: np.ndarray, one: Decision) -> list[dict]:
    """Write the report of a run whose test images have outputs; return predictions."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    file_io.write_json(run.decision, one.to_json())
    run.cleaning.write_text("of an earlier run")
    logits = {"test": outputs[examples.of("test")]}
    model = SimpleNamespace(input_shape=(None, 12, 12, 3))
    given = Measured(model, examples, logits, Calibration(), "squash", one)
    target_report.write(run, given, one)
    assert run.report.is_file()
    cleaning = file_io.read_csv(run.cleaning)
    assert len(cleaning) == len(logits["test"])
    content = json.loads(run.diagnosis.read_text())
    assert set(content["splits"]) == {"test"} and content["data"]["files"] == 60
    marked = [row for row in cleaning if float(row["suspicion"]) > 0]
    counts = content["suspects"]
    assert counts["held_out"] == len(marked) and counts["train_n"] == 0
    assert [row["id"] for row in content["suspected"]] == [row["id"] for row in marked]
    assert all((run.path / row["picture"]).is_file() for row in content["suspected"])
    with open(run.predictions, newline="") as opened:
        return list(csv.DictReader(opened))


def test_labels_have_their_probabilities(tmp_path: Path) -> None:
    examples = prepare(written(tmp_path, ("label",), several([])[:60]), "multi")
    values = examples.source.values
    outputs = np.where(values > 0, 3.0, -3.0)
    worst = examples.of("test")[2]
    outputs[worst] *= -1
    one = Decision("multi", examples.source.labels, (0.5,) * 3)
    rows = write(tmp_path, examples, outputs, one)
    assert rows[0]["id"] == examples.source.ids[worst] and rows[0]["wrong"] == "3"
    assert all(row["wrong"] == "0" for row in rows[1:])
    assert all(row["label"] == row["predicted"] for row in rows[1:])
    assert {row["a"] for row in rows} <= {"0.952574", "0.0474259"}


def test_numbers_have_their_errors(tmp_path: Path) -> None:
    file = written(tmp_path, ("age",), range(60))
    examples = prepare(file, "number", label_column="age")
    outputs = examples.source.values + np.linspace(-3, 2, 60)[:, None]
    one = Decision("number", ("age",), mean=30.0, half_width=2.5)
    rows = write(tmp_path, examples, outputs, one)
    errors = [float(row["error"]) for row in rows]
    sizes = [abs(error) for error in errors]
    assert sizes == sorted(sizes, reverse=True)
    for row, error in zip(rows, errors):
        difference = float(row["predicted"]) - float(row["label"])
        assert abs(difference - error) < 1e-3
        assert float(row["high"]) - float(row["low"]) == 5
        assert abs(float(row["low"]) + 2.5 - float(row["predicted"])) < 1e-3


def test_without_any_predictions_nothing_is_left_of_an_earlier_run(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, ("age",), range(60))
    examples = prepare(file, "number", label_column="age")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.cleaning.write_text("of an earlier run")
    one = Decision("number", ("age",))
    file_io.write_json(run.decision, one.to_json())
    given = Measured(None, examples, {}, Calibration(), "squash", one)
    target_report.write(run, given, one)
    assert not run.cleaning.exists() and not run.predictions.exists()
