"""Optimizers by their names in the literature, each one a row."""

from collections.abc import Callable

import keras
import numpy as np

from tfpipeline.config import TrainSettings
from tfpipeline.errors import UserError, unknown

OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.Optimizer]] = {
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "adamw": lambda rate: keras.optimizers.AdamW(rate),
    "sgd": lambda rate: keras.optimizers.SGD(rate),
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate),
    "adagrad": lambda rate: keras.optimizers.Adagrad(rate),
}


CLASS_WEIGHTS = ("none", "balanced")


def class_weights(name: str, counts: np.ndarray) -> np.ndarray | None:
    """Return what an example of each class weighs in the loss.

    Args:
        name: `none`, or `balanced`: every class weighs the same as a whole.
        counts: Training images of each class, all positive, shape (classes,).

    Returns:
        float32, shape (classes,), whose mean over the examples is 1; None for `none`.
    """
    if name == "none":
        return None
    return np.asarray(counts.sum() / (len(counts) * counts), np.float32)


def check(settings: TrainSettings) -> None:
    """Refuse settings that cannot train, before any work is done.

    Args:
        settings: The section `train`.

    Raises:
        UserError: An unknown name or a number out of range.
    """
    if settings.optimizer not in OPTIMIZERS:
        raise unknown("--train.optimizer", settings.optimizer, OPTIMIZERS)
    if settings.class_weights not in CLASS_WEIGHTS:
        known = CLASS_WEIGHTS
        raise unknown("--train.class_weights", settings.class_weights, known)
    expected = {
        "epochs": ("a positive number", settings.epochs >= 1),
        "learning_rate": ("a positive number", settings.learning_rate > 0),
        "weight_decay": ("0 or more", settings.weight_decay >= 0),
        "label_smoothing": ("0 up to, but not, 1", 0 <= settings.label_smoothing < 1),
        "patience": (
            "null or a positive number",
            settings.patience is None or settings.patience >= 1,
        ),
    }
    for name, (words, fine) in expected.items():
        if not fine:
            raise UserError(
                f"--train.{name}: expected {words}. Received: "
                f"{getattr(settings, name)}."
            )


def build_optimizer(
    settings: TrainSettings, variables: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Return an optimizer, already built: inside a `tf.function` it is too late.

    Args:
        settings: The section `train`.
        variables: What it will change.

    Returns:
        A Keras optimizer with decoupled weight decay on kernels only.

    Raises:
        UserError: What `check` refuses.
    """
    check(settings)
    optimizer = OPTIMIZERS[settings.optimizer](settings.learning_rate)
    optimizer.weight_decay = settings.weight_decay or None
    if settings.weight_decay:
        # Decay of biases and normalisation parameters only hurts (arXiv:1706.05350).
        plain = [v for v in variables if len(v.shape) < 2]
        if plain:
            optimizer.exclude_from_weight_decay(var_list=plain)
    optimizer.build(variables)
    return optimizer
