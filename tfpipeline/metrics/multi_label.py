"""What scores are worth where an image has any number of classes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.metrics import bootstrap, weights
from tfpipeline.metrics.precision_recall import average_precision
from tfpipeline.metrics.statistics import student

# Choices of units whose answers are swapped, at most; all of them up to 10 units.
_SWAPS = 999


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the sigmoid of logits, each class by itself, in float64."""
    half = np.asarray(logits, np.float64) / 2
    return (np.tanh(half) + 1) / 2


def cross_entropy(
    logits: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Return the mean binary cross-entropy of an image and class, in nats.

    Args:
        logits: Shape (n, classes), n and classes at least 1.
        values: In [0, 1], shape (n, classes).
        weight: What each image counts, shape (n,); all the same where None.
    """
    return _mean(losses(logits, values), weight)


def losses(logits: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the same of each image, the mean over its classes, shape (n,)."""
    logits = np.asarray(logits, np.float64)
    each = np.maximum(logits, 0) - logits * values + np.log1p(np.exp(-np.abs(logits)))
    return np.asarray(each.mean(axis=1))


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    rows, each = (slice(None), None) if weight is None else weights.spread(weight)
    return weights.mean(values[rows], each)


def multi_label(
    probability: np.ndarray,
    values: np.ndarray,
    labels: Sequence[str],
    thresholds: Sequence[float] | float = 0.5,
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the metrics of a classifier of several labels an image, on one split.

    Classes that no image of the split has are part of no macro average: without a
    positive, precision at any recall is 0 or undefined, whatever the classifier. They
    are part of micro F1, in which each wrong call counts, and of subset accuracy.

    Args:
        probability: Of each class, shape (n, classes), n at least 1.
        values: 1 where an image has the class, else 0, shape (n, classes).
        labels: Class names, in the order of the columns.
        thresholds: From which probability on a class is called: of each, or of all.
        weight: What each image counts, shape (n,); all the same where None.

    Returns:
        `mean_average_precision` (macro) and `macro_f1` over the `classes_measured`,
        those with a positive, null where there are none; `micro_f1`, null where
        nothing is true or called; `subset_accuracy`, the share of images with exactly
        their classes; `hamming_loss`, the share of wrong answers to all classes;
        `label_cardinality`, the mean number of classes an image, `true` and
        `predicted`; `n`; and `classes`: of each its `average_precision`, `precision`,
        `recall` and `f1`, null where undefined, `threshold`, `n`, the images that have
        it, and `called`, those that are said to. With weights all but `n` and `called`
        are weighted, and there are `weight`, their sum, and `n_effective`.
    """
    true = np.asarray(values) > 0.5
    # As an exported model compares, in float32.
    at = np.broadcast_to(np.asarray(thresholds, np.float32), len(labels))
    called = np.asarray(probability, np.float32) >= at
    classes = {
        name: {
            "average_precision": average_precision(p, y, weight),
            **_one_class(call, y, weight),
            "threshold": threshold,
        }
        for name, p, y, call, threshold in zip(
            labels, np.asarray(probability).T, true.T, called.T, at.tolist()
        )
    }
    measured = [own for own in classes.values() if own["n"]]
    wrong = called != true
    return {
        "mean_average_precision": _macro(measured, "average_precision"),
        "macro_f1": _macro(measured, "f1"),
        "micro_f1": _one_class(called, true, weight)["f1"],
        "subset_accuracy": _mean(~wrong.any(axis=1), weight),
        "hamming_loss": _mean(wrong.mean(axis=1), weight),
        "label_cardinality": {
            "true": _mean(true.sum(axis=1), weight),
            "predicted": _mean(called.sum(axis=1), weight),
        },
        "n": len(true),
        "classes_measured": len(measured),
        **_told(weight),
        "classes": classes,
    }


def _told(weight: np.ndarray | None) -> dict[str, float]:
    if weight is None:
        return {}
    count = weights.effective_count(weight)
    return {"weight": float(np.sum(weight)), "n_effective": count}


def _macro(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return float(np.mean([row[name] for row in rows])) if rows else None


def _one_class(
    called: np.ndarray, true: np.ndarray, weight: np.ndarray | None
) -> dict[str, Any]:
    """Return `precision`, `recall` and `f1` of a class, or of all together.

    Each is None where it is 0 / 0: nothing called, no positive, or neither. `n` is the
    number of positives, `called` that of calls, neither of them weighted.
    """

    def size(where: np.ndarray) -> float:
        if weight is None:
            return float(where.sum())
        return float((where.reshape(len(weight), -1).sum(axis=1) * weight).sum())

    both, calls, positives = map(size, (called & true, called, true))
    return {
        "precision": both / calls if calls else None,
        "recall": both / positives if positives else None,
        "f1": 2 * both / (calls + positives) if calls + positives else None,
        "n": int(true.sum()),
        "called": int(called.sum()),
    }


def mean_average_precision_interval(
    probability: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray | None = None,
    unit: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean average precision, by the bootstrap.

    The classes are those with a positive; one that a draw has no image of is left out
    of that draw. The interval is the mean plus and minus 1.96 standard errors, within
    [0, 1]: a draw holds images twice, which are tied, so that quantiles would be too
    high.

    Args:
        probability: Shape (n, classes).
        values: 1 where an image has the class, else 0, shape (n, classes).
        weight: What each image counts, shape (n,); all the same where None.
        unit: What is drawn together, such as one patient's images, int, shape (n,).
        seed: Of the draws.

    Returns:
        Lowest and highest; None where no class has a positive, and for one unit, which
        varies with nothing.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    true = np.asarray(values) > 0.5
    if not true.any() or bootstrap.units(len(true), unit) < 2:
        return None
    of_weights = _by_weights(probability, true)
    each = np.ones(len(true)) if weight is None else np.asarray(weight, np.float64)
    middle, error = _bootstrapped(
        lambda count: of_weights(count * each), len(true), seed, unit
    )
    half = 1.96 * error
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    values: np.ndarray,
    unit: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, tuple[float, float] | None, float]:
    """Return by how much one classifier's mean average precision is above another's.

    Both on the same images, of which each draw of the bootstrap has the same for both.
    p asks how often a difference is as large where the answers of the two, as ranks
    among their own, are swapped in some of the units: as good as each other, either
    could have given them. With n units it is at least 2 / 2^n, so that up to five show
    nothing at a level of 0.05.

    Args:
        first: Probabilities of one, shape (n, classes).
        second: Of the other, likewise.
        values: 1 where an image has the class, else 0, some of them 1, likewise.
        unit: What is drawn together, such as one patient's images, int, shape (n,).
        seed: Of the draws, and of the swaps where not all are tried.

    Returns:
        That of the second minus that of the first; its 95 % interval by the standard
        error of the draws and Student's t, None for one unit; and the two-sided p-value
        of the swaps.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13;
        Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests
        for Information Retrieval Evaluation, CIKM 2007.
    """
    true = np.asarray(values) > 0.5
    one, other = (_by_weights(chance, true) for chance in (first, second))
    middle, error = _bootstrapped(
        lambda count: other(count) - one(count), len(true), seed, unit
    )
    count = bootstrap.units(len(true), unit)
    p = _swapped(first, second, true, unit, seed)
    if count < 2:
        return middle, None, p
    half = student(count - 1) * error * math.sqrt(count / (count - 1))
    return middle, (max(-1.0, middle - half), min(1.0, middle + half)), p


def _swapped(
    first: np.ndarray,
    second: np.ndarray,
    true: np.ndarray,
    unit: np.ndarray | None,
    seed: int,
) -> float:
    """Return the share of swaps of two answers whose difference is as large."""
    n, classes = true.shape
    code = np.arange(n) if unit is None else np.unique(unit, return_inverse=True)[1]
    count = int(code.max()) + 1
    # Both in one table, sorted once: a swap chooses which of its rows are whose.
    ranks = [_ranks(chance) for chance in (first, second)]
    of_weights = _by_weights(np.concatenate(ranks), np.concatenate([true, true]))
    # To swap all others instead changes nothing but the sign: the last one stays.
    every = 2 ** (count - 1) <= _SWAPS
    most = min(_SWAPS, max(199, 20_000_000 // (n * classes)))
    rng = np.random.default_rng([seed, 8])

    def apart(swapped: np.ndarray) -> float:
        own = swapped[code]
        kept = 1.0 - own
        theirs, mine = np.concatenate([kept, own]), np.concatenate([own, kept])
        return abs(of_weights(mine) - of_weights(theirs))

    if every:
        bits = np.arange(2 ** (count - 1))[:, None] >> np.arange(count) & 1
        draws = bits.astype(float)
    else:
        swaps = rng.integers(0, 2, (most, count))
        draws = np.concatenate([np.zeros((1, count)), swaps])
    sizes = np.array([apart(one) for one in draws])
    return float((sizes >= sizes[0] - 1e-12).mean())


def _ranks(chance: np.ndarray) -> np.ndarray:
    """Return the rank of each image in each column; equal ones share their mean."""
    columns = []
    for column in np.asarray(chance).T:
        order = np.sort(column)
        ends = [np.searchsorted(order, column, side) for side in ("left", "right")]
        columns.append(ends[0] + ends[1])
    return np.stack(columns, axis=1)


def _bootstrapped(
    statistic: Callable[[np.ndarray], float],
    n: int,
    seed: int,
    unit: np.ndarray | None,
) -> tuple[float, float]:
    """Return a statistic of n images, and its standard error over 200 draws of them."""
    draws = np.array([statistic(one) for one in bootstrap.counts(n, 200, seed, unit)])
    return statistic(np.ones(n)), float(np.nanstd(draws, ddof=1))


def _by_weights(
    probability: np.ndarray, true: np.ndarray
) -> Callable[[np.ndarray], float]:
    """Return what gives the mean average precision by what each image weighs."""
    columns = [_Ranked(p, y) for p, y in zip(probability.T, true.T) if y.any()]

    def statistic(weight: np.ndarray) -> float:
        found = np.array([column.average_precision(weight) for column in columns])
        return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan

    return statistic


class _Ranked:
    """One class, its images in order: what changes from draw to draw is weights."""

    def __init__(self, score: np.ndarray, positive: np.ndarray) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        self.hit = positive[self.order].astype(float)
        self.last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def average_precision(self, weight: np.ndarray) -> float:
        each = weight[self.order]
        called = each.cumsum()[self.last]
        hits = (each * self.hit).cumsum()[self.last]
        if not hits[-1]:
            return np.nan
        precision = hits / np.maximum(called, 1e-300)
        return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])
