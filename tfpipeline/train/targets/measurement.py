"""A network of several labels or of a number, measured."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples, first_unseen
from tfpipeline.data.sources.base import Source
from tfpipeline.metrics import decision, target_metrics
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.targets import calibration, conformal
from tfpipeline.train.course import Course
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
    """Images that the networks which answered them did not learn, equal ones once.

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
    group = course.work.settings.data.group
    return split_metrics(examples, course.logits, course.decision, group)


def split_metrics(
    examples: Examples, logits: Mapping[str, np.ndarray], decision: Decision, group: str
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each split, with intervals by groups and copies."""
    result, names = {}, examples.together(group)
    for split, outputs in logits.items():
        given = examples, examples.of(split), outputs
        result[split] = metrics(*given, decision, names)
    return result


def metrics(
    examples: Examples,
    chosen: np.ndarray,
    outputs: np.ndarray,
    decision: Decision,
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the metrics of some examples; `names` are the groups of all of them."""
    return target_metrics.measure(
        *(decision, outputs, examples.truth(chosen)),
        *(examples.weights(chosen), [names[i] for i in chosen]),
    )


def held_out(course: Course) -> HeldOut:
    """Return the images by which answers are chosen; more of them with folds."""
    examples = course.work.examples
    if course.out_of_fold is not None:
        assert course.folds is not None
        return out_of_fold(examples, course.out_of_fold, course.folds)
    return validation(examples, course.logits.get("validation"))


def validation(examples: Examples, outputs: np.ndarray | None) -> HeldOut:
    """Return validation images without those of which training has an equal file.

    What a network has learned by heart would make its intervals too narrow.
    """
    chosen = examples.of("validation")
    if outputs is None:
        outputs = np.zeros((len(chosen), len(examples.source.labels)), np.float32)
    seen = {examples.keys[i] for i in examples.of("train")}
    once = first_unseen([examples.keys[i] for i in chosen], seen)
    return HeldOut("validation", chosen[once], outputs[once])


def out_of_fold(examples: Examples, outputs: np.ndarray, fold: np.ndarray) -> HeldOut:
    """Return training images without those of which another fold has an equal file.

    Args:
        examples: Of the run.
        outputs: Of each training image, by the network that it was held out from.
        fold: Of each, shape (n,).
    """
    chosen = examples.of("train")
    digests = [examples.keys[i] for i in chosen]
    of: dict[str, set[int]] = {}
    for digest, number in zip(digests, fold.tolist()):
        of.setdefault(digest, set()).add(number)
    seen = {digest for digest, numbers in of.items() if len(numbers) > 1}
    once = first_unseen(digests, seen)
    return HeldOut("out-of-fold", chosen[once], outputs[once])


def calibrate(examples: Examples, given: HeldOut) -> Calibration:
    """Return the temperature of several labels; a number has none."""
    why = NO_ABSTENTION[examples.source.target]
    if examples.source.target == targets.NUMBER:
        return Calibration(reason=why)
    own = given.outputs, examples.truth(given.chosen)
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
        error = np.float64(given.outputs[:, 0]) - truth[:, 0]
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
