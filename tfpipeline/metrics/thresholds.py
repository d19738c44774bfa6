"""From which probability on a class is said, chosen on validation images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.metrics.precision_recall import Cuts, cuts

# Where validation images tell nothing of a class.
USUAL = 0.5


@dataclass(frozen=True)
class Threshold:
    """From which probability on a class is said, and what that was worth.

    Args:
        value: A class is said where its probability is this or more, in [0, 1].
        precision: On the images that it was chosen on; None where nothing was chosen.
        recall: Likewise.
        f1: Likewise.
        reason: Why the criterion was not met, empty where it was.
    """

    value: float
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a row of a JSON file; `reason` is null where it was met."""
        return {
            "threshold": self.value,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "reason": self.reason or None,
        }


def _most_f1(found: Cuts, least: float) -> tuple[int, str]:
    # The first of equal ones: the fewest calls.
    return int(found.f1.argmax()), ""


def _recall_at_precision(found: Cuts, least: float) -> tuple[int, str]:
    precise = found.precision >= least
    if precise.any():
        return int(np.where(precise, found.hits, -1.0).argmax()), ""
    # Of equal precision, the highest recall.
    best = np.lexsort((-found.hits, -found.precision))[0]
    most = float(found.precision[best])
    return int(best), f"no threshold has a precision of {least:g}; at most {most:.3f}"


# From all cuts of a class with positives, and the precision that is asked for, to the
# number of the cut that is chosen, and why it is not what was asked for.
CRITERIA: dict[str, Callable[[Cuts, float], tuple[int, str]]] = {
    "f1": _most_f1,
    "recall_at_precision": _recall_at_precision,
}


def choose(
    probability: np.ndarray,
    positive: np.ndarray,
    criterion: str = "f1",
    precision: float = 0.9,
    weight: np.ndarray | None = None,
) -> Threshold:
    """Return the threshold of one class that is best by a criterion.

    All of them are looked at. `f1` takes the highest F1, and of equal ones the highest
    threshold, which calls the fewest. `recall_at_precision` takes the highest recall
    among the thresholds of at least this precision, and again the highest of equal
    ones; where none has it, the one of the highest precision, and says so.

    The value lies in the middle between the lowest probability that is called and the
    next one below it, or 0: rounding elsewhere, as in an exported model, changes no
    answer to these images. As there, probabilities are compared as float32, of which
    the value is one. Without a positive image nothing can be chosen, and it is 0.5.

    Args:
        probability: Of the class, in [0, 1], shape (n,).
        positive: Whether each image has it, shape (n,).
        criterion: A name of `CRITERIA`.
        precision: What `recall_at_precision` asks for, in (0, 1].
        weight: What each image counts, shape (n,); all 1 where None.
    """
    found = cuts(np.asarray(probability, np.float32), positive, weight)
    if not found.positives:
        return Threshold(USUAL, reason="no positive image to choose it on")
    at, reason = CRITERIA[criterion](found, precision)
    low = float(found.score[at + 1]) if at + 1 < len(found.score) else 0.0
    high = float(found.score[at])
    precision, recall, f1 = (
        float(each[at]) for each in (found.precision, found.recall, found.f1)
    )
    return Threshold(_between(low, high), precision, recall, f1, reason)


def _between(low: float, high: float) -> float:
    """Return a number that `high` reaches and `low` does not, where they differ."""
    low = max(low, 0.0)
    middle = float(np.float32((low + high) / 2))
    return middle if middle > low else high


def choose_each(
    probability: np.ndarray,
    values: np.ndarray,
    criterion: str = "f1",
    precision: float = 0.9,
    weight: np.ndarray | None = None,
) -> list[Threshold]:
    """Return the threshold of every class, each by itself.

    Args:
        probability: Shape (n, classes).
        values: 1 where an image has the class, else 0, shape (n, classes).
        criterion: As `choose` takes it.
        precision: Likewise.
        weight: Likewise.
    """
    return [
        choose(p, y > 0.5, criterion, precision, weight)
        for p, y in zip(np.asarray(probability).T, np.asarray(values).T)
    ]
