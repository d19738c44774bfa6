"""What turns the outputs of a network into answers: thresholds, or a unit."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import multi_label, thresholds


@dataclass(frozen=True)
class Decision:
    """What is answered for the outputs of a network.

    Args:
        target: One of `core.target.TARGETS`.
        labels: Names of the classes, or the one of a number.
        thresholds: Of several labels: from which probability on each class is said.
        chosen: Of each threshold its precision, recall and F1 where it was chosen, and
            why the criterion was not met, if so.
        criterion: By what thresholds were chosen: `f1` or `recall_at_precision`.
        precision: What the latter asked for.
        split: On which images these, or the interval of a number, were chosen, such
            as `validation` or `out-of-fold`; empty where there were none.
        temperature: Of several labels: by which logits are divided before the sigmoid.
        mean: Of a number: that of the training images, which is the baseline.
        deviation: And their standard deviation.
        half_width: How far a number may lie from what is predicted; None where nothing
            can be promised. See `metrics.targets.conformal`.
        coverage: Share of new images whose numbers are within that.
        n: Images that it was chosen on.
        reason: Why there is no interval, or empty.
    """

    target: str = targets.SINGLE
    labels: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    chosen: tuple[Mapping[str, Any], ...] = ()
    criterion: str = "f1"
    precision: float = 0.9
    split: str = ""
    temperature: float = 1.0
    mean: float = 0.0
    deviation: float = 1.0
    half_width: float | None = None
    coverage: float = 0.9
    n: int = 0
    reason: str = ""

    @property
    def words(self) -> str:
        """How the thresholds were chosen, in words."""
        what = "the highest F1"
        if self.criterion != "f1":
            what = f"the highest recall at a precision of {self.precision:g} or more"
        return f"{what} on {self.split} images" if self.split else "0.5 (default)"

    def said(self, outputs: np.ndarray) -> list[str]:
        """Return what is answered to images, in words: `cat|dog`, `3.5`."""
        if self.target == targets.NUMBER:
            return [f"{value:.6g}" for value in outputs[:, 0]]
        called = self.called(self.chance(outputs))
        return ["|".join(self.labels[k] for k in np.flatnonzero(row)) for row in called]

    def chance(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of several labels, calibrated, float64, (n, k)."""
        return multi_label.probabilities(np.asarray(outputs) / self.temperature)

    def called(self, chance: np.ndarray) -> np.ndarray:
        """Return which classes are said, bool, by their probabilities, both (n, k)."""
        # As an exported model compares.
        return np.asarray(chance, np.float32) >= np.array(self.thresholds, np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        own = dataclasses.asdict(self)
        keys: tuple[str, ...] = ("target", "labels")
        if self.target == targets.MULTI:
            keys = (*keys, "thresholds", "chosen", "criterion", "precision", "split")
            keys = (*keys, "temperature")
        if self.target == targets.NUMBER:
            keys = (*keys, "mean", "deviation", "half_width", "coverage", "split")
            keys = (*keys, "n", "reason")
        return {key: own[key] for key in keys}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Decision":
        """Return what `to_json` was called on; keys of later versions are ignored."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        own = {key: value for key, value in content.items() if key in known}
        own |= {k: tuple(v) for k, v in own.items() if isinstance(v, list)}
        return cls(**own)


def for_several(
    labels: Sequence[str],
    asked: tuple[str, float],
    split: str,
    held_out: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None,
    temperature: float = 1.0,
) -> Decision:
    """Return the thresholds of several labels, chosen on held-out images.

    Args:
        labels: Names of the classes.
        asked: The criterion, of `thresholds.CRITERIA`, and the precision for it.
        split: What the held-out images are called.
        held_out: Their logits, values and weights (or None); None where there are none,
            and every threshold is then 0.5.
        temperature: By which logits are divided before the sigmoid.
    """
    criterion, precision = asked
    usual = thresholds.Threshold(thresholds.USUAL, reason="no validation images")
    found = [usual] * len(labels)
    if held_out is not None:
        logits, values, weight = held_out
        chance = multi_label.probabilities(np.asarray(logits) / temperature)
        found = thresholds.choose_each(chance, values, criterion, precision, weight)
    return Decision(
        targets.MULTI,
        tuple(labels),
        tuple(one.value for one in found),
        tuple(one.to_json() for one in found),
        criterion,
        precision,
        split if held_out is not None else "",
        temperature,
    )
