"""How far probabilities can be believed, and when it is better to say nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfpipeline.errors import UserError
from tfpipeline.evaluation.metrics import log_probabilities, probabilities

BINS = 15

# No temperature outside of this is told from an accident of few images.
_LOWEST, _HIGHEST = 1 / 16, 16.0


@dataclass(frozen=True)
class Calibration:
    """What a validation split says of the probabilities of a classifier.

    Args:
        temperature: By which logits are divided, positive; 1 leaves them as they are.
        target_error: Share of wrong answers that is allowed where it answers.
        threshold: Highest probability, after the temperature, from which on it answers;
            null where no threshold keeps the target.
        n: Number of validation images; 0 where there are none.
        loss: Mean cross-entropy in nats, as it is and with the temperature.
        ece: Expected calibration error in [0, 1], as it is and with the temperature.
        coverage: Share of the validation images at or above the threshold.
    """

    temperature: float = 1.0
    target_error: float = 0.05
    threshold: float | None = None
    n: int = 0
    loss: tuple[float, float] | None = None
    ece: tuple[float, float] | None = None
    coverage: float | None = None

    @property
    def accepts_from(self) -> float | None:
        """The probability from which on to answer; None where nothing was measured.

        It is infinite where no threshold keeps the target. An image that stands on the
        threshold is accepted in float32 as well.
        """
        if not self.n:
            return None
        return np.inf if self.threshold is None else self.threshold - 1e-6

    def to_json(self) -> dict[str, Any]:
        """Return the content of `calibration.json`."""
        return asdict(self)

    @staticmethod
    def of(found: Mapping[str, Any]) -> "Calibration":
        """Return what `to_json` had; fields that are unknown are left out.

        Args:
            found: The content of `calibration.json`.

        Raises:
            ValueError: The temperature is no positive number.
        """
        known = Calibration.__dataclass_fields__
        read = Calibration(**{k: v for k, v in found.items() if k in known})
        number = isinstance(read.temperature, int | float)
        if not number or not 0 < read.temperature < np.inf:
            raise ValueError(
                f"expected a positive number as temperature, found {read.temperature!r}"
            )
        return read


def check(target_error: float) -> None:
    """Refuse a target that is no share.

    Args:
        target_error: Of the answers, at most.

    Raises:
        UserError: It does not lie in [0, 1).
    """
    if not 0 <= target_error < 1:
        raise UserError(
            "--calibration.target_error: expected a share from 0 up to, but not, 1. "
            f"Received: {target_error}."
        )


def calibrate(
    logits: np.ndarray, label: np.ndarray, target_error: float
) -> Calibration:
    """Return temperature and threshold of a classifier, by images it did not learn.

    Args:
        logits: Of a validation split, shape (n, classes).
        label: Index of the true class, shape (n,).
        target_error: See `threshold`.
    """
    if not len(label):
        return Calibration(target_error=target_error)
    found = temperature(logits, label)
    before, after = probabilities(logits), probabilities(logits / found)
    at, coverage = threshold(after, label, target_error)
    return Calibration(
        found,
        target_error,
        at,
        len(label),
        (cross_entropy(logits, label), cross_entropy(logits / found, label)),
        (expected_error(before, label), expected_error(after, label)),
        coverage,
    )


def told(
    chosen: Calibration, logits: np.ndarray, label: np.ndarray
) -> dict[str, float | None]:
    """Return what a calibration is worth on a split.

    Args:
        chosen: Of another split, or of this one.
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).

    Returns:
        `ece` and `loss` as they are and, `_calibrated`, with the temperature; with a
        threshold the `coverage` and the `error` of what is answered, else nulls.
    """
    calibrated = logits / chosen.temperature
    chance = probabilities(calibrated)
    sure, right = _answers(chance, label)
    at = np.inf if chosen.threshold is None else chosen.threshold
    answered = right[sure >= at]
    return {
        "ece": expected_error(probabilities(logits), label),
        "ece_calibrated": expected_error(chance, label),
        "loss": cross_entropy(logits, label),
        "loss_calibrated": cross_entropy(calibrated, label),
        "coverage": len(answered) / len(label) if np.isfinite(at) else None,
        "error": float(1 - answered.mean()) if len(answered) else None,
    }


def cross_entropy(logits: np.ndarray, label: np.ndarray) -> float:
    """Return the mean cross-entropy in nats.

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
    """
    return float(-log_probabilities(logits)[np.arange(len(label)), label].mean())


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
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


def reliability(
    chance: np.ndarray, label: np.ndarray, bins: int = BINS
) -> list[dict[str, float]]:
    """Return how often answers are right, by how sure they are.

    Args:
        chance: Probabilities, shape (n, classes).
        label: Index of the true class, shape (n,).
        bins: Equal parts of (0, 1].

    Returns:
        For each part that is not empty, in order: `from` and `to`, `n`, the mean
        `confidence` and the `accuracy` of its images.
    """
    sure, right = _answers(chance, label)
    part = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    rows = []
    for number in np.unique(part):
        inside = part == number
        rows.append(
            {
                "from": float(number / bins),
                "to": float((number + 1) / bins),
                "n": int(inside.sum()),
                "confidence": float(sure[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    return rows


def expected_error(chance: np.ndarray, label: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error (ECE), in [0, 1].

    Args:
        chance: Probabilities, shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
        bins: Equal parts of (0, 1].

    Source: Naeini et al., AAAI 2015; Guo et al., arXiv:1706.04599.
    """
    parts = reliability(chance, label, bins)
    off = [row["n"] * abs(row["confidence"] - row["accuracy"]) for row in parts]
    return float(sum(off) / len(label))


def coverage(chance: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return accuracy against coverage, for every threshold that tells images apart.

    Args:
        chance: Probabilities, shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).

    Returns:
        Thresholds, falling; the share of images at or above each; and the accuracy on
        those. The last share is 1.

    Source: Geifman & El-Yaniv, Selective Classification, arXiv:1705.08500.
    """
    sure, right = _answers(chance, label)
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    # Images that are equally sure are above a threshold together.
    last = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    counts = last + 1
    return sure[last], counts / len(sure), np.cumsum(right)[last] / counts


def threshold(
    chance: np.ndarray, label: np.ndarray, target_error: float
) -> tuple[float | None, float | None]:
    """Return from which probability on to answer, so that few answers are wrong.

    Args:
        chance: Probabilities, shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
        target_error: Share of the answers that may be wrong.

    Returns:
        The lowest threshold with at most that error on these images, and the share of
        them that is answered; nulls where even the surest ones are wrong too often.
    """
    at, share, accuracy = coverage(chance, label)
    kept = np.flatnonzero(1 - accuracy <= target_error + 1e-12)
    if not len(kept):
        return None, None
    if kept[-1] == len(at) - 1:
        return 0.0, 1.0  # It may always answer, on images less sure than these too.
    return float(at[kept[-1]]), float(share[kept[-1]])


def _answers(chance: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure each answer is, and whether it is right."""
    return chance.max(axis=1), np.argmax(chance, axis=1) == label
