"""What a combination of several labels or of a number is measured and answered by."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.combine import checks, figures
from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import target_metrics
from tfpipeline.metrics.decision import Decision

SEVERAL = Decision("multi", ("a", "b", "c"), (0.5,) * 3)
NUMBER = Decision("number", ("age",), mean=30.0, deviation=2.0)


@pytest.mark.parametrize(
    "target, better, worse",
    [
        ("single", {"accuracy": 0.9, "loss": 2.0}, {"accuracy": 0.8, "loss": 1.0}),
        ("single", {"accuracy": 0.9, "loss": 1.0}, {"accuracy": 0.9, "loss": 2.0}),
        (
            "multi",
            {"mean_average_precision": 0.5, "loss": 2.0},
            {"mean_average_precision": None, "loss": 1.0},
        ),
        ("number", {"mae": 2.0, "rmse": 4.0}, {"mae": 3.0, "rmse": 3.0}),
    ],
)
def test_the_better_run_ranks_higher(target: str, better: dict, worse: dict) -> None:
    assert figures.rank(better, target) > figures.rank(worse, target)


def test_thresholds_and_temperature_are_those_of_the_mean(
    tmp_path: Path,
) -> None:
    examples = prepare(
        *(written(tmp_path, ("label",), several([])[:60]), "multi"),
        validation_fraction=0.4,
    )
    logits = {}
    for split in ("validation", "test"):
        truth = examples.truth(examples.of(split))
        # Every class is told by any threshold between those of -2 and of -1.
        logits[split] = np.where(truth > 0, -1.0, -2.0)
    asked = CalibrationSettings()
    found, fit = figures.decide(examples, logits, asked, [SEVERAL] * 2)
    assert fit.n == len(logits["validation"]) and fit.held_out is not None
    assert found.temperature == fit.temperature > 1
    assert found.split == "validation" and found.labels == SEVERAL.labels
    low, high = (1 / (1 + np.exp(z / found.temperature)) for z in (2, 1))
    assert all(low < value < high for value in found.thresholds)
    result = figures.measure(examples, logits, found, "exact")
    assert result["test"]["mean_average_precision"] == 1
    assert result["test"]["macro_f1"] == 1 and result.keys() == logits.keys()
    chosen = examples.of("test")
    given = found, logits["test"], examples.truth(chosen)
    plain = target_metrics.measure(*given)
    assert result["test"]["classes"] == plain["classes"]


def test_a_number_has_the_unit_of_the_first_and_an_interval_of_its_own(
    tmp_path: Path,
) -> None:
    examples = prepare(
        written(tmp_path, ("age",), range(60)),
        "number",
        label_column="age",
        validation_fraction=0.4,
    )
    truth = examples.truth(examples.of("validation"))
    logits, asked = {"validation": truth + 3}, CalibrationSettings()
    found, fit = figures.decide(examples, logits, asked, [NUMBER, NUMBER])
    assert (found.mean, found.deviation) == (NUMBER.mean, NUMBER.deviation)
    assert (found.half_width, found.n, found.split) == (3, len(truth), "validation")
    assert fit.temperature == 1
    result = figures.measure(examples, logits, found, "exact")
    assert result["validation"]["band"]["covered"] == 1


def test_runs_of_other_targets_and_units_are_refused(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / name) for name in "ab"]
    with pytest.raises(UserError, match="b: expected --data.target multi.*number"):
        checks.check_targets(folders, [SEVERAL, NUMBER])
    checks.check_targets(folders, [Decision("soft", ("a", "b")), Decision()])
    other = Decision("number", ("age",), mean=31.0, deviation=2.0)
    with pytest.raises(UserError, match="b: expected mean 30.*--how ensemble"):
        checks.check_units(folders, [NUMBER, other])
    checks.check_units(folders, [NUMBER, NUMBER])
