"""A network of several labels or of a number, measured."""

from typing import Any, NamedTuple

import numpy as np

from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources.base import Source
from tfpipeline.metrics import decision, target_metrics
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.targets import calibration, conformal
from tfpipeline.train.stages import Course
from tfpipeline.train.targets import scaling

# Why nothing is said of abstention, and what there is instead.
NO_ABSTENTION = {
    targets.MULTI: "abstention is not defined for --data.target multi: each class has "
    "a threshold of its own, in target.json",
    targets.NUMBER: "calibration and abstention are not defined for --data.target "
    "number: target.json has an interval of each prediction, and metrics.json the "
    "error and its interval",
}


class HeldOut(NamedTuple):
    """Images that the networks which answered them did not learn.

    Args:
        name: What they are called.
        chosen: Their indices.
        outputs: Of the network, or of those of the folds, shape (n, k).
    """

    name: str
    chosen: np.ndarray
    outputs: np.ndarray


def measure(course: Course) -> dict[str, dict[str, Any]]:
    """Return the metrics of the splits with logits; what answers need is chosen before.

    That is temperature and thresholds, or the interval of a number. They are chosen on
    validation images, which are therefore measured too well, or with folds on the
    training images, out of fold.
    """
    examples = course.work.examples
    given, asked = held_out(course), course.work.settings.calibration
    course.calibration = calibrate(examples, given)
    own = scaling.unit_of(course.work.model), course.calibration.temperature
    course.decision = decide(examples, given, asked, *own)
    names = examples.together(course.work.settings.data.group)
    result = {}
    for split, outputs in course.logits.items():
        chosen = examples.of(split)
        result[split] = target_metrics.measure(
            *(course.decision, outputs, examples.truth(chosen)),
            *(examples.weights(chosen), [names[i] for i in chosen]),
        )
    return result


def held_out(course: Course) -> HeldOut:
    """Return the images by which answers are chosen; more of them with folds."""
    examples = course.work.examples
    if course.out_of_fold is not None:
        return HeldOut("out-of-fold", examples.of("train"), course.out_of_fold)
    chosen = examples.of("validation")
    empty = np.zeros((0, len(examples.source.labels)), np.float32)
    return HeldOut("validation", chosen, course.logits.get("validation", empty))


def calibrate(examples: Examples, given: HeldOut) -> Calibration:
    """Return the temperature of several labels; equal files are counted once."""
    why = NO_ABSTENTION[examples.source.target]
    if examples.source.target == targets.NUMBER:
        return Calibration(reason=why)
    once = examples.distinct(given.chosen)
    own = given.outputs[once], examples.truth(given.chosen)[once]
    return calibration.calibrate(*own, given.name, why)


def of_classes(source: Source) -> Decision:
    """Return what is known of a network of single classes, or of shares of them."""
    if source.target == targets.SINGLE:
        return Decision()
    return Decision(source.target, source.labels)


def decide(
    examples: Examples,
    given: HeldOut,
    asked: CalibrationSettings,
    unit: tuple[float, float] | None,
    temperature: float = 1.0,
) -> Decision:
    """Return what turns the outputs of a trained network into answers.

    Args:
        examples: Of the run.
        given: Images that choose the thresholds, or the interval.
        asked: By what.
        unit: Of a number, the mean and the standard deviation of those trained on.
        temperature: Of several labels, by which their logits are divided.
    """
    source, truth = examples.source, examples.truth(given.chosen)
    if source.target == targets.NUMBER:
        once = examples.distinct(given.chosen)
        error = np.float64(given.outputs[once, 0]) - truth[once, 0]
        half = conformal.half_width(error, asked.coverage)
        why = ""
        if half is None:
            why = conformal.reason(len(error), asked.coverage, given.name)
        mean, deviation = unit or (0.0, 1.0)
        return Decision(
            *(source.target, source.labels),
            split=given.name if len(error) else "",
            mean=mean,
            deviation=deviation,
            half_width=half,
            coverage=asked.coverage,
            n=len(error),
            reason=why,
        )
    held = given.outputs, truth, examples.weights(given.chosen)
    return decision.for_several(
        *(source.labels, (asked.thresholds, asked.precision), given.name),
        held if len(given.chosen) else None,
        temperature,
    )
