"""Tests of two samples: alarms as rare as promised, and changes that are found."""

import itertools

import numpy as np
import pytest

from tfpipeline.metrics import two_sample


def sets(m: int, n: int) -> np.ndarray:
    """Return which of m + n pictures belong to the second set: the last n."""
    return np.arange(m + n) >= m


def all_parts(features: np.ndarray, label: np.ndarray) -> dict:
    return {
        "features": two_sample.energy(features),
        "novelty": two_sample.excess(features[:, 0] ** 2),
        "confidence": two_sample.rank_shift(features[:, 1]),
        "shares": two_sample.shares(label),
    }


def test_every_choice_of_the_second_set_alarms_as_seldom_as_promised() -> None:
    """Under the hypothesis all choices are equally likely: here are all of them."""
    rng = np.random.default_rng(0)
    # Of cubes, and with ties, as no normal theory would have them.
    features = np.round(rng.normal(size=(8, 3)) ** 3, 1)
    parts = all_parts(features, np.array([0, 0, 0, 1, 1, 2, 2, 2]))
    p = []
    for number, own in enumerate(itertools.combinations(range(8), 4)):
        second = np.isin(np.arange(8), own)
        p.append(two_sample.permutation_test(parts, second, 399, number).p)
    for level in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 0.03


def test_draws_without_change_alarm_as_often_as_promised_and_no_part_more_often() -> (
    None
):
    alarms = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        features, label = rng.standard_cauchy((60, 4)), rng.integers(0, 5, 60)
        parts = all_parts(features, label)
        found = two_sample.permutation_test(parts, sets(20, 40), 99, seed)
        alarms.append([found.p, min(found.parts.values())])
        assert found.p == min(found.parts.values())
    share = (np.array(alarms) <= 0.05).mean()
    # 0.05 and three standard errors.
    assert 0.015 <= share <= 0.088


@pytest.mark.parametrize("part", ["features", "novelty", "confidence", "shares"])
def test_the_part_that_has_changed_is_named(part: str) -> None:
    rng = np.random.default_rng(3)
    second = sets(100, 100)
    base = {
        "features": two_sample.energy(rng.normal(size=(200, 6))),
        "novelty": two_sample.excess(rng.normal(size=200)),
        "confidence": two_sample.rank_shift(rng.normal(size=200)),
        "shares": two_sample.shares(rng.integers(0, 4, 200)),
    }
    changed = rng.normal(size=200) + 1.5 * second
    base[part] = {
        "features": two_sample.energy(np.c_[changed, rng.normal(size=(200, 2))]),
        "novelty": two_sample.excess(changed),
        "confidence": two_sample.rank_shift(-changed),
        "shares": two_sample.shares((changed > 0).astype(int)),
    }[part]
    found = two_sample.permutation_test(base, second, 199, 0)
    # Each of the four is the lowest in a draw.
    assert found.p == found.parts[part] <= 4 / 200
    assert all(p > 0.05 for name, p in found.parts.items() if name != part)


def test_a_few_of_another_kind_are_found_by_their_excess_and_not_by_ranks() -> None:
    rng = np.random.default_rng(4)
    second, scores = sets(200, 200), rng.normal(size=400) / 2
    scores[200:214] += 2
    p = {}
    for name in ("excess", "rank_shift"):
        part = getattr(two_sample, name)(scores)
        p[name] = two_sample.permutation_test({name: part}, second, 999, 0).p
    assert p["excess"] < 0.01 < p["rank_shift"]


def test_a_single_score_never_is_an_excess() -> None:
    scores = np.tile([0.2, 0.5], 50)
    scores[-1] = 1e9
    part = {"novelty": two_sample.excess(scores)}
    assert two_sample.permutation_test(part, sets(50, 50), 199, 0).p > 0.3


def test_within_strata_other_shares_are_no_change_and_other_pictures_are() -> None:
    rng = np.random.default_rng(5)
    second = sets(100, 100)
    label = np.r_[np.repeat([0, 1], [80, 20]), np.repeat([0, 1], [20, 80])]
    features = rng.normal(size=(200, 3)) + 4 * label[:, None]

    def p(*, stratified: bool) -> float:
        energy = two_sample.energy
        parts = {"features": energy(features)}
        if stratified:
            parts["features"] = two_sample.within(energy, features, label, second)
        strata = label if stratified else None
        return two_sample.permutation_test(parts, second, 199, 0, strata).p

    assert p(stratified=False) == 1 / 200 and p(stratified=True) > 0.05
    features[second & (label == 1), 0] += 3
    assert p(stratified=True) == 1 / 200
    # No stratum is in both: nothing can be said.
    label = second.astype(int)
    assert p(stratified=True) == 1


def test_the_statistics_are_what_their_formulas_say() -> None:
    rng = np.random.default_rng(6)
    features, second = rng.normal(size=(9, 4)), sets(4, 5)
    apart = np.linalg.norm(features[:, None] - features, axis=-1)
    one, other = ~second, second
    across, here, there = (
        apart[np.ix_(a, b)].mean()
        for a, b in ((one, other), (one, one), (other, other))
    )
    found = two_sample.energy(features)(second[:, None])
    np.testing.assert_allclose(found, [2 * across - here - there], rtol=1e-5)
    label = np.array([0, 0, 1, 2, 0, 1, 1, 1, 2])
    table = np.array([np.bincount(label[own], minlength=3) for own in (one, other)])
    expected = table.sum(0) * table.sum(1, keepdims=True) / 9
    np.testing.assert_allclose(
        two_sample.shares(label)(second[:, None]),
        [((table - expected) ** 2 / expected).sum()],
    )
    chosen = np.array([[1, 0], [0, 1], [1, 1]], bool)
    scores = np.array([1.0, 2.0, 30.0])
    found = two_sample.excess(scores)(chosen)
    np.testing.assert_allclose(found, [(1 + 9) / 2, (4 + 9) / 2])
    # Two are tied, at the ranks 0 and 1.
    found = two_sample.rank_shift(np.array([1.0, 1.0, 7.0]))(chosen)
    np.testing.assert_allclose(found, [abs((0.5 + 2) / 2 - 1)] * 2)


def test_the_pictures_that_changed_most_are_those_of_the_other_kind() -> None:
    rng = np.random.default_rng(7)
    second = sets(50, 50)
    features = np.eye(8)[0] + 0.1 * rng.normal(size=(100, 8))
    features[60:65] += 2 * np.eye(8)[1]
    order = np.argsort(-two_sample.witness(features, second))
    assert set(order[:5]) == set(range(60, 65))


def test_rates_of_labels_are_the_sum_of_the_chi_squared_of_each() -> None:
    rng = np.random.default_rng(8)
    said = rng.random((60, 4)) < [0.2, 0.5, 0.9, 0.0]
    chosen = rng.random((60, 7)) < 0.4
    each = [two_sample.shares(column.astype(int))(chosen) for column in said[:, :3].T]
    found = two_sample.rates(said)(chosen)
    np.testing.assert_allclose(found, np.sum(each, axis=0))
    # A label that all or none have tells nothing.
    assert (two_sample.rates(np.ones((60, 2), bool))(chosen) == 0).all()


def test_values_are_told_by_their_spread_whatever_their_unit() -> None:
    rng = np.random.default_rng(9)
    second = sets(150, 150)
    numbers = rng.normal(size=300) * np.where(second, 2, 1)
    for unit, start in ((1, 0), (1e-6, 0), (900, 1e6)):
        parts = {"values": two_sample.values(start + unit * numbers)}
        found = two_sample.permutation_test(parts, second, 199, 0)
        assert found.p == 1 / 200
    same = {"values": two_sample.values(np.full(300, 3.0))}
    assert two_sample.permutation_test(same, second, 99, 0).p == 1
