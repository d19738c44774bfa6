"""Intervals and tests of shares, against what they have to be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.report.intervals import Z_95, mcnemar, wilson


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_ends_are_where_a_score_test_just_rejects(n: int, share: float) -> None:
    successes = round(share * n)
    low, high = wilson(successes, n)
    measured = successes / n
    assert 0 <= low <= measured <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            z = abs(measured - end) / math.sqrt(end * (1 - end) / n)
            assert z == pytest.approx(Z_95, rel=1e-6)


def test_published_figures_are_met() -> None:
    # Brown et al. 2001: no success in ten.
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10)[1] == 1


def test_of_100_such_intervals_about_95_hold_the_truth() -> None:
    found = np.random.default_rng(0).binomial(80, 0.9, 4000)
    held = [low <= 0.9 <= high for low, high in (wilson(k, 80) for k in found)]
    assert 0.93 < np.mean(held) < 0.97


def test_a_difference_is_as_likely_as_coins_say() -> None:
    assert mcnemar(0, 0) == 1 and mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 7) == mcnemar(7, 1) == pytest.approx(2 * 9 / 256)


def test_many_images_are_no_trouble() -> None:
    exact = 2 * sum(math.comb(1000, k) for k in range(471)) / 2**1000
    assert mcnemar(470, 530) == pytest.approx(exact)
    assert mcnemar(471, 531) == pytest.approx(exact, abs=5e-3)
