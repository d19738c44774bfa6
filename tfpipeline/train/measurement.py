"""A trained classifier, measured: metrics, calibration, accuracy under attack."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline.attack.engine import robust_accuracy
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.train import CalibrationSettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples, first_unseen
from tfpipeline.metrics import (
    calibration,
    classification,
    novelty,
    target_metrics,
)
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import classifier, constant_weights, reference
from tfpipeline.models.inference import Predictor
from tfpipeline.models.reference import Reference
from tfpipeline.train.course import Course
from tfpipeline.train.inputs import CachedFeatures
from tfpipeline.train.setup import Work
from tfpipeline.train.targets import measurement as target_measurement

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
    if work.examples.source.target not in targets.CLASSES:
        return target_measurement.measure(course)
    course.decision = target_measurement.of_classes(work.examples.source)
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
    once more. Many images of many classes are skipped as well, and features in
    bfloat16. Every worker has to call it.
    """
    if course.out_of_fold is not None:
        course.logits["train"] = course.out_of_fold
        return
    examples = course.work.examples
    task = course.task
    if task is None or not isinstance(task.inputs, CachedFeatures):
        return
    if task.inputs.is_coarse:
        return
    count = len(examples.of("train")) * len(examples.source.labels)
    if 4 * count <= MOST_LOGITS:
        predictor = Predictor(task.inference, course.work.strategy, shared=True)
        _predict(course, predictor, "train", None)


def reference_of(course: Course) -> Reference | None:
    """Return features of the run's own images; None where none are to be kept.

    Those of a frozen backbone are in the cache; otherwise the images go through the
    trained network once more. Every worker has to call it.
    """
    work, task = course.work, course.task
    if not work.settings.train.reference or task is None:
        return None
    extractor, _ = classifier.split_classifier(work.model)
    examples, source = work.examples, work.examples.source
    every = {split: examples.of(split) for split in reference.SPLITS}
    most = reference.most_rows(extractor.output_shape[-1])
    parts = [
        reference.draw(
            *(of_split, source.label, most[split], work.settings.seed),
            balanced=split == "train",
        )
        for split, of_split in every.items()
    ]
    chosen = np.concatenate(parts)
    if isinstance(task.inputs, CachedFeatures):
        features = task.inputs.rows(chosen)
    else:
        predictor = Predictor(
            constant_weights.Frozen(extractor), work.strategy, shared=True
        )
        features = task.inputs.outputs(predictor, chosen, "reference")
    return Reference(
        features,
        [source.ids[i] for i in chosen],
        [str(source.paths[i].absolute()) for i in chosen],
        [source.said(i) for i in chosen.tolist()],
        examples.split[chosen].astype(str),
        [examples.keys[i] for i in chosen],
        {split: len(indices) for split, indices in every.items()},
    )


# Images whose features are looked at together, and those that are named.
_TOGETHER, _STRANGEST = 4096, 12


def novelty_of(course: Course, kept: Reference) -> tuple[Novelty, dict[str, Any]]:
    """Return what tells strange images, and what it says of the test images.

    It is fitted to the training images of the reference. The validation images choose
    its threshold: each once, and none of which training has an equal file.
    """
    train, held_out = kept.rows("train"), kept.rows("validation")
    label = None
    if course.work.examples.source.target in targets.CLASSES:
        _, label = np.unique([kept.label[i] for i in train], return_inverse=True)
    score = novelty.fit(kept.features[train], label)
    examples = course.work.examples
    seen = {examples.keys[i] for i in examples.of("train")}
    once = held_out[first_unseen([kept.digest[i] for i in held_out], seen)]
    settings = course.work.settings
    rng = np.random.default_rng([settings.seed, 3])
    head = classifier.split_classifier(course.work.model)[1]

    def parts(rows: np.ndarray) -> np.ndarray:
        starts = range(0, len(rows), _TOGETHER)
        chunks = [kept.features[rows[i : i + _TOGETHER]] for i in starts]
        pairs = [score.parts(x, head(x, training=False)) for x in chunks]
        columns = [np.stack(pair, axis=1) for pair in pairs]
        nothing = np.zeros((0, len(score.spreads)), np.float32)
        return np.concatenate([nothing, *columns])

    some = rng.permutation(train)[:_TOGETHER]
    given = parts(rng.permutation(once)), parts(some), settings.train.false_alarms
    score = novelty.calibrate(score, *given)
    return score, _strangers(course, score)


def _strangers(course: Course, score: Novelty) -> dict[str, Any]:
    """Return how many of the test images are known, and the strangest of the others."""
    work, task = course.work, course.task
    examples, source = work.examples, work.examples.source
    chosen = examples.of("test")
    if not len(chosen) or task is None:
        return {}
    extractor, head = classifier.split_classifier(work.model)
    if isinstance(task.inputs, CachedFeatures):
        order = task.inputs.visit(chosen)
        visited, starts = chosen[order], range(0, len(chosen), _TOGETHER)
        cached = (task.inputs.rows(visited[i : i + _TOGETHER]) for i in starts)
        found = [np.asarray(score(x, head(x, training=False))) for x in cached]
        values = np.concatenate(found)[np.argsort(order)]
    else:
        extract = constant_weights.Frozen(extractor)

        def forward(images: Any) -> Any:
            features = extract(images)
            return score(features, head(features, training=False))

        predictor = Predictor(forward, work.strategy)
        batches = work.alone.plain(chosen)
        values = predictor.all(batches, len(chosen), "novelty")
    knows = score.knows(values)
    strange = np.flatnonzero(~knows) if knows is not None else np.zeros(0, np.int64)
    worst = sorted(strange, key=lambda i: -values[i])[:_STRANGEST]
    rows = [
        {
            "id": source.ids[chosen[i]],
            "label": source.said(int(chosen[i])),
            "novelty": float(values[i]),
        }
        for i in worst
    ]
    return {"test": {**novelty.summary(score, values), "strangest": rows}}


def _predict(
    course: Course, predictor: Predictor, split: str, title: str | None
) -> None:
    assert course.task is not None
    chosen = course.work.examples.of(split)
    course.logits[split] = course.task.inputs.outputs(predictor, chosen, title)


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
    asked = settings.target_error, settings.confidence
    name = "out-of-fold" if split == "train" else split
    return calibration.calibrate(values, label, *asked, name)


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
        if examples.source.target == targets.SOFT:
            truth = examples.truth(chosen)
            metrics |= target_metrics.of_shares(values, truth, given)
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
