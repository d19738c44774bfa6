"""Intervals and tests of shares, against what they have to be."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import significance
from tfpipeline.metrics.significance import (
    Z_95,
    holm,
    mcnemar,
    paired_interval,
    sign_flip,
    wilson,
)


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


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_a_paired_interval_holds_the_difference_and_turns_with_the_order(
    only_first: int, only_second: int, both: int
) -> None:
    n = only_first + only_second + both + 1
    low, high = paired_interval(only_first, only_second, n)
    assert -1 <= low <= (only_second - only_first) / n <= high <= 1
    assert paired_interval(only_second, only_first, n) == pytest.approx((-high, -low))


@pytest.mark.parametrize("shares", [(0.05, 0.05), (0.02, 0.1), (0.2, 0.1)])
def test_of_100_paired_intervals_about_95_hold_the_truth(
    shares: tuple[float, float],
) -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(120, (*shares, 1 - sum(shares)), 4000)
    ends = [paired_interval(int(a), int(b), 120) for a, b, _ in counts]
    held = [low <= shares[1] - shares[0] <= high for low, high in ends]
    assert 0.935 < np.mean(held) < 0.985


@pytest.mark.parametrize("n", [1000, 1001, 2000])
def test_many_images_are_counted_as_exactly_as_few(n: int) -> None:
    least = n // 2 - 30
    exact = 2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n
    assert mcnemar(least, n - least) == pytest.approx(exact, rel=1e-9)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12))
def test_of_few_differences_every_choice_of_signs_is_tried(values: list[int]) -> None:
    whole = abs(sum(values))
    signs = itertools.product((1, -1), repeat=len(values))
    reached = [abs(sum(s * v for s, v in zip(some, values))) >= whole for some in signs]
    assert sign_flip(np.array(values)) == pytest.approx(np.mean(reached))


@pytest.mark.parametrize("n", [5, 40, 5000])
def test_all_signs_may_turn_and_zeros_come_without_a_change(n: int) -> None:
    values = np.random.default_rng(n).normal(0.1, 1, n)
    p = sign_flip(values)
    assert sign_flip(-values) == p == sign_flip(values * 3)
    assert sign_flip(np.concatenate([np.zeros(7), values])) == p
    assert sign_flip(np.zeros(n)) == 1
    assert 0 < p < 1


def test_choices_of_signs_are_a_group_of_fair_coins_that_are_independent_in_pairs() -> (
    None
):
    # What the largest of 40 values adds, and each other one, over all choices: columns
    # of a Hadamard matrix, which are orthogonal.
    columns = significance._columns(12)[:40]
    choices = np.arange(2**12)[:, None] & columns
    signs = (-1) ** np.vectorize(lambda bits: bin(bits).count("1"))(choices)
    assert (signs.T @ signs == 2**12 * np.eye(40, dtype=int)).all()
    assert (signs.sum(axis=0) == 0).all()


# Draws that are symmetric about 0: none of them says that one is better.
NULLS = {
    "normal": lambda r, shape: r.normal(size=shape),
    "cauchy": lambda r, shape: r.standard_cauchy(shape),
    "difference of log-normals": lambda r, shape: (
        r.lognormal(sigma=2, size=shape) - r.lognormal(sigma=2, size=shape)
    ),
    "mostly zero": lambda r, shape: r.choice([-1, 0, 0, 0, 0, 0, 1], shape),
}


@pytest.mark.parametrize("n", [1, 6, 20, 60])
@pytest.mark.parametrize("name", NULLS)
def test_no_more_than_5_of_100_such_draws_look_like_a_difference(
    name: str, n: int
) -> None:
    draws = NULLS[name](np.random.default_rng(n), (2000, n))
    p = np.concatenate([sign_flip(some) for some in np.array_split(draws, 20)])
    # Of 2,000 draws at 5 %, more than 150 come in less than one of 10^6 cases.
    assert (p <= 0.05).sum() <= 150
    if name != "mostly zero" and n >= 20:
        assert (p <= 0.05).sum() >= 57


def test_a_true_difference_is_found_as_often_as_by_students_t() -> None:
    draws = np.random.default_rng(0).normal(0.2, 1, (1000, 200))
    p = np.concatenate([sign_flip(some) for some in np.array_split(draws, 20)])
    t = draws.mean(axis=1) / draws.std(axis=1, ddof=1) * math.sqrt(200)
    assert (p <= 0.05).mean() == pytest.approx((np.abs(t) > 1.972).mean(), abs=0.02)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=6))
def test_of_a_family_as_many_are_rejected_as_holms_steps_reject(p: list[float]) -> None:
    steps = 0
    for value in sorted(p):
        if value * (len(p) - steps) > 0.05:
            break
        steps += 1
    adjusted = holm(p)
    assert sum(value <= 0.05 for value in adjusted) == steps
    assert all(one <= two for one, two in zip(p, adjusted))
    assert holm(p[:1]) == p[:1]
