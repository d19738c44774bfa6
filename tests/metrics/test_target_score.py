"""The figure of each target: it is that of a run, and at most 1."""

import json

import numpy as np
import pytest

from tfpipeline.metrics import decision, target_metrics, target_score
from tfpipeline.metrics.decision import Decision


def test_each_target_has_its_figure_and_a_row_says_which() -> None:
    keys = {name: target_score.of_target(name).key for name in ("single", "soft")}
    assert set(keys.values()) == {"accuracy"}
    for target, key, name in (
        ("multi", "mean_average_precision", "mAP"),
        ("number", "r2", "R2"),
        ("single", "accuracy", "Accuracy"),
    ):
        own = target_score.of_target(target)
        assert (own.key, own.title) == (key, name)
        assert target_score.of_row({key: 0.5, "seed": 1}) == own
        assert own.validation == f"validation_{key}"
    assert target_score.of_row({}).key == "accuracy"


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_a_run(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(60, 4))
    # The last class has no image.
    values = (outputs + rng.normal(size=(60, 4)) > 1) * [1, 1, 1, 0]
    own = decision.for_several(tuple("abcd"), ("f1", 0.9), "validation", None)
    run = target_metrics.measure(own, outputs, values)
    (found,) = target_score.measure("multi", outputs, values).items()
    assert found == ("mean_average_precision", run["mean_average_precision"])
    numbers = outputs[:, :1] * 2 + 5
    of_number = Decision("number", ("age",), mean=0.0, deviation=1.0)
    run = target_metrics.measure(of_number, outputs[:, :1], numbers)
    told = target_score.measure("number", outputs[:, :1], numbers)
    assert told == {"r2": pytest.approx(run["r2"]), "mae": pytest.approx(run["mae"])}
    assert target_score.measure("number", numbers, numbers) == {"r2": 1.0, "mae": 0.0}


def test_what_is_undefined_is_no_number() -> None:
    nothing = np.zeros((0, 2))
    several = target_score.measure("multi", nothing, nothing)
    assert np.isnan(several["mean_average_precision"])
    without = target_score.measure("multi", np.ones((3, 2)), np.zeros((3, 2)))
    assert np.isnan(without["mean_average_precision"])
    equal = target_score.measure("number", np.ones((3, 1)), np.full((3, 1), 2.0))
    assert np.isnan(equal["r2"]) and equal["mae"] == 1.0
    assert json.dumps(equal)
