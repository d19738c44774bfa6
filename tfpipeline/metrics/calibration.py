"""Calibration: how far probabilities can be believed; a threshold of abstention."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tfpipeline.core.errors import UserError
from tfpipeline.metrics import abstention, temperature
from tfpipeline.metrics.classification import probabilities
from tfpipeline.metrics.temperature import cross_entropy

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """What a validation split says of the probabilities of a classifier.

    Losses are mean cross-entropies in nats; they and the expected calibration errors
    are pairs: as it is, and with the temperature.
    """

    temperature: float = 1.0  # By which logits are divided, positive.
    target_error: float = 0.05  # Share of wrong answers allowed where it answers.
    # Lowest probability, after the temperature, that is answered; null where no
    # threshold is known to keep the target.
    threshold: float | None = None
    n: int = 0  # Number of validation images.
    loss: tuple[float, float] | None = None
    ece: tuple[float, float] | None = None
    coverage: float | None = None  # Share of the validation images that is answered.
    confidence: float = 0.95  # With which the target is kept on new images like these.
    bound: float | None = None  # Of the share of wrong answers, with that confidence.
    reason: str = "it was not calibrated"  # Why there is no threshold, or empty.
    curve: tuple[Mapping[str, float], ...] = ()  # See `abstention.Point`.
    held_out: Mapping[str, Any] | None = None  # See `temperature.HeldOut`.
    images: str = "validation"  # What the images are, or `out-of-fold`.

    def accepts(self, sure: np.ndarray) -> np.ndarray | None:
        """Return which answers are sure enough; None where no threshold is known.

        Args:
            sure: Probability of the best class, after the temperature, shape (n,).
        """
        if self.threshold is None:
            return None
        # As they are served.
        return np.asarray(sure, np.float32) >= np.float32(self.threshold)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `calibration.json`."""
        return asdict(self)

    @staticmethod
    def of(content: Mapping[str, Any]) -> "Calibration":
        """Return what `to_json` had; unknown fields are ignored.

        A threshold without a bound, as earlier versions wrote it, promises nothing and
        is dropped.

        Raises:
            ValueError: The temperature is no positive number.
        """
        known = Calibration.__dataclass_fields__
        read = Calibration(**{k: v for k, v in content.items() if k in known})
        number = isinstance(read.temperature, int | float)
        if not number or not 0 < read.temperature < np.inf:
            raise ValueError(
                f"expected a positive number as temperature, found {read.temperature!r}"
            )
        if "bound" not in content:
            why = "an earlier version chose its threshold, without a bound: train again"
            return replace(read, threshold=None, coverage=None, reason=why)
        return read


def check(target_error: float, confidence: float) -> None:
    """Refuse settings that do not lie in [0, 1) and (0, 1)."""
    if not 0 <= target_error < 1:
        raise UserError(
            "--calibration.target_error: expected a share from 0 up to, but not, 1. "
            f"Received: {target_error}."
        )
    if not 0 < confidence < 1:
        raise UserError(
            "--calibration.confidence: expected a share between 0 and 1. Received: "
            f"{confidence}. Say 0.95 to have the target kept in 95 of 100 trainings."
        )


def calibrate(
    logits: np.ndarray,
    label: np.ndarray,
    target_error: float,
    confidence: float = 0.95,
    images: str = "validation",
) -> Calibration:
    """Return temperature and threshold of a classifier, by images it did not learn.

    Args:
        logits: Of a validation split, shape (n, classes).
        label: Index of the true class, shape (n,).
        target_error: Share of the answers that may be wrong.
        confidence: With which no more are, on new images like these.
        images: What these are called: `validation`, or `out-of-fold`.
    """
    n, alpha = len(label), 1 - confidence
    if not n:
        why = abstention.reason((), 0, target_error, alpha, images)
        return Calibration(
            *(1.0, target_error), confidence=confidence, reason=why, images=images
        )
    choice = temperature.held_out(logits, label)
    divisor = choice.temperature if choice.kept else 1.0
    both = logits, logits / divisor
    before, after = map(probabilities, both)
    points = abstention.curve(*_answers(after, label), target_error, alpha)
    best = abstention.best(points, target_error)
    result = Calibration(
        divisor,
        target_error,
        n=n,
        loss=(cross_entropy(both[0], label), cross_entropy(both[1], label)),
        ece=(expected_error(before, label), expected_error(after, label)),
        confidence=confidence,
        reason=abstention.reason(points, n, target_error, alpha, images),
        curve=tuple(asdict(point) for point in points),
        held_out=asdict(choice),
        images=images,
    )
    if best is None:
        return result
    return replace(
        result, threshold=best.threshold, coverage=best.coverage, bound=best.bound
    )


def told(
    chosen: Calibration, logits: np.ndarray, label: np.ndarray
) -> dict[str, float | None]:
    """Return what a calibration is worth on a split.

    Returns:
        `ece` and `loss` as they are and, `_calibrated`, with the temperature; with a
        threshold the `coverage`, the `error` of what is answered and how many
        `answered` are, else nulls.
    """
    calibrated = logits / chosen.temperature
    chance = probabilities(calibrated)
    sure, right = _answers(chance, label)
    accepted = chosen.accepts(sure)
    answered = right[accepted] if accepted is not None else right[:0]
    return {
        "ece": expected_error(probabilities(logits), label),
        "ece_calibrated": expected_error(chance, label),
        "loss": cross_entropy(logits, label),
        "loss_calibrated": cross_entropy(calibrated, label),
        "coverage": None if accepted is None else float(accepted.mean()),
        "error": float(1 - answered.mean()) if len(answered) else None,
        "answered": None if accepted is None else len(answered),
    }


def reliability(chance: np.ndarray, label: np.ndarray) -> list[dict[str, float]]:
    """Return the reliability diagram of probabilities, shape (n, classes).

    Returns:
        For each of `BINS` equal parts of (0, 1] that is not empty, in order: `from`
        and `to`, `n`, the mean `confidence` and the `accuracy` of its images.
    """
    return binned(*_answers(chance, label))


def binned(sure: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """Return the same of probabilities, shape (n,), and whether each was right."""
    part = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    rows = []
    for number in np.unique(part):
        inside = part == number
        rows.append(
            {
                "from": float(number / BINS),
                "to": float((number + 1) / BINS),
                "n": int(inside.sum()),
                "confidence": float(sure[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    return rows


def expected_error(chance: np.ndarray, label: np.ndarray) -> float:
    """Return the expected calibration error (ECE), in [0, 1].

    Source: Naeini et al., AAAI 2015; Guo et al., arXiv:1706.04599.
    """
    return mean_gap(reliability(chance, label))


def mean_gap(rows: Sequence[Mapping[str, float]]) -> float:
    """Return the mean gap of confidence and accuracy of a reliability diagram."""
    gaps = [row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows]
    return float(sum(gaps) / sum(row["n"] for row in rows))


def coverage(chance: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return accuracy against coverage, for every threshold that separates images.

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


def _answers(chance: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure each answer is, and whether it is right."""
    return chance.max(axis=1), np.argmax(chance, axis=1) == label
