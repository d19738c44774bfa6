"""Samples with replacement, against what is known of them."""

import math

import numpy as np
import pytest

from tfpipeline.metrics import bootstrap


def test_samples_are_seeded_and_as_large_as_what_was_measured() -> None:
    first, again, other = (list(bootstrap.counts(50, 20, seed)) for seed in (0, 0, 1))
    assert all(count.sum() == 50 for count in first)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # A longer series begins with the shorter one.
    assert np.array_equal(list(bootstrap.counts(50, 5, 0)), first[:5])
    assert np.mean(first) == 1 and np.var(first) == pytest.approx(0.98, abs=0.15)


def test_units_are_drawn_whole() -> None:
    unit = np.repeat([4, 7, 9], [1, 5, 2])
    for count in bootstrap.counts(8, 30, 0, unit):
        assert all(np.ptp(count[unit == name]) == 0 for name in (4, 7, 9))
        assert count[0] + count[1] + count[6] == 3


def test_the_interval_of_a_mean_is_the_known_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 400)
    low, high = bootstrap.intervals(
        lambda count: np.array([count @ values / 400]), 400, draws=2000
    )[:, 0]
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_a_figure_that_no_sample_has_is_no_number() -> None:
    found = bootstrap.intervals(
        lambda count: np.array([np.nan, count[0], np.nan if count[0] else 1.0]), 4
    )
    assert np.isnan(found[:, 0]).all() and np.isfinite(found[:, 1:]).all()


def test_many_images_take_fewer_samples() -> None:
    seen = []
    bootstrap.intervals(lambda count: np.array([seen.append(1) or 1.0]), 100_000)
    assert len(seen) == 200
