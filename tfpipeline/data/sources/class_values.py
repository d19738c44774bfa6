"""Labels and shares of classes: which stratum they make, and what joining makes."""

from collections.abc import Sequence

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError

# Strata of a number: splits have as many of each.
BINS = 10


def strata(target: str, values: np.ndarray) -> np.ndarray:
    """Return the stratum of each example, by which splits and samples are even.

    It is the largest share; of several labels the rarest, or one more where there is
    none; of a number one of ten ranges that have as many examples each.

    Returns:
        int32, shape (n,).
    """
    if target == targets.SOFT:
        return np.asarray(values.argmax(axis=1), np.int32)
    if target == targets.NUMBER:
        numbers = values[:, 0].astype(np.float64)
        edges = np.unique(np.quantile(numbers, np.arange(1, BINS) / BINS))
        bins = np.searchsorted(edges, numbers, side="right")
        return np.asarray(np.unique(bins, return_inverse=True)[1], np.int32)
    counts = np.where(values > 0, values.sum(axis=0), np.inf)
    rarest = np.where(values.any(axis=1), counts.argmin(axis=1), values.shape[1])
    return np.asarray(rarest, np.int32)


def joined(
    target: str, values: np.ndarray, place: Sequence[int], count: int
) -> np.ndarray:
    """Return the values of classes that are joined, renamed or dropped.

    An image has a label where it has any of those that become it; shares are added.

    Args:
        target: `multi` or `soft`.
        values: Of the classes as they were, shape (n, classes).
        place: The new index of each of these, -1 where it is dropped.
        count: Classes that are left.

    Returns:
        float32, shape (n, count).
    """
    result = np.zeros((len(values), count), np.float32)
    for own, to in zip(values.T, place):
        if to >= 0 and target == targets.MULTI:
            result[:, to] = np.maximum(result[:, to], own)
        elif to >= 0:
            result[:, to] += own
    return result


def check_shares(
    where: str, labels: Sequence[str], values: np.ndarray, place: Sequence[int]
) -> None:
    """Refuse to drop a class that images have a share of: the others are not 1 then."""
    for name, own, to in zip(labels, values.T, place):
        if to < 0 and (count := int((own > 0).sum())):
            raise UserError(
                f"{where}: {name!r} cannot be dropped, as {count} of {len(own)} images "
                "have a share of it, and shares have the sum 1. Join it with another "
                "class, or divide these rows anew in the source."
            )
