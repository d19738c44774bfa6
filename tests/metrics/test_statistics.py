"""The interval of a mean over seeds."""

import numpy as np
import pytest

from tfpipeline.metrics import statistics


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).normal(3, 2, (2000, 4))
    hits = 0
    for some in drawn:
        mean, half = statistics.mean_interval(list(some))
        hits += abs(mean - 3) <= half
    assert hits / len(drawn) == pytest.approx(0.95, abs=0.015)


def test_one_value_has_no_interval() -> None:
    mean, half = statistics.mean_interval([0.5])
    assert mean == 0.5 and np.isnan(half)
    assert np.isnan(statistics.mean_interval([])[0])
