"""A network of several labels or of a number, measured."""

from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data.sources.base import Source
from tfpipeline.metrics import decision, target_metrics
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.train.stages import Course
from tfpipeline.train.targets import scaling

# Why nothing is said of abstention, and what there is instead.
NO_CALIBRATION = {
    targets.MULTI: "calibration and abstention are not defined for --data.target "
    "multi: each class has a threshold of its own, in target.json",
    targets.NUMBER: "calibration and abstention are not defined for --data.target "
    "number: metrics.json has the error and its interval",
}


def measure(course: Course) -> dict[str, dict[str, Any]]:
    """Return the metrics of the splits with logits; thresholds are chosen before.

    These are chosen on validation images, which are therefore measured too well.
    """
    examples, target = course.work.examples, course.work.examples.source.target
    course.decision = decide(course)
    course.calibration = Calibration(reason=NO_CALIBRATION[target])
    names = examples.together(course.work.settings.data.group)
    result = {}
    for split, outputs in course.logits.items():
        chosen = examples.of(split)
        result[split] = target_metrics.measure(
            *(course.decision, outputs, examples.truth(chosen)),
            *(examples.weights(chosen), [names[i] for i in chosen]),
        )
    return result


def of_classes(source: Source) -> Decision:
    """Return what is known of a network of single classes, or of shares of them."""
    if source.target == targets.SINGLE:
        return Decision()
    return Decision(source.target, source.labels)


def decide(course: Course) -> Decision:
    """Return what turns the outputs of the trained network into answers."""
    work = course.work
    source, asked = work.examples.source, work.settings.calibration
    if source.target == targets.NUMBER:
        mean, deviation = scaling.unit_of(work.model) or (0.0, 1.0)
        own = source.target, source.labels
        return Decision(*own, mean=mean, deviation=deviation)
    chosen = work.examples.of("validation")
    held_out = None
    if len(chosen):
        logits = np.asarray(course.logits["validation"])
        given = work.examples.truth(chosen), work.examples.weights(chosen)
        held_out = logits, *given
    return decision.for_several(
        source.labels, (asked.thresholds, asked.precision), "validation", held_out
    )
