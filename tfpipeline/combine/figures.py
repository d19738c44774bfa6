"""What a combination is measured by, and how it answers, for each target."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.train import measurement
from tfpipeline.train.targets import measurement as target_measurement

# Validation figures by which runs are chosen, the first one alone in the end; those
# with a minus are errors.
_RANKS = {
    targets.MULTI: ("mean_average_precision", "-loss"),
    targets.NUMBER: ("-mae", "-rmse"),
}
_USUAL = ("accuracy", "-loss")


def measure(
    examples: Examples,
    logits: Mapping[str, np.ndarray],
    decision: Decision,
    group: str,
    fit: Calibration | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each split, as `metrics.json` has them.

    Args:
        examples: Of the first run.
        logits: Of each split.
        decision: How outputs are answered.
        group: The `--data.group` of the first run.
        fit: Of single classes or shares, what their probabilities are calibrated by.
    """
    if decision.target in targets.CLASSES:
        return measurement.split_metrics(examples, logits, fit)
    return target_measurement.split_metrics(examples, logits, decision, group)


def rank(metrics: Mapping[str, Any], target: str) -> tuple[float, ...]:
    """Return figures of which higher ones are better, the first before the others."""
    found = []
    for name in _RANKS.get(target, _USUAL):
        value = metrics[name.lstrip("-")]
        sign = -1 if name.startswith("-") else 1
        found.append(-np.inf if value is None else sign * value)
    return tuple(found)


def decide(
    examples: Examples,
    logits: Mapping[str, np.ndarray],
    asked: CalibrationSettings,
    members: Sequence[Decision],
) -> tuple[Decision, Calibration]:
    """Return how a combination is answered and calibrated, by its own logits.

    The unit of a number is that of the first run.
    """
    first = members[0]
    if first.target in targets.CLASSES:
        return first, measurement.calibrate(examples, logits, asked)
    given = target_measurement.validation(examples, logits.get("validation"))
    fit = target_measurement.calibrate(examples, given)
    own = (first.mean, first.deviation), fit.temperature
    return target_measurement.decide(examples, given, asked, *own), fit
