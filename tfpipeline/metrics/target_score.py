"""The one figure by which networks are compared, for each target, and its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import regression
from tfpipeline.metrics.precision_recall import average_precision


@dataclass(frozen=True)
class TargetScore:
    """A figure that is at most 1, where all is right; higher is better."""

    target: str
    key: str  # In tables and JSON, and as `metrics.json` of a run has it.
    name: str  # For people, within a sentence.
    of_each: str  # Of what a study with few training images takes so many each.
    also: tuple[str, ...] = ()  # Further figures, which choose nothing.

    @property
    def validation(self) -> str:
        """The key of the same figure on validation images."""
        return f"validation_{self.key}"

    @property
    def title(self) -> str:
        """The name at the beginning of a sentence; mAP is always written so."""
        return self.name.capitalize() if self.name.islower() else self.name


_ACCURACY = TargetScore(targets.SINGLE, "accuracy", "accuracy", "of each class")
_OF_TARGET = {
    targets.MULTI: TargetScore(
        targets.MULTI,
        "mean_average_precision",
        "mAP",
        "of each class, by the rarest of an image",
    ),
    targets.NUMBER: TargetScore(
        targets.NUMBER, "r2", "R2", "of each tenth of the numbers", ("mae",)
    ),
}


def of_target(target: str) -> TargetScore:
    """Return the figure that a target is compared by."""
    return _OF_TARGET.get(target, _ACCURACY)


def of_row(row: Mapping[str, Any]) -> TargetScore:
    """Return the figure that a row of a table has; accuracy where it has none."""
    return next((own for own in _OF_TARGET.values() if own.key in row), _ACCURACY)


def measure(target: str, answers: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return the figures of answers for several labels or a number.

    Args:
        target: `multi` or `number`.
        answers: Of numbers in their unit; of labels anything that ranks the images of
            a class, shape (n, k).
        values: What is true, shape (n, k).

    Returns:
        By the keys of the target; NaN where one is undefined: without images, of
        numbers that are all equal, and where no image has a label. Classes without an
        image are in no mean.
    """
    own = of_target(target)
    if not len(values):
        return dict.fromkeys((own.key, *own.also), float("nan"))
    if target == targets.NUMBER:
        found = regression.regression(answers[:, 0], values[:, 0])
        figures = [found[key] for key in (own.key, *own.also)]
    else:
        each = [average_precision(*one) for one in zip(answers.T, values.T)]
        known = [value for value in each if value is not None]
        figures = [float(np.mean(known)) if known else None]
    numbers = [float("nan") if figure is None else figure for figure in figures]
    return dict(zip((own.key, *own.also), numbers))
