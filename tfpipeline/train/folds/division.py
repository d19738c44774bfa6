"""Which training images are held out together, and what a training starts from."""

from dataclasses import dataclass

import keras
import numpy as np

from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources.base import Source
from tfpipeline.models import classifier
from tfpipeline.train.setup import Work
from tfpipeline.train.weight_averaging import arrays_of

FLAG = "--data.folds"


@dataclass(frozen=True)
class Folds:
    """Folds of the training images, and the weights that each training starts from."""

    # Of each example, from 1; 0 where it is no training image.
    fold: np.ndarray
    start: list[np.ndarray]

    @property
    def count(self) -> int:
        """Number of folds."""
        return int(self.fold.max())


def divide(work: Work) -> Folds | None:
    """Divide the training images, before anything is trained; None without folds."""
    count, examples = work.settings.data.folds, work.examples
    if not count:
        return None
    chosen = examples.of("train")
    group = np.array(examples.together(work.settings.data.group))[chosen]
    if len(np.unique(group)) < count:
        raise UserError(
            f"{FLAG} {count}: expected as many groups of training images, or more. "
            f"Received: {len(np.unique(group))}. Say {FLAG} "
            f"{max(2, len(np.unique(group)))} or less, or group by something finer."
        )
    fold = np.zeros(len(examples.source), np.int64)
    shares, seed = [1 / count] * count, work.settings.seed
    fold[chosen] = 1 + splits.divide(examples.source, chosen, group, shares, seed)
    if work.chief:
        _announce(work, examples, fold, count)
    return Folds(fold, arrays_of(learning(work)))


def _announce(work: Work, examples: Examples, fold: np.ndarray, count: int) -> None:
    """Say what folds will cost, and which classes are in one fold alone."""
    own, train = work.settings.fine_tune.epochs, work.settings.train
    what = "a head on the same features each"
    if own or train.from_scratch:
        what = f"each as long as the training itself: {count + 1} times its time in all"
    elif work.settings.data.augmentation != "none" and not work.settings.data.views:
        what = f"each through the whole network: {count + 1} times the time in all"
    console.note(f"{count} folds: {count} more trainings, {what}")
    source = examples.source
    names, what = source.labels, "classes"
    if source.target == targets.NUMBER:
        names, what = source.strata, f"ranges of {source.labels[0]!r}"
    alone = [
        name
        for index, name in enumerate(names)
        if len(np.unique(fold[_having(source, index) & (fold > 0)])) == 1
    ]
    if alone:
        console.warn(
            f"{FLAG} {count}: the images of {len(alone)} of {len(names)} {what} are "
            f"in one fold alone, because of their groups, e.g. {alone[0]!r}: the head "
            f"that predicts them has never seen "
            f"{'such numbers' if source.target == targets.NUMBER else 'that class'}."
        )


def _having(source: Source, index: int) -> np.ndarray:
    """Return which examples have a class, or lie in a range of a number, bool (n,)."""
    if source.target == targets.MULTI and source.values is not None:
        return np.asarray(source.values[:, index] > 0.5)
    return np.asarray(source.label == index)


def learning(work: Work) -> list[keras.Variable]:
    """Return the variables that a training changes."""
    settings = work.settings
    if settings.fine_tune.epochs or settings.train.from_scratch:
        return list(work.model.weights)
    return list(classifier.split_classifier(work.model)[1].weights)
