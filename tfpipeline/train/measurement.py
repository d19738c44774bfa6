"""A trained classifier, measured: metrics, calibration, accuracy under attack."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline.attack.engine import robust_accuracy
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.train import CalibrationSettings
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import calibration, classification
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.models import constant_weights
from tfpipeline.models.inference import Predictor
from tfpipeline.train.setup import Work
from tfpipeline.train.stages import Course

# Bytes of the training images' logits, at most: what is made of them takes some times
# as much, and a training is not to end for want of memory when all has been learned.
MOST_LOGITS = 2**31


def measure(course: Course) -> dict[str, dict[str, Any]]:
    """Return the metrics of the splits that the training did not learn from."""
    work, settings = course.work, course.work.settings
    assert course.task is not None
    predictor = Predictor(course.task.inference, work.strategy, shared=True)
    for split in ("test", "validation"):
        if len(work.examples.of(split)):
            _predict(course, predictor, split, split)
    by, logits = "validation", course.logits
    if course.out_of_fold is not None:
        # More images, and none that has chosen an epoch.
        by, logits = "train", {"train": course.out_of_fold}
    course.calibration = calibrate(work.examples, logits, settings.calibration, by)
    result = split_metrics(work.examples, course.logits, course.calibration)
    if settings.robust.method != "none":
        for split in result:
            result[split]["robust"] = _robust(work, work.examples.of(split))
    return result


def predict_training(course: Course) -> None:
    """Compute the logits of the training images too, where that costs no time.

    With folds, those are out of fold. Otherwise their features are on disk where the
    backbone is frozen; where it is not, each image would go through the whole network
    once more. Many images of many classes are skipped as well. Every worker has to call
    it.
    """
    if course.out_of_fold is not None:
        course.logits["train"] = course.out_of_fold
        return
    examples = course.work.examples
    task = course.task
    if task is None or task.fingerprint is None:
        return
    count = len(examples.of("train")) * len(examples.source.labels)
    if 4 * count <= MOST_LOGITS:
        predictor = Predictor(task.inference, course.work.strategy, shared=True)
        _predict(course, predictor, "train", None)


def _predict(
    course: Course, predictor: Predictor, split: str, title: str | None
) -> None:
    assert course.task is not None
    chosen = course.work.examples.of(split)
    batches = course.task.inputs.batches(chosen)
    course.logits[split] = predictor.all(batches, len(chosen), title)


def calibrate(
    examples: Examples,
    logits: Mapping[str, np.ndarray],
    settings: CalibrationSettings,
    split: str = "validation",
) -> Calibration:
    """Return the calibration of a classifier, by its logits of images not learned.

    Those of the split `train` have to be out of fold.
    """
    chosen, classes = examples.of(split), len(examples.source.labels)
    once = examples.distinct(chosen)
    values = logits.get(split, np.zeros((0, classes)))[once]
    label = examples.source.label[chosen][once]
    targets = settings.target_error, settings.confidence
    name = "out-of-fold" if split == "train" else split
    return calibration.calibrate(values, label, *targets, name)


def split_metrics(
    examples: Examples,
    logits: Mapping[str, np.ndarray],
    calibrated: Calibration | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each split, with those of the calibrated probabilities."""
    result = {}
    for split, values in logits.items():
        chosen = examples.of(split)
        label, names = examples.source.label[chosen], examples.source.labels
        given = examples.weights(chosen)
        metrics = classification.classification(values, label, names, given)
        if calibrated is not None:
            metrics["calibration"] = calibration.told(calibrated, values, label)
        result[split] = metrics
    return result


def _robust(work: Work, chosen: np.ndarray) -> dict[str, Any]:
    """Return the accuracy under attack, at the radius that was trained for."""
    radius = work.settings.robust.epsilon
    return robust_accuracy.measure(
        constant_weights.traced(work.model, work.model.input_shape[1:3]),
        work.alone.plain(chosen),
        AdversarySettings(attack="apgd", eight_bit=False),
        [Epsilon.parse(radius, "--robust.epsilon")],
        work.strategy,
        work.settings.seed,
    )
