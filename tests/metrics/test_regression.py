"""Errors of numbers, against scikit-learn, closed forms, and simulation."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import regression


def drawn(seed: int, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 10, n).astype(float)
    return true * 0.8 + rng.normal(1, 1, n), true


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_those_of_scikit_learn(seed: int, weighted: bool) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    predicted, true = drawn(seed)
    weight = np.random.default_rng(seed).uniform(0.2, 4, 80) if weighted else None
    found = regression.regression(predicted, true, weight)
    each = {"sample_weight": weight}
    for name, value in (
        ("mae", theirs.mean_absolute_error(true, predicted, **each)),
        ("rmse", theirs.root_mean_squared_error(true, predicted, **each)),
        ("r2", theirs.r2_score(true, predicted, **each)),
        ("median_error", theirs.median_absolute_error(true, predicted, **each)),
        ("bias", np.average(predicted - true, weights=weight)),
    ):
        assert found[name] == pytest.approx(value, abs=1e-9), name


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 4)), min_size=1))
def test_a_weighted_median_is_that_of_the_rows_so_many_times(rows) -> None:
    values, weight = map(np.array, zip(*rows))
    whole = np.repeat(values, weight)
    assert regression.median(values, weight) == np.median(whole)
    assert regression.median(values, weight * 0.1) == pytest.approx(np.median(whole))
    assert regression.median(values) == np.median(values)


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_of_two_is_the_row_twice_bit_for_bit(seed: int) -> None:
    predicted, true = drawn(seed, 30)
    weight = np.random.default_rng(seed).integers(1, 4, 30)
    rows = np.repeat(np.arange(30), weight)
    one = regression.regression(predicted, true, weight * 1.0, (true, weight * 1.0))
    other = regression.regression(predicted[rows], true[rows], None, (true[rows], None))
    for name, value in other.items():
        if name != "n":
            assert one[name] == value, name
    assert one["n"] == 30 and one["weight"] == other["n"]


def test_the_baseline_is_always_the_mean_of_training() -> None:
    true = np.array([1.0, 3.0])
    found = regression.regression(true, true, None, (np.array([0.0, 0.0, 6.0]), None))
    assert found["mae"] == found["rmse"] == found["bias"] == 0 and found["r2"] == 1
    base = found["baseline"]
    assert base["mean"] == 2 and base["mae"] == 1 and base["rmse"] == 1
    assert base["r2"] == 0 and base["bias"] == 0
    assert json.dumps(found)


def test_of_equal_numbers_no_variance_can_be_explained() -> None:
    true = np.full(7, 0.1)
    found = regression.regression(true + 0.5, true, None, (true, None))
    assert found["r2"] is None and found["baseline"]["r2"] is None
    assert found["mae"] == pytest.approx(0.5)
    ends = regression.intervals(true + 0.5, true)
    assert ends["r2"] is None and ends["mae"] == pytest.approx((0.5, 0.5))
    assert set(regression.intervals(true[:1], true[:1]).values()) == {None}


def test_intervals_hold_the_true_values_about_as_often_as_they_say() -> None:
    truth = {
        "mae": np.sqrt(2 / np.pi),
        "rmse": 1.0,
        "median_error": 0.6744897501960817,
        "bias": 0.0,
        "r2": 1 - 1 / 9.0,
    }
    inside = dict.fromkeys(truth, 0)
    for seed in range(60):
        rng = np.random.default_rng([5, seed])
        true = rng.normal(0, 3, 150)
        ends = regression.intervals(true + rng.normal(size=150), true, seed=seed)
        for name, value in truth.items():
            low, high = ends[name]
            inside[name] += low <= value <= high
    assert all(count >= 50 for count in inside.values()), inside


def test_intervals_are_seeded_and_widen_where_images_are_drawn_together() -> None:
    predicted, true = (np.repeat(column, 4) for column in drawn(3, 40))
    each = regression.intervals(predicted, true)
    assert each == regression.intervals(predicted, true)
    whole = regression.intervals(predicted, true, unit=np.repeat(np.arange(40), 4))
    for name in ("mae", "rmse", "r2"):
        assert np.diff(whole[name]) > 1.5 * np.diff(each[name])


def test_uneven_weights_widen_intervals() -> None:
    predicted, true = drawn(4, 200)
    even = regression.intervals(predicted, true, np.full(200, 3.0))
    assert even["mae"] == pytest.approx(regression.intervals(predicted, true)["mae"])
    uneven = np.random.default_rng(0).lognormal(0, 1.5, 200)
    ends = regression.intervals(predicted, true, uneven)
    assert np.diff(ends["mae"]) > 1.5 * np.diff(even["mae"])


def test_a_paired_difference_of_errors_is_exact_for_groups_too() -> None:
    rng = np.random.default_rng(2)
    first = rng.normal(size=60)
    second = first * 1.5
    found, (low, high), p = regression.paired_difference(first, second)
    assert found == pytest.approx(0.5 * np.abs(first).mean())
    assert low < found < high and p < 0.01
    # By three groups, p can be no lower than a quarter.
    unit = np.arange(60) % 3
    assert regression.paired_difference(first, second, unit)[2] == 0.25
    assert regression.paired_difference(first, -first)[1:] == ((0, 0), 1)
    assert regression.paired_difference(first, second, unit * 0)[1:] == (None, 1)
