"""What is watched after each epoch: a loss, and a figure that a reader knows."""

from typing import NamedTuple

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import classification, multi_label, weights
from tfpipeline.metrics.precision_recall import average_precision


class Loss(NamedTuple):
    """What a training minimises.

    Args:
        name: `cross_entropy`, `focal`, `bce`, `huber` or `mse`.
        target: One of `core.target.TARGETS`.
        gamma: Of `focal`.
        scale: Of a number: the standard deviation by which errors are divided.
    """

    name: str = "cross_entropy"
    target: str = targets.SINGLE
    gamma: float = 2.0
    scale: float = 1.0


def soft_cross_entropy(
    logits: np.ndarray, shares: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Return the mean cross-entropy against shares of classes, in nats.

    Shares of 0 and 1 give what `classification.loss_and_accuracy` does, bit for bit.
    """
    each = (classification.log_probabilities(logits) * shares).sum(axis=1)
    rows, count = _spread(weight, len(each))
    return -weights.mean(each[rows], count)


def number_loss(
    loss: Loss,
    outputs: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray | None = None,
) -> float:
    """Return the mean loss of numbers, in standard deviations of those trained on."""
    error = (np.asarray(outputs, np.float64) - values)[:, 0] / loss.scale
    size = np.abs(error)
    each = np.square(error)
    if loss.name == "huber":
        each = np.where(size <= 1, 0.5 * each, size - 0.5)
    rows, count = _spread(weight, len(each))
    return weights.mean(each[rows], count)


def watched(
    loss: Loss,
    outputs: np.ndarray,
    truth: np.ndarray,
    weight: np.ndarray | None = None,
) -> dict[str, float]:
    """Return the metrics of held-out examples after an epoch.

    Args:
        loss: Of the training; that of classes is the plain cross-entropy whatever
            weighs examples in the training, so that its values can be compared.
        outputs: Of the network, shape (n, classes), n at least 1.
        truth: Index of the class, int, shape (n,); or values, shape (n, classes).
        weight: What each example counts, shape (n,); all the same where None.

    Returns:
        `loss`, and: `accuracy` of one class; `label_accuracy`, the share of right
        answers to all classes, and `mAP` of several; `mae` of a number, in its unit.
    """
    if loss.target == targets.SINGLE:
        return classification.loss_and_accuracy(outputs, truth, weight)
    rows, each = _spread(weight, len(truth))
    if loss.target == targets.SOFT:
        right = np.argmax(outputs, axis=1) == np.argmax(truth, axis=1)
        value = soft_cross_entropy(outputs, truth, weight)
        return {"loss": value, "accuracy": weights.mean(right[rows], each)}
    if loss.target == targets.NUMBER:
        error = np.abs(np.asarray(outputs, np.float64) - truth)[:, 0]
        value = number_loss(loss, outputs, truth, weight)
        return {"loss": value, "mae": weights.mean(error[rows], each)}
    right = ((outputs > 0) == (truth > 0.5)).mean(axis=1)
    chance = multi_label.probabilities(outputs)
    columns = [(p, y) for p, y in zip(chance.T, truth.T) if y.any()]
    found = [average_precision(p, y, weight) for p, y in columns]
    return {
        "loss": multi_label.cross_entropy(outputs, truth, weight),
        "label_accuracy": weights.mean(right[rows], each),
        "mAP": float(np.array(found, float).mean()) if found else float("nan"),
    }


def _spread(
    weight: np.ndarray | None, count: int
) -> tuple[np.ndarray | slice, np.ndarray | None]:
    return (slice(count), None) if weight is None else weights.spread(weight)
