"""Whether two sets of pictures are of one kind: statistics, and a permutation test.

Under the hypothesis that all pictures are exchangeable (drawn independently from one
distribution, say), which of them belong to the first set is a random choice. The test
draws that choice again and again. Its false-alarm rate is at most the level for any
number of pictures, any features and any classifier, and whatever the statistics are.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

# From which pictures belong to the second set, bool of shape (pictures, draws), to a
# statistic a draw, shape (draws,): the higher, the less are the sets of one kind.
Statistic = Callable[[np.ndarray], np.ndarray]

# What a score counts for, at most.
_MOST = 3.0

# Ties of statistics that rounding has separated.
_DIGITS = 9


class Outcome(NamedTuple):
    """What a test came to.

    Args:
        p: How often a random choice looks at least as unlike, in (0, 1].
        parts: The same of each statistic, adjusted for their number (Westfall and
            Young): an alarm for every part whose p is at most the level is false for
            any of them at most as often as the level says.
    """

    p: float
    parts: dict[str, float]


def permutation_test(
    statistics: Mapping[str, Statistic],
    second: np.ndarray,
    draws: int,
    seed: int,
    strata: np.ndarray | None = None,
) -> Outcome:
    """Return whether the second set is like the first by any of the statistics.

    The lowest p-value of the statistics is compared with the lowest one of each random
    choice, so their number costs no validity, and related ones cost little power.

    Args:
        statistics: By their names.
        second: Whether each picture belongs to the second set, shape (pictures,).
        draws: Random choices; of k statistics, p may be no lower than k / (draws + 1).
        seed: Of the choices.
        strata: A number each; where given, pictures change places only with those of
            the same number, and shares of these in the sets may differ.

    Source: Hemerik and Goeman, Exact testing with random permutations, TEST 27, 2018,
        arXiv:1411.7565; Westfall and Young, Resampling-Based Multiple Testing, 1993.
    """
    choices = _choices(second, draws, seed, strata)
    p = {name: _p_values(statistic(choices)) for name, statistic in statistics.items()}
    least = np.min(list(p.values()), axis=0)
    # The first one is what was observed.
    parts = {name: float((least <= own[0]).mean()) for name, own in p.items()}
    return Outcome(float((least <= least[0]).mean()), parts)


def _choices(
    second: np.ndarray, draws: int, seed: int, strata: np.ndarray | None
) -> np.ndarray:
    """Return the observed choice and random ones, bool, shape (pictures, 1 + draws)."""
    rng = np.random.default_rng(seed)
    chosen = np.empty((len(second), 1 + draws), bool)
    chosen[:, 0] = second
    groups = np.zeros(len(second), int) if strata is None else strata
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        tiled = np.tile(second[own][:, None], (1, draws))
        chosen[own, 1:] = rng.permuted(tiled, axis=0)
    return chosen


def _p_values(values: np.ndarray) -> np.ndarray:
    """Return the share of all values that are at least as high as each of them."""
    scale = np.abs(values).max() or 1.0
    rounded = np.round(values / scale, _DIGITS)
    below = np.searchsorted(np.sort(rounded), rounded, side="left")
    return np.asarray(1 - below / len(values))


def energy(points: np.ndarray) -> Statistic:
    """Return the energy distance of points, which is 0 for equal distributions alone.

    Args:
        points: A point a picture, shape (n, width); n squared numbers are kept.

    Source: Szekely and Rizzo, Energy statistics, Journal of Statistical Planning and
        Inference 143, 2013.
    """
    apart = distances(points)
    sums = apart.sum(0, dtype=np.float64)

    def statistic(second: np.ndarray) -> np.ndarray:
        chosen = second.astype(np.float32)
        n = second.sum(0).astype(np.float64)
        m = len(second) - n
        inside = np.einsum("ij,ij->j", chosen, apart @ chosen, dtype=np.float64)
        across = sums @ second - inside
        rest = sums.sum() - 2 * across - inside
        return np.asarray(2 * across / (m * n) - rest / m**2 - inside / n**2)

    return statistic


def distances(points: np.ndarray) -> np.ndarray:
    """Return how far points, shape (n, width), are from each other, shape (n, n)."""
    rows = np.asarray(points, np.float32)
    squares = np.einsum("ij,ij->i", rows, rows)
    apart = squares[:, None] + squares - 2 * (rows @ rows.T)
    np.fill_diagonal(apart, 0)
    return np.asarray(np.sqrt(np.maximum(apart, 0, out=apart), out=apart))


def witness(points: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how much more each picture is like the second set than like the first.

    Args:
        points: Of all pictures, shape (n, width).
        second: Whether each belongs to the second set, shape (n,).

    Returns:
        The mean distance to the first set less that to the second, of others alone,
        shape (n,).
    """
    apart = distances(points)
    here, there = apart @ second, apart @ ~second
    n, m = second.sum(), (~second).sum()
    own = np.maximum(np.where(second, n - 1, n), 1)
    other = np.maximum(np.where(second, m, m - 1), 1)
    return np.asarray(there / other - here / own)


def excess(scores: np.ndarray) -> Statistic:
    """Return how much higher the scores of the second set are, one-sided.

    The mean of their squares, so that a small share of high ones tells; none counts for
    more than 3, so that a single one does not.

    Args:
        scores: Of all pictures, 0 where they are typical, 1 where few are, shape (n,).
    """
    squares = np.clip(np.asarray(scores, np.float64), 0, _MOST) ** 2
    return lambda second: np.asarray(squares @ second / second.sum(0))


def rank_shift(scores: np.ndarray) -> Statistic:
    """Return how far the mean rank of the second set is from the middle, two-sided.

    Source: Wilcoxon, Individual comparisons by ranking methods, Biometrics 1, 1945.
    """
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal ones share the mean of their ranks.
    rank = (np.cumsum(count) - (count + 1) / 2)[place.ravel()]
    middle = (len(scores) - 1) / 2
    return lambda second: np.abs(rank @ second / second.sum(0) - middle)


def shares(label: np.ndarray) -> Statistic:
    """Return Pearson's chi-squared of how often each class is in the second set.

    Args:
        label: A whole number each, shape (n,).
    """
    _, place, count = np.unique(label, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    starts = np.cumsum(count) - count

    def statistic(second: np.ndarray) -> np.ndarray:
        own = np.add.reduceat(second[order].astype(np.float64), starts, axis=0)
        n = second.sum(0)
        m = len(second) - n
        expected = count[:, None] * (n / len(second))
        # Both sets miss what is expected by as much.
        squares = (own - expected) ** 2 / count[:, None]
        return np.asarray(squares.sum(0) * len(second) * (1 / n + 1 / m))

    return statistic


def rates(said: np.ndarray) -> Statistic:
    """Return how far the rate of each label in the second set is from that of all.

    The sum over labels of Pearson's chi-squared; labels that all or none have tell
    nothing.

    Args:
        said: Which labels each picture has, bool, shape (n, labels).
    """
    rows = np.asarray(said, np.float64)
    rate = rows.mean(axis=0)
    varies = (rate > 0) & (rate < 1)
    rate = rate[varies]
    scaled = (rows[:, varies] - rate) / np.sqrt(rate * (1 - rate))

    def statistic(second: np.ndarray) -> np.ndarray:
        n = second.sum(0)
        apart = scaled.T @ second / n
        return np.asarray((apart**2).sum(0) * n * len(second) / (len(second) - n))

    return statistic


def values(numbers: np.ndarray) -> Statistic:
    """Return the energy distance of numbers, in their standard deviations, shape (n,).

    Tells any difference of distributions, not of their means alone.
    """
    exact = np.asarray(numbers, np.float64)
    spread = exact.std() or 1.0
    return energy(((exact - exact.mean()) / spread)[:, None])


def within(
    make: Callable[[np.ndarray], Statistic],
    values: np.ndarray,
    strata: np.ndarray,
    second: np.ndarray,
) -> Statistic:
    """Return the sum of a statistic over strata, by how much each can tell.

    Args:
        make: From values to their statistic.
        values: Of all pictures, shape (n, ...).
        strata: A number each, shape (n,); those of which only one set has any are
            passed over.
        second: Which pictures belong to the second set, shape (n,).
    """
    parts = []
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        count = int(second[own].sum())
        if 0 < count < len(own):
            weight = count * (len(own) - count) / len(own)
            parts.append((own, make(values[own]), weight))

    def statistic(chosen: np.ndarray) -> np.ndarray:
        total = np.zeros(chosen.shape[1])
        for own, part, weight in parts:
            total += weight * part(chosen[own])
        return total

    return statistic
