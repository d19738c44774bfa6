"""What folds say of several labels and of a number, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import bootstrap, folds, multi_label, regression, thresholds
from tfpipeline.metrics.multi_label import mean_average_precision_interval

METHOD = (
    "the wider of the corrected t interval over folds (Nadeau and Bengio, 2003) and "
    "the bootstrap with a group as one draw"
)

# Draws of the interval of the macro F1, as many as that of mean average precision has.
_DRAWS = 200

# Figures by their target, each with the lowest and highest value that it can have.
_OPEN = float("inf")
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    targets.MULTI: {"mean_average_precision": (0, 1), "macro_f1": (0, 1)},
    targets.NUMBER: {
        **{"mae": (0, _OPEN), "rmse": (0, _OPEN), "r2": (-_OPEN, 1)},
        **{"median_error": (0, _OPEN), "bias": (-_OPEN, _OPEN)},
    },
}


def summarize(
    labels: Sequence[str],
    answered: tuple[np.ndarray, np.ndarray],
    fold: np.ndarray,
    group: Sequence[str],
    weight: np.ndarray | None = None,
    asked: tuple[str, float] | None = None,
) -> dict[str, Any]:
    """Return the figures of images that were each held out once, with intervals.

    Of several labels, F1 needs thresholds. Those of the run are chosen on these very
    predictions and would flatter it; here each fold has those that are best on the
    other folds, so that no image has a part in what it is called by.

    Args:
        labels: Names of the classes, or of the number.
        answered: Outputs for each image, by the network that its fold was held out
            from, and what is true of it; shape (n, k) both.
        fold: Number of its fold, shape (n,).
        group: What it belongs to, shape (n,).
        weight: What it counts, shape (n,); all the same where None.
        asked: Of several labels the criterion of thresholds, of `thresholds.CRITERIA`,
            and the precision for it; None of a number.

    Returns:
        `target`, `count` of folds, `n`, `groups`, `method`; of several labels
        `mean_average_precision`, `macro_f1` and `loss`, of a number `quantity`, `mae`,
        `rmse`, `r2`, `median_error` and `bias`; `intervals` (95 %) of all but the loss;
        and `scores`: `fold`, `n` and the same figures of each.
    """
    outputs, values = answered
    target = targets.NUMBER if asked is None else targets.MULTI
    unit = np.unique(np.array(group), return_inverse=True)[1]
    called = None
    if asked is not None:
        called = _called(
            multi_label.probabilities(outputs), values, fold, weight, asked
        )

    def figures(rows: np.ndarray) -> dict[str, float | None]:
        part = None if weight is None else weight[rows]
        if called is None:
            own = outputs[rows, 0], values[rows, 0], part
            found = regression.regression(*own)
            return {name: found[name] for name in _RANGES[target]}
        return _of_labels(outputs[rows], values[rows], called[rows], labels, part)

    numbers = np.unique(fold).tolist()
    scores = [
        {"fold": k, "n": int((fold == k).sum()), **figures(fold == k)} for k in numbers
    ]
    whole = figures(np.ones(len(fold), bool))
    if called is None:
        own = outputs[:, 0], values[:, 0], weight, unit
        drawn: dict[str, Any] = regression.intervals(*own)
    else:
        own = multi_label.probabilities(outputs), values, weight, unit
        drawn = {
            "mean_average_precision": mean_average_precision_interval(*own),
            "macro_f1": _f1_interval(called, values > 0.5, weight, unit),
        }
    return {
        "target": target,
        **({"quantity": labels[0]} if called is None else {}),
        "count": len(numbers),
        **whole,
        "n": len(fold),
        "groups": int(unit.max()) + 1,
        "intervals": {
            name: _wider(whole[name], drawn[name], [s[name] for s in scores], ends)
            for name, ends in _RANGES[target].items()
        },
        "method": METHOD,
        "scores": scores,
    }


def _called(
    chance: np.ndarray,
    values: np.ndarray,
    fold: np.ndarray,
    weight: np.ndarray | None,
    asked: tuple[str, float],
) -> np.ndarray:
    """Return which classes are said, each fold by the thresholds of the others."""
    called = np.zeros(chance.shape, bool)
    for number in np.unique(fold):
        rest, own = fold != number, fold == number
        part = None if weight is None else weight[rest]
        found = thresholds.choose_each(chance[rest], values[rest], *asked, part)
        least = np.array([one.value for one in found], np.float32)
        called[own] = chance[own].astype(np.float32) >= least
    return called


def _of_labels(
    outputs: np.ndarray,
    values: np.ndarray,
    called: np.ndarray,
    labels: Sequence[str],
    weight: np.ndarray | None,
) -> dict[str, float | None]:
    chance = multi_label.probabilities(outputs)
    ranked = multi_label.multi_label(chance, values, labels, weight=weight)
    # Calls as they are, whatever the probability.
    said = multi_label.multi_label(called.astype(float), values, labels, weight=weight)
    return {
        "mean_average_precision": ranked["mean_average_precision"],
        "macro_f1": said["macro_f1"],
        "loss": multi_label.cross_entropy(outputs, values, weight),
    }


def _f1_interval(
    called: np.ndarray, true: np.ndarray, weight: np.ndarray | None, unit: np.ndarray
) -> tuple[float, float] | None:
    """Return the 95 % interval of the macro F1; a draw's classes are those it has."""
    if bootstrap.units(len(true), unit) < 2:
        return None
    each = np.ones(len(true)) if weight is None else np.asarray(weight, np.float64)
    both, sums = (called & true).astype(float), called.astype(float) + true
    there = true.astype(float)

    def statistic(count: np.ndarray) -> np.ndarray:
        own = count * each
        seen = own @ there > 0
        if not seen.any():
            return np.array([np.nan])
        return np.array([(2 * (own @ both)[seen] / (own @ sums)[seen]).mean()])

    low, high = bootstrap.intervals(statistic, len(true), 0, unit, _DRAWS)[:, 0]
    return None if np.isnan(low) else (float(low), float(high))


def _wider(
    value: float | None,
    drawn: tuple[float, float] | None,
    scores: Sequence[float | None],
    ends: tuple[float, float],
) -> tuple[float, float] | None:
    """Return the wider of two intervals, within what the figure can be."""
    known = [score for score in scores if score is not None]
    if value is None or drawn is None:
        return None
    half = folds.half_width(known)
    low, high = min(drawn[0], value - half), max(drawn[1], value + half)
    return max(ends[0], low), min(ends[1], high)
