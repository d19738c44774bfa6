"""One number by which logits are divided, so that probabilities can be believed."""

from dataclasses import dataclass

import numpy as np

from tfpipeline.metrics.classification import log_probabilities, probabilities

# No temperature outside of this is told from an accident of few images.
_LOWEST, _HIGHEST = 1 / 16, 16.0


# Parts of the validation images; each tells what the temperature of others is worth.
FOLDS = 5
# Of more images than these, some are enough to tell that.
_MOST_FOLDED = 10_000


@dataclass(frozen=True)
class HeldOut:
    """Whether a temperature helps images that did not choose it.

    Args:
        temperature: With the least cross-entropy on all validation images.
        loss: Mean cross-entropy of each fold in nats, as it is and with the temperature
            of the other folds; null where there are too few images.
        standard_error: Of the mean difference.
        kept: Whether that is lower by more than its standard error.
    """

    temperature: float
    loss: tuple[float, float] | None
    standard_error: float | None
    kept: bool


def fit(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the temperature whose softmax has the least cross-entropy.

    The cross-entropy is convex in 1 / T, so its slope is bisected. Where every image is
    right, sharper is better without end: that cannot be measured, and the answer is 1,
    or more.

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).

    Returns:
        T in [1 / 16, 16]; logits / T are calibrated.

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

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
    """
    best = fit(logits, label)
    step = -(-len(label) // _MOST_FOLDED)
    some, own = logits[::step], label[::step]
    if len(own) < 2 * FOLDS:
        return HeldOut(best, None, None, False)
    fold, each = np.arange(len(own)) % FOLDS, np.arange(len(own))
    cooled = np.empty(np.shape(some), np.float64)
    for number in range(FOLDS):
        inside = fold == number
        cooled[inside] = some[inside] / fit(some[~inside], own[~inside])
    before, after = (-log_probabilities(x)[each, own] for x in (some, cooled))
    error = float((after - before).std(ddof=1) / np.sqrt(len(own)))
    loss = float(before.mean()), float(after.mean())
    return HeldOut(best, loss, error, loss[1] + error < loss[0])


def cross_entropy(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean cross-entropy in nats.

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
    """
    return float(-log_probabilities(logits)[np.arange(len(label)), label].mean())
