"""What the folds of a cross-validation say of an accuracy, and how sure that is."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.metrics import classification, weights
from tfpipeline.metrics.significance import wilson
from tfpipeline.metrics.statistics import student

METHOD = (
    "the wider of the corrected t interval over folds (Nadeau and Bengio, 2003) and "
    "Wilson's with a group as one draw"
)


def summarize(
    logits: np.ndarray,
    label: np.ndarray,
    fold: np.ndarray,
    group: Sequence[str],
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the accuracy on images that were each held out once, with its interval.

    Args:
        logits: Of each image, by the classifier that its fold was held out from.
        label: Index of its class, shape (n,).
        fold: Number of its fold, shape (n,).
        group: What it belongs to, shape (n,).
        weight: What it counts, shape (n,); all the same where None.

    Returns:
        `count` of folds, `accuracy`, `loss`, `n`, `groups`, `interval` (95 %),
        `method` of that, and `scores`: `fold`, `n`, `accuracy` and `loss` of each.
    """
    scores = []
    for number in np.unique(fold).tolist():
        own = fold == number
        part = None if weight is None else weight[own]
        metrics = classification.loss_and_accuracy(logits[own], label[own], part)
        scores.append({"fold": number, "n": int(own.sum()), **metrics})
    whole = classification.loss_and_accuracy(logits, label, weight)
    draws: float = len(set(group))
    if weight is not None:
        draws = min(draws, weights.effective_count(weight))
    accuracies = [score["accuracy"] for score in scores]
    return {
        "count": len(scores),
        **whole,
        "n": len(label),
        "groups": len(set(group)),
        "interval": interval(whole["accuracy"], accuracies, draws),
        "method": METHOD,
        "scores": scores,
    }


def interval(
    accuracy: float, folds: Sequence[float], draws: float
) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy that was measured fold by fold.

    Folds share most of what they train on, so that their accuracies are no independent
    draws: the variance of their mean is taken to be that of one fold times 1 / K +
    1 / (K - 1). And no interval is narrower than that of so many independent `draws`.

    Source: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning
        52, 2003, with the test share 1 / K; naive intervals are too narrow, Bates et
        al., arXiv:2104.00673.
    """
    count = len(folds)
    low, high = wilson(accuracy * draws, draws)
    if count < 2:
        return low, high
    half = half_width(folds)
    return max(0.0, min(low, accuracy - half)), min(1.0, max(high, accuracy + half))


def half_width(folds: Sequence[float]) -> float:
    """Return half the width of the corrected t interval; 0 of fewer than two folds."""
    count = len(folds)
    if count < 2:
        return 0.0
    variance = float(np.var(folds, ddof=1)) * (1 / count + 1 / (count - 1))
    return student(count - 1) * math.sqrt(variance)
