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


def test_thresholds_are_those_of_the_mean_and_a_unit_is_that_of_the_first(
    tmp_path: Path,
) -> None:
    examples = prepare(written(tmp_path, ("label",), several([])[:60]), "multi")
    logits = {}
    for split in ("validation", "test"):
        truth = examples.truth(examples.of(split))
        # Every class is told by any threshold between 0.119 and 0.269.
        logits[split] = np.where(truth > 0, -1.0, -2.0)
    found = figures.decide(examples, logits, CalibrationSettings(), [SEVERAL] * 2)
    assert found.split == "validation" and found.labels == SEVERAL.labels
    assert all(0.119 < value < 0.27 for value in found.thresholds)
    result = figures.measure(examples, logits, found)
    assert result["test"]["mean_average_precision"] == 1
    assert result["test"]["macro_f1"] == 1 and result.keys() == logits.keys()
    unit = figures.decide(examples, {}, CalibrationSettings(), [NUMBER, NUMBER])
    assert unit == NUMBER
    single = Decision()
    assert figures.decide(examples, {}, CalibrationSettings(), [single]) is single
    chosen = examples.of("test")
    given = found, logits["test"], examples.truth(chosen)
    plain = target_metrics.measure(*given)
    assert result["test"]["classes"] == plain["classes"]


def test_runs_of_other_targets_and_units_are_refused(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / name) for name in "ab"]
    with pytest.raises(UserError, match="b: expected --data.target multi.*number"):
        checks.check_targets(folders, [SEVERAL, NUMBER])
    checks.check_targets(folders, [Decision("soft", ("a", "b")), Decision()])
    other = Decision("number", ("age",), mean=31.0, deviation=2.0)
    with pytest.raises(UserError, match="b: expected mean 30.*--how ensemble"):
        checks.check_units(folders, [NUMBER, other])
    checks.check_units(folders, [NUMBER, NUMBER])
