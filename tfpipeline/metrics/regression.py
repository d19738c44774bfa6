"""What predicted numbers are worth: errors, their intervals, and a baseline."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.metrics import bootstrap, significance, weights


def regression(
    predicted: np.ndarray,
    true: np.ndarray,
    weight: np.ndarray | None = None,
    trained: tuple[np.ndarray, np.ndarray | None] | None = None,
) -> dict[str, Any]:
    """Return the metrics of predicted numbers on one split.

    Args:
        predicted: Shape (n,), n at least 1.
        true: Likewise, in the same unit.
        weight: What each image counts, shape (n,); all the same where None.
        trained: The numbers of the training images, and their weights or None.

    Returns:
        `mae`, `rmse` and `median_error`, the median of the absolute errors, in the
        unit of the numbers; `bias`, the mean of predicted minus true; `r2`, the share
        of the variance that is explained, at most 1, null where all numbers are equal;
        and `n`. With `trained`, `baseline` has the same of the answer that is always
        the `mean` of the training images. With weights all but `n` are weighted, and
        there are `weight`, their sum, and `n_effective`.
    """
    predicted, true = np.asarray(predicted, float), np.asarray(true, float)
    rows, each = (slice(None), None) if weight is None else weights.spread(weight)
    found: dict[str, Any] = _errors(predicted[rows], true[rows], each)
    found["n"] = len(true)
    if weight is not None:
        found["weight"] = float(np.sum(weight))
        found["n_effective"] = weights.effective_count(weight)
    if trained is not None:
        mean = training_mean(*trained)
        always = np.full(len(true), mean)[rows]
        found["baseline"] = {"mean": mean, **_errors(always, true[rows], each)}
    return found


def training_mean(numbers: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean of the training images' numbers, shape (n,)."""
    rows, each = (slice(None), None) if weight is None else weights.spread(weight)
    return weights.mean(np.asarray(numbers, float)[rows], each)


def _errors(
    predicted: np.ndarray, true: np.ndarray, each: np.ndarray | None
) -> dict[str, float | None]:
    error = predicted - true
    squared = weights.mean(np.square(error), each)
    spread = weights.mean(np.square(true - weights.mean(true, each)), each)
    is_constant = bool((true == true[0]).all())
    return {
        "mae": weights.mean(np.abs(error), each),
        "rmse": float(np.sqrt(squared)),
        "median_error": median(np.abs(error), each),
        "bias": weights.mean(error, each),
        "r2": None if is_constant or not spread else 1 - squared / spread,
    }


def median(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the number that half of the weight lies below.

    Where exactly half does, it is the mean of the two numbers beside: so a weight of 2
    is the number twice.

    Args:
        values: Shape (n,), n at least 1.
        weight: Not negative, not all 0, shape (n,); all the same where None.
    """
    if weight is None:
        return float(np.median(values))
    if np.isnan(values).any():
        return float("nan")
    order = np.argsort(values, kind="stable")
    order = order[np.asarray(weight)[order] > 0]
    reached = np.cumsum(np.asarray(weight, float)[order])
    # Of weights that are no whole numbers, half is seldom met to the last bit.
    slack = 1e-12 * reached[-1]
    low = np.searchsorted(reached, reached[-1] / 2 - slack)
    high = np.searchsorted(reached, reached[-1] / 2 + slack, side="right")
    return float(values[order[low]] + values[order[high]]) / 2


def intervals(
    predicted: np.ndarray,
    true: np.ndarray,
    weight: np.ndarray | None = None,
    unit: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """Return the 95 % intervals of `mae`, `rmse`, `median_error`, `bias` and `r2`.

    They are quantiles over samples with replacement (the bootstrap), which needs no
    form of the errors' distribution.

    Args:
        predicted: Shape (n,), n at least 1.
        true: Likewise.
        weight: What each image counts, shape (n,); all the same where None.
        unit: What is drawn together, such as one patient's images: int, shape (n,).
        seed: Of the samples.

    Returns:
        Lowest and highest of each; null for one image, which varies with nothing, and
        where the figure itself is.
    """
    predicted, true = np.asarray(predicted, float), np.asarray(true, float)
    each = np.ones(len(true)) if weight is None else np.asarray(weight, float)
    error, order = np.abs(predicted - true), _sorted_median(np.abs(predicted - true))
    names = ("mae", "rmse", "median_error", "bias", "r2")
    if bootstrap.units(len(true), unit) < 2:
        return dict.fromkeys(names)

    def statistic(count: np.ndarray) -> np.ndarray:
        shares = count * each
        shares = shares / shares.sum()
        squared, middle = shares @ error**2, shares @ true
        spread = shares @ np.square(true - middle)
        return np.array(
            [
                *(shares @ error, np.sqrt(squared), order(shares)),
                *(shares @ (predicted - true),),
                1 - squared / spread if spread > 1e-24 * middle**2 else np.nan,
            ]
        )

    low, high = bootstrap.intervals(statistic, len(true), seed, unit)
    return {
        name: None if np.isnan(a) else (float(a), float(b))
        for name, a, b in zip(names, low, high)
    }


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    unit: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, tuple[float, float] | None, float]:
    """Return by how much one's mean absolute error is above another's, on one set.

    Args:
        first: Errors of one, shape (n,), n at least 1.
        second: Of the other, of the same images.
        unit: What is drawn together, such as one patient's images: int, shape (n,).
        seed: Of the samples.

    Returns:
        That of the second minus that of the first; its 95 % interval, by the paired
        bootstrap, None for one unit; and the two-sided p-value of the exact test by
        signs, see `significance.sign_flip`.
    """
    apart = np.abs(np.asarray(second, float)) - np.abs(np.asarray(first, float))

    def statistic(count: np.ndarray) -> np.ndarray:
        return np.array([count @ apart / count.sum()])

    interval = None
    if bootstrap.units(len(apart), unit) > 1:
        low, high = bootstrap.intervals(statistic, len(apart), seed, unit)
        interval = float(low[0]), float(high[0])
    together = apart if unit is None else np.bincount(unit, apart)
    p = float(significance.sign_flip(together))
    return float(apart.mean()), interval, p


def _sorted_median(values: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return what finds the median of values by weights, sorted once for all."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    return lambda weight: median(ranked, weight[order])
