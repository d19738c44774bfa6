"""In which unit a number is learned, and what classes weigh."""

import keras
import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources import label_checks
from tfpipeline.metrics import weights
from tfpipeline.models import classifier
from tfpipeline.train import optimizers


def of_examples(examples: Examples) -> tuple[float, float] | None:
    """Return mean and standard deviation of the training numbers; None of classes.

    By these the head is scaled: it learns at the rates that suit a standardised number,
    and the saved network answers in the user's unit.
    """
    if examples.source.target != targets.NUMBER:
        return None
    chosen = examples.of("train")
    numbers = examples.truth(chosen)[:, 0].astype(np.float64)
    given = examples.weights(chosen)
    # A weight of 2 is the same row twice, to the last bit.
    rows, each = (slice(None), None) if given is None else weights.spread(given)
    mean = float(np.average(numbers[rows], weights=each))
    # Where all are equal, there is nothing to learn but their value.
    return mean, label_checks.deviation(numbers[rows], each) or 1.0


def unit_of(model: keras.Model) -> tuple[float, float] | None:
    """Return mean and standard deviation that a network of numbers has inside."""
    last = model.get_layer(classifier.HEAD).layers[-1]
    if not isinstance(last, keras.layers.Rescaling):
        return None
    return float(last.offset), float(last.scale)


def set_unit(model: keras.Model, unit: tuple[float, float] | None) -> None:
    """Give a network of numbers another mean and standard deviation, if there is one.

    What has been traced before keeps the old ones.
    """
    if unit is not None:
        last = model.get_layer(classifier.HEAD).layers[-1]
        last.offset, last.scale = unit


def deviation_of(model: keras.Model) -> float:
    """Return by what errors of a number are divided in the loss; 1 of classes."""
    return (unit_of(model) or (0.0, 1.0))[1]


def class_weights(name: str, examples: Examples) -> np.ndarray | None:
    """Return what classes weigh, float32, or None.

    One class an example: shape (classes,). Several: shape (2, classes), of images that
    have a class and of those that do not; with `balanced` both weigh the same.
    """
    mass = examples.mass()
    if examples.source.target != targets.MULTI:
        return optimizers.class_weights(name, mass)
    if name == "none":
        return None
    chosen = examples.of("train")
    given = examples.weights(chosen)
    total = float(len(chosen) if given is None else given.sum())
    both = np.stack([mass, total - mass])
    there = (both > 0).all(axis=0)
    each = np.divide(total / 2, both, out=np.ones_like(both), where=there)
    return each.astype(np.float32)
