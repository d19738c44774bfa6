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
from tfpipeline.metrics import classification, folds
from tfpipeline.models.inference import Predictor
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.folds.division import Folds, learning
from tfpipeline.train.setup import Work
from tfpipeline.train.stages import Course
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
    predictor = Predictor(course.task.inference, work.strategy, shared=True)
    variables = learning(work)
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
        batches = course.task.inputs.batches(held_out)
        parts[number] = predictor.all(batches, len(held_out), None)
        if time.monotonic() - started > _WORTH_SECONDS:
            size = work.settings.data.batch_size
            values = {"stage": _DONE, "batch_size": size}
            own.save(State(values, {"logits": [parts[number]]}))
        _note(work, number, given.count, held_out, parts[number])
    assign(variables, final)
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
        examples = work.examples
        label, weight = examples.source.label[held_out], examples.weights(held_out)
        metrics = classification.loss_and_accuracy(logits, label, weight)
        console.note(
            f"fold {number} of {count}: accuracy {metrics['accuracy']:.3f} on "
            f"{len(held_out)} images"
        )


def summary(work: Work, given: Folds, logits: np.ndarray) -> dict[str, Any]:
    """Return what `metrics.json` has of the folds; see `metrics.folds.summarize`."""
    examples = work.examples
    chosen = examples.of("train")
    together = examples.together(work.settings.data.group)
    return folds.summarize(
        logits,
        examples.source.label[chosen],
        given.fold[chosen],
        [together[i] for i in chosen],
        examples.weights(chosen),
    )


def rows(work: Work, given: Folds, logits: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `out_of_fold.csv`, in the order of the source."""
    source = work.examples.source
    for i, own in zip(work.examples.of("train").tolist(), logits):
        chance = classification.probabilities(own[None])[0]
        best, true = int(own.argmax()), chance[source.label[i]]
        loss = -classification.log_probabilities(own[None])[0, source.label[i]]
        names = (source.labels[source.label[i]], source.labels[best])
        numbers = (f"{value:.6g}" for value in (chance[best], true, loss))
        yield (source.ids[i], int(given.fold[i]), *names, *numbers)
