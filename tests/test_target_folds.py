"""Folds of several labels and of numbers: held out truly, and used for every choice."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests import test_targets as of_targets
from tfpipeline.core import file_io
from tfpipeline.metrics import thresholds
from tfpipeline.metrics.targets import conformal
from tfpipeline.train.targets import scaling

TARGETS = ("multi", "number")
MORE = ("--data.folds", "3", "--train.epochs", "6", "--calibration.coverage", "0.8")


@pytest.fixture(scope="module")
def folded(tmp_path_factory) -> Path:
    """A folder with a run of both targets, with folds."""
    folder = tmp_path_factory.mktemp("folded")
    of_targets.write(folder, 90)
    for target in TARGETS:
        of_targets.trained(folder, target, *MORE)
    return folder


def read(file: Path) -> dict:
    return json.loads(file.read_text())


@pytest.mark.parametrize("target", TARGETS)
def test_every_training_image_is_predicted_once_and_all_files_agree(
    folded: Path, target: str
) -> None:
    run = folded / target
    out = file_io.read_csv(run / "out_of_fold.csv")
    splits = {row["id"]: row for row in file_io.read_csv(run / "splits.csv")}
    assert [row["id"] for row in out] == [
        name for name, row in splits.items() if row["split"] == "train"
    ]
    assert all(splits[row["id"]]["fold"] == row["fold"] for row in out)
    predictions = {r["id"]: r for r in file_io.read_csv(run / "predictions.csv")}
    shared = set(out[0]) - {"fold"}
    for row in out:
        assert all(predictions[row["id"]][key] == row[key] for key in shared)
    told = read(run / "metrics.json")["folds"]
    assert (told["count"], told["n"]) == (3, len(out))
    key = {"multi": "mean_average_precision", "number": "mae"}[target]
    low, high = told["intervals"][key]
    assert low < told[key] < high and len(told["scores"]) == 3
    if target == "number":
        errors = [float(row["absolute_error"]) for row in out]
        assert told["mae"] == pytest.approx(np.mean(errors), rel=1e-4)
    cleaning = file_io.read_csv(run / "cleaning.csv")
    assert {row["id"] for row in cleaning} == set(splits)
    page = (run / "report.html").read_text()
    assert "<h3>Folds</h3>" in page and "did not train on it" in page
    assert "memorised" not in page


def test_thresholds_and_temperature_are_chosen_out_of_fold(folded: Path) -> None:
    run = folded / "multi"
    decision, metrics = read(run / "target.json"), read(run / "metrics.json")
    assert decision["split"] == metrics["test"]["chosen_on"] == "out-of-fold"
    out = file_io.read_csv(run / "out_of_fold.csv")
    for name, threshold in zip(decision["labels"], decision["thresholds"]):
        chance = np.array([float(row[name]) for row in out])
        there = np.array([name in row["label"].split("|") for row in out])
        own = thresholds.choose(chance, there)
        assert threshold == pytest.approx(own.value, abs=1e-5)
    calibration = read(run / "calibration.json")
    assert calibration["images"] == "out-of-fold" and calibration["n"] == len(out)
    assert calibration["temperature"] == decision["temperature"]


def test_the_interval_of_a_number_is_chosen_out_of_fold(folded: Path) -> None:
    run = folded / "number"
    decision = read(run / "target.json")
    out = file_io.read_csv(run / "out_of_fold.csv")
    assert (decision["split"], decision["n"]) == ("out-of-fold", len(out))
    error = np.array([float(row["error"]) for row in out])
    expected = conformal.half_width(error, 0.8)
    assert decision["half_width"] == pytest.approx(expected, rel=1e-4)
    inside = np.abs(error) <= decision["half_width"] * (1 + 1e-5)
    assert inside.mean() >= 0.8
    assert 0 <= read(run / "metrics.json")["test"]["band"]["covered"] <= 1


def test_the_network_of_the_run_has_the_unit_of_all_its_images(folded: Path) -> None:
    run = folded / "number"
    rows = file_io.read_csv(run / "splits.csv")
    numbers = [float(row["label"]) for row in rows if row["split"] == "train"]
    model = keras.saving.load_model(run / "model.keras", compile=False)
    mean, deviation = scaling.unit_of(model)
    assert mean == pytest.approx(np.mean(numbers))
    assert deviation == pytest.approx(np.std(numbers), rel=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_a_fold_is_predicted_as_by_a_run_that_was_never_given_it(
    folded: Path, tmp_path: Path, target: str
) -> None:
    """Not even by the mean of its numbers, which the head of a run has inside."""
    run = folded / target
    out = file_io.read_csv(run / "out_of_fold.csv")
    fold = {row["id"]: row["fold"] for row in out}
    column = of_targets.OPTIONS[target][1]
    table = [
        (row["id"], row["path"], row["label"], split)
        for row in file_io.read_csv(run / "splits.csv")
        for split in ["test" if fold.get(row["id"]) == "2" else row["split"]]
        if row["split"] != "test"
    ]
    file = tmp_path / "s.csv"
    file_io.write_csv(file, ("id", "path", column, "split"), table)
    alone = of_targets.trained(tmp_path, target, "--train.epochs", "6", name="alone")
    rows = {row["id"]: row for row in file_io.read_csv(alone / "predictions.csv")}
    own = [row for row in out if row["fold"] == "2"]
    assert own
    for row in own:
        other = rows[row["id"]]
        if target == "number":
            assert float(row["predicted"]) == pytest.approx(
                float(other["predicted"]), rel=1e-4
            )
            continue
        # By the loss: probabilities may have a temperature.
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_folds_are_fine_tuned_as_the_run_is(tmp_path: Path, target: str) -> None:
    of_targets.write(tmp_path, 60)
    short = ("--train.epochs", "2", "--fine_tune.epochs", "1", "--data.folds", "2")
    run = of_targets.trained(tmp_path, target, *short)
    out = file_io.read_csv(run / "out_of_fold.csv")
    assert {row["fold"] for row in out} == {"1", "2"}
    assert read(run / "metrics.json")["folds"]["count"] == 2
