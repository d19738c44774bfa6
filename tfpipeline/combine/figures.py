"""What a combination is measured by, and how it answers, for each target."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import decision as decisions
from tfpipeline.metrics import target_metrics
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.train import measurement

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
    fit: Calibration | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each split, as `metrics.json` has them.

    Args:
        examples: Of the first run.
        logits: Of each split.
        decision: How outputs are answered.
        fit: Of single classes or shares, what their probabilities are calibrated by.
    """
    if decision.target in targets.CLASSES:
        return measurement.split_metrics(examples, logits, fit)
    names = examples.together("exact")
    result = {}
    for split, outputs in logits.items():
        chosen = examples.of(split)
        result[split] = target_metrics.measure(
            *(decision, outputs, examples.truth(chosen)),
            *(examples.weights(chosen), [names[i] for i in chosen]),
        )
    return result


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
) -> Decision:
    """Return how a combination is answered: thresholds are chosen anew, by its logits.

    The unit of a number is that of the first run.
    """
    first = members[0]
    if first.target == targets.NUMBER:
        own = first.target, first.labels
        return Decision(*own, mean=first.mean, deviation=first.deviation)
    if first.target != targets.MULTI:
        return first
    chosen, held_out = examples.of("validation"), None
    if len(chosen):
        given = examples.truth(chosen), examples.weights(chosen)
        held_out = logits["validation"], *given
    criterion = asked.thresholds, asked.precision
    return decisions.for_several(first.labels, criterion, "validation", held_out)
