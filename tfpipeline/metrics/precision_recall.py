"""Precision and recall of one class at every threshold, and what they come to."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cuts:
    """What is called positive at each distinct score, the highest first.

    Examples of one score are called together, so that their order changes nothing.

    Args:
        score: The lowest score that is called, float64, descending, shape (cuts,).
        called: Weight of all examples of that score or a higher one.
        hits: Weight of the positive ones among them.
        positives: Weight of all positive examples.
    """

    score: np.ndarray
    called: np.ndarray
    hits: np.ndarray
    positives: float

    @property
    def precision(self) -> np.ndarray:
        """Share of what is called that is positive; something always is."""
        return self.hits / self.called

    @property
    def recall(self) -> np.ndarray:
        """Share of the positives that are called; NaN where there are none."""
        if not self.positives:
            return np.full(len(self.score), np.nan)
        return self.hits / self.positives

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of both, 0 where nothing that is called is positive."""
        return 2 * self.hits / (self.called + self.positives)


def cuts(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None
) -> Cuts:
    """Return every way in which a threshold divides the examples of a class.

    Args:
        score: Higher for what is rather positive, shape (n,); NaN counts as lowest.
        positive: Whether each example is, bool or 0 and 1, shape (n,).
        weight: What it counts, positive, shape (n,); all 1 where None.
    """
    score = np.asarray(score, np.float64)
    score = np.where(np.isnan(score), -np.inf, score)
    order = np.argsort(-score, kind="stable")
    each = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)
    each, ranked = each[order], score[order]
    hit = np.where(np.asarray(positive)[order] > 0, each, 0.0)
    # Where the next score is another one; the lowest has no next.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))
    # Sums of whole numbers are exact: a weight of 2 is the example twice, bit for bit.
    return Cuts(ranked[last], each.cumsum()[last], hit.cumsum()[last], float(hit.sum()))


def average_precision(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None
) -> float | None:
    """Return the precision at each threshold, weighted by the recall that it adds.

    No interpolation; None without a positive example, where no precision tells of it.

    Args:
        score: As `cuts` takes it.
        positive: Likewise.
        weight: Likewise.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008,
        chapter 8; the sum is that of scikit-learn's `average_precision_score`.
    """
    found = cuts(score, positive, weight)
    if not found.positives:
        return None
    added = np.diff(found.recall, prepend=0.0)
    return float((added * found.precision).sum())


def curve(found: Cuts, most: int = 200) -> list[tuple[float, float]]:
    """Return recall and precision to draw, ascending by recall, at most so many.

    The points that are left out are between others: the first and the last one stay.

    Args:
        found: Of a class with positives.
        most: Points, at least 2.
    """
    recall, precision = found.recall, found.precision
    keep = np.arange(len(recall))
    if len(keep) > most:
        keep = np.unique(np.linspace(0, len(recall) - 1, most).round().astype(int))
    return list(zip(recall[keep].tolist(), precision[keep].tolist()))
