"""One number by which logits are divided, so that probabilities can be believed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfpipeline.metrics.classification import log_probabilities, probabilities

# No temperature outside of this is distinguished from an accident of few images.
_LOWEST, _HIGHEST = 1 / 16, 16.0

# Parts of the validation images; each says what the temperature of others is worth.
FOLDS = 5
# Of more images than these, a part is enough for that.
_MOST_FOLDED = 10_000


@dataclass(frozen=True)
class HeldOut:
    """Whether a temperature helps images that did not choose it."""

    temperature: float  # With the least cross-entropy on all of these images.
    # Mean cross-entropy of each fold in nats, as it is and with the temperature of the
    # other folds; null where there are too few images.
    loss: tuple[float, float] | None
    standard_error: float | None  # Of the mean difference.
    kept: bool  # Whether it is lower by more than its standard error.


def fit(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the T in [1 / 16, 16] by which logits / T have the least cross-entropy.

    The cross-entropy is convex in 1 / T, so its slope is bisected. Where every image is
    right, sharper is better without end: that cannot be measured, and the answer is 1,
    or more.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    logits = np.asarray(logits, np.float64)
    true = logits[np.arange(len(label)), label]

    def slope(inverse: float) -> float:
        """Return the derivative of the cross-entropy by 1 / T."""
        expected = (probabilities(logits * inverse) * logits).sum(axis=1)
        return float((expected - true).mean())

    all_right = bool((true >= logits.max(axis=1)).all())
    low, high = 1 / _HIGHEST, 1.0 if all_right else 1 / _LOWEST
    if slope(high) <= 0:
        return 1 / high
    if slope(low) >= 0:
        return 1 / low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def held_out(logits: np.ndarray, label: np.ndarray) -> HeldOut:
    """Return the best temperature, and whether it helps images that did not choose it.

    Each of five folds (every fifth image) has its cross-entropy with the temperature of
    the other four. The temperature is kept where the mean is lower than without one, by
    more than the standard error of the difference. That is cross-entropy: the expected
    calibration error may rise nevertheless.
    """
    return _held_out(logits, label, fit, losses)


def held_out_cells(logits: np.ndarray, values: np.ndarray) -> HeldOut:
    """Return the same of several labels, each a choice of two: it is there, or not.

    Images are divided, with all of their classes; the loss is the mean over classes,
    and the standard error that of images. Of more than 10,000 images a part is used.

    Args:
        logits: Of sigmoids, shape (n, classes).
        values: 1 where an image has a class, else 0, shape (n, classes).
    """
    step = -(-len(values) // _MOST_FOLDED)
    logits, values = logits[::step], values[::step]
    # The sigmoid of z is the softmax of 0 and z.
    pairs = np.stack([np.zeros(np.shape(logits)), logits], axis=2)

    def fit_all(logits: np.ndarray, label: np.ndarray) -> float:
        return fit(logits.reshape(-1, 2), label.ravel())

    def mean_losses(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
        each = losses(logits.reshape(-1, 2), label.ravel())
        return np.asarray(each.reshape(label.shape).mean(axis=1))

    return _held_out(pairs, (values > 0.5).astype(np.int64), fit_all, mean_losses)


def _held_out(
    logits: np.ndarray,
    label: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], float],
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> HeldOut:
    best = fit(logits, label)
    step = -(-len(label) // _MOST_FOLDED)
    logits, label = logits[::step], label[::step]
    if len(label) < 2 * FOLDS:
        return HeldOut(best, None, None, False)
    each = np.arange(len(label))
    cooled = np.empty(np.shape(logits), np.float64)
    for number in range(FOLDS):
        inside = each % FOLDS == number
        cooled[inside] = logits[inside] / fit(logits[~inside], label[~inside])
    before, after = (losses(x, label) for x in (logits, cooled))
    error = float((after - before).std(ddof=1) / np.sqrt(len(label)))
    loss = float(before.mean()), float(after.mean())
    return HeldOut(best, loss, error, loss[1] + error < loss[0])


def losses(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each image in nats, shape (n,)."""
    return np.asarray(-log_probabilities(logits)[np.arange(len(label)), label])


def cross_entropy(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean cross-entropy in nats."""
    return float(losses(logits, label).mean())
