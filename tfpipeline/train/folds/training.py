"""Every training image, predicted by a classifier that did not train on it.

The training images are divided into folds. For each a classifier is trained as the
run's own is, on the other folds, and asked about that one.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import distribute
from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.metrics import classification, epoch_metrics, folds
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.targets import folds as target_folds
from tfpipeline.models.inference import Predictor
from tfpipeline.report import target_report
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.course import Course
from tfpipeline.train.folds.division import Folds, learning
from tfpipeline.train.setup import Work
from tfpipeline.train.targets import scaling
from tfpipeline.train.weight_averaging import arrays_of, assign

HEADER = (
    *("id", "fold", "label", "predicted", "probability", "probability_of_label"),
    "loss",
)

# The split of the images that are held out, and the stage of a fold that is done.
_HELD_OUT, _DONE = "fold", "done"

# A fold that took longer is not to be trained again where a later one is interrupted.
_WORTH_SECONDS = 20.0


def run(course: Course, given: Folds) -> np.ndarray:
    """Return the logits of the training images, each by what it was held out from.

    The run's own classifier is as before afterwards.

    Returns:
        float32, shape (training images, classes), in the order of the source.
    """
    work, kept = course.work, course.checkpoints
    assert course.task is not None
    predictor: Predictor | None = None
    variables, unit = learning(work), scaling.unit_of(work.model)
    final = arrays_of(variables)
    chosen = work.examples.of("train")
    parts: dict[int, np.ndarray] = {}
    for number in range(1, given.count + 1):
        held_out = np.flatnonzero(given.fold == number)
        own = _checkpoints(kept, number, work)
        with distribute.chief_first(work.strategy):
            state = own.load()
        if state is not None and state.values["stage"] == _DONE:
            parts[number] = state.arrays["logits"][0]
            continue
        started = time.monotonic()
        assign(variables, given.start)
        _train(course, held_out, own, state)
        if predictor is None or unit is not None:
            # The unit of a number, that of what was trained on, is traced with it.
            predictor = Predictor(course.task.inference, work.strategy, shared=True)
        parts[number] = course.task.inputs.outputs(predictor, held_out, None)
        if time.monotonic() - started > _WORTH_SECONDS:
            size = work.settings.data.batch_size
            values = {"stage": _DONE, "batch_size": size}
            own.save(State(values, {"logits": [parts[number]]}))
        _note(work, number, given.count, held_out, parts[number])
    assign(variables, final)
    scaling.set_unit(work.model, unit)
    classes = len(work.examples.source.labels)
    logits = np.empty((len(work.examples.source), classes), np.float32)
    for number, part in parts.items():
        logits[given.fold == number] = part
    return logits[chosen]


def _checkpoints(kept: Checkpoints, number: int, work: Work) -> Checkpoints:
    folder: Path = kept.folder / f"fold-{number}"
    identity = {**kept.identity, "the fold": str(number)}
    return Checkpoints(folder, kept.settings, identity, writes=work.chief)


def discard_others(kept: Checkpoints, given: Folds, work: Work) -> None:
    """Remove the checkpoints of folds that another training has left.

    They would be refused, after the run's own training, which has none that tells.
    """
    size = work.settings.data.batch_size
    for number in range(1, given.count + 1):
        own = _checkpoints(kept, number, work)
        state = own.load(anew=True)
        if state is not None and state.values.get("batch_size", size) != size:
            own.clear()


def _train(
    course: Course, held_out: np.ndarray, kept: Checkpoints, state: State | None
) -> None:
    """Train as the run did, without what is held out."""
    split = course.work.examples.split.copy()
    split[held_out] = _HELD_OUT
    examples = dataclasses.replace(course.work.examples, split=split)
    work = dataclasses.replace(course.work, examples=examples)
    # Not even the mean of what is held out is known.
    scaling.set_unit(work.model, scaling.of_examples(examples))
    own = Course(work, course.cache, kept, state, logs=False)
    # Features and images are the same, whatever is trained on them.
    own.task = course.first
    if own.task is None:
        own.extract()
    own.train_head()
    if work.settings.fine_tune.epochs:
        own.fine_tune()


def _note(
    work: Work, number: int, count: int, held_out: np.ndarray, logits: np.ndarray
) -> None:
    if work.chief:
        source = work.examples.source
        truth = work.examples.truth(held_out)
        metrics = epoch_metrics.watched(
            *(epoch_metrics.Loss(target=source.target), logits, truth),
            work.examples.weights(held_out),
        )
        name, words, form = {
            targets.MULTI: ("mAP", "mAP", ".3f"),
            targets.NUMBER: ("mae", "MAE", ".4g"),
        }.get(source.target, ("accuracy", "accuracy", ".3f"))
        console.note(
            f"fold {number} of {count}: {words} {metrics[name]:{form}} on "
            f"{len(held_out)} images"
        )


def summary(work: Work, given: Folds, logits: np.ndarray) -> dict[str, Any]:
    """Return what `metrics.json` has of the folds.

    See `metrics.folds.summarize` and `metrics.targets.folds.summarize`.
    """
    examples, source = work.examples, work.examples.source
    chosen = examples.of("train")
    together = examples.together(work.settings.data.group)
    own = [together[i] for i in chosen], examples.weights(chosen)
    fold = given.fold[chosen]
    if source.target in targets.CLASSES:
        return folds.summarize(logits, source.label[chosen], fold, *own)
    how, asked = work.settings.calibration, None
    if source.target == targets.MULTI:
        asked = how.thresholds, how.precision
    answered = logits, examples.truth(chosen)
    return target_folds.summarize(source.labels, answered, fold, *own, asked)


def header(decision: Decision) -> tuple[str, ...]:
    """Return the columns of `out_of_fold.csv`."""
    if decision.target in targets.CLASSES:
        return HEADER
    names = [n for n in target_report.header(decision) if n not in ("id", "split")]
    return ("id", "fold", *names)


def rows(
    work: Work, given: Folds, logits: np.ndarray, decision: Decision
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `out_of_fold.csv`, in the order of the source."""
    source, chosen = work.examples.source, work.examples.of("train")
    if source.target not in targets.CLASSES:
        answers = target_report.answers(work.examples, chosen, logits, decision)
        for i, cells in zip(chosen.tolist(), answers.cells):
            yield (source.ids[i], int(given.fold[i]), *cells)
        return
    for i, own in zip(chosen.tolist(), logits):
        chance = classification.probabilities(own[None])[0]
        best, true = int(own.argmax()), chance[source.label[i]]
        loss = -classification.log_probabilities(own[None])[0, source.label[i]]
        names = (source.labels[source.label[i]], source.labels[best])
        numbers = (f"{value:.6g}" for value in (chance[best], true, loss))
        yield (source.ids[i], int(given.fold[i]), *names, *numbers)
