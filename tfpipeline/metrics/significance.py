"""How sure one can be of what was measured on few images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Z_95 = 1.959963984540054

# So many choices of signs are tried, as a power of two: p is at least 1/4096.
_BITS = 12


def wilson(successes: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Return the interval in which a share lies, by so many successes of n.

    With z as it is, 95 % of such intervals hold the true share; the share that was
    counted is inside.

    Source: Wilson, Probable Inference, JASA 22, 1927; Brown et al., Statistical
        Science 16, 2001.
    """
    share, extra = successes / n, z * z / n
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def accuracy_interval(metrics: Mapping[str, Any]) -> tuple[float, float]:
    """Return the interval (Wilson, 95 %) of an `accuracy` that was counted on `n`.

    Where images have weights, on as many as `n_effective`.
    """
    if "n_effective" in metrics:
        n = metrics["n_effective"]
        return wilson(metrics["accuracy"] * n, n)
    return wilson(round(metrics["accuracy"] * metrics["n"]), metrics["n"])


def mcnemar(only_first: int, only_second: int) -> float:
    """Return how likely such a difference on the same images is by chance alone.

    Args:
        only_first: Images on which only the first classifier is right.
        only_second: Images on which only the second one is.

    Returns:
        Two-sided p-value of the exact test.

    Source: McNemar, Psychometrika 12, 1947; the exact binomial form.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    whole = math.lgamma(n + 1) - n * math.log(2)
    tail = math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1))
        for k in range(least + 1)
    )
    return min(1.0, 2 * tail)


def paired_interval(
    only_first: int, only_second: int, n: int, z: float = Z_95
) -> tuple[float, float]:
    """Return the interval of a difference of accuracies on the same n images.

    Args:
        only_first: Images on which only the first classifier is right.
        only_second: Images on which only the second one is.
        n: All images that both were measured on, at least 1.
        z: Of the confidence, 95 % as it is.

    Returns:
        Lowest and highest accuracy of the second minus that of the first, in [-1, 1].

    Source: Bonett and Price, Adjusted Wald Confidence Interval for a Difference of
        Binomial Proportions Based on Paired Data, JEBS 37, 2012.
    """
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    middle = second - first
    half = z * math.sqrt((first + second - middle**2) / (n + 2))
    return max(-1.0, middle - half), min(1.0, middle + half)


def sign_flip(differences: np.ndarray) -> np.ndarray:
    """Return how likely a sum as far from 0 is where every sign is a fair coin's.

    Exact for any distribution that is symmetric about 0, however heavy its tails, and
    for any n: the signs that are tried are a group, all 2^n of them up to 12 values,
    2^12 of them beyond. Values that are 0 count for nothing.

    Args:
        differences: Of two measures of the same images, finite, shape (..., n).

    Returns:
        Two-sided p-values, float64, shape (...).

    Source: Chung and Fraser, Randomization Tests for a Multivariate Two-Sample
        Problem, JASA 53, 1958; Koning and Hemerik, More Efficient Exact Group
        Invariance Testing, Biometrika 111, 2024, arXiv:2202.00967.
    """
    values = np.asarray(differences, np.float64)
    # The largest have a sign of their own; their order does not depend on signs.
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")
    *batch, n = values.shape
    bits = min(_BITS, n)
    columns = _columns(bits)
    rounds = -(-n // len(columns))
    padded = np.zeros((*batch, rounds * len(columns)))
    padded[..., :n] = np.take_along_axis(values, order, axis=-1)
    sums = np.zeros((*batch, 2**bits))
    sums[..., columns] = padded.reshape(*batch, rounds, -1).sum(axis=-2)
    for _ in range(bits):
        # A Walsh-Hadamard transform: in the end the sum for every choice of signs, the
        # first of them that of the signs as they are.
        even, odd = sums[..., ::2], sums[..., 1::2]
        sums = np.concatenate([even + odd, even - odd], axis=-1)
    rounding = 1e-12 * np.abs(values).sum(axis=-1, keepdims=True)
    reached = np.abs(sums) >= np.abs(sums[..., :1]) - rounding
    return np.asarray(reached.mean(axis=-1))


def _columns(bits: int) -> np.ndarray:
    """Return for each value which bits of a choice of signs turn its sign."""
    single = 2 ** np.arange(bits)
    several = np.setdiff1d(np.arange(1, 2**bits), single)
    mixed = np.random.default_rng(0).permutation(several)
    return np.concatenate([single, mixed])


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may each be compared with the level of the whole family.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
        Journal of Statistics 6, 1979.
    """
    count, largest = len(p_values), 0.0
    adjusted = [1.0] * count
    for rank, i in enumerate(sorted(range(count), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (count - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
