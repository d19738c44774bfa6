"""Optimizers by their names in the literature, each one a row."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import TrainSettings
from tfpipeline.core.errors import check_each, unknown
from tfpipeline.train import schedules

OPTIMIZERS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, Any]]] = {
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {}),
    "sgd": (keras.optimizers.SGD, {}),
    "momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    "nesterov": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (keras.optimizers.RMSprop, {}),
    "adagrad": (keras.optimizers.Adagrad, {}),
}

# What AdamW decays by where the user names nothing: the default of Keras.
ADAMW_DECAY = 0.004


def class_weights(name: str, counts: np.ndarray) -> np.ndarray | None:
    """Return what an example of each class weighs, by the examples of each, or None.

    With `balanced` every class that is there weighs the same as a whole; the mean
    weight of an example is 1. Others, as without a fold that has one alone, have 0.
    """
    if name == "none":
        return None
    present = counts > 0
    each = counts.sum() / (max(1, present.sum()) * np.where(present, counts, 1))
    return np.where(present, each, 0).astype(np.float32)


def check(settings: TrainSettings, prefix: str = "train") -> None:
    """Refuse settings that cannot train, before any work is done."""
    known = {
        "optimizer": OPTIMIZERS,
        "class_weights": ("none", "balanced"),
        "averaging": ("none", "ema", "swa"),
        "on_nan": ("stop", "roll_back"),
        "schedule": schedules.SCHEDULES,
    }
    for name, table in known.items():
        if getattr(settings, name) not in table:
            raise unknown(f"--{prefix}.{name}", getattr(settings, name), table)
    rate, decay = settings.learning_rate, settings.weight_decay
    epochs, warmup = settings.epochs, settings.warmup_epochs
    momentum, share = settings.ema_momentum, "0 up to, but not, 1"
    expected = {
        "epochs": ("a positive number", epochs >= 1),
        "warmup_epochs": (
            f"0 or more, and fewer than the {epochs} epochs",
            0 <= warmup < epochs,
        ),
        "learning_rate": ("a positive number", rate == "auto" or float(rate) > 0),
        "weight_decay": ("null, or 0 or more", decay is None or decay >= 0),
        "label_smoothing": (share, 0 <= settings.label_smoothing < 1),
        "ema_momentum": (f"null, or {share}", momentum is None or 0 <= momentum < 1),
        "swa_from": (share, 0 <= settings.swa_from < 1),
        "decay": ("more than 0, at most 1", 0 < settings.decay <= 1),
        "plateau_patience": ("a positive number", settings.plateau_patience >= 1),
    }
    for name in ("clip_norm", "clip_value", "patience"):
        value = getattr(settings, name)
        expected[name] = ("null or a positive number", value is None or value > 0)
    check_each(prefix, settings, expected)


@functools.cache
def _layerwise(kind: Any) -> Any:
    """Return a kind of optimizer whose rate and decay differ between variables."""

    class Layerwise(kind):
        multipliers: keras.Variable | None = None
        decays: tuple[float, ...] = ()

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Change one variable at its own rate, and let its decay shrink it."""
            index = self._get_variable_index(variable)
            rate = tf.cast(learning_rate, variable.dtype)
            if self.multipliers is not None:
                own = tf.convert_to_tensor(self.multipliers)[index]
                rate *= tf.cast(own, variable.dtype)
            if self.decays[index]:
                variable.assign_sub(variable * rate * self.decays[index])
            super().update_step(gradient, variable, rate)

    return Layerwise


def build_optimizer(
    settings: TrainSettings,
    variables: Sequence[keras.Variable],
    multipliers: Sequence[float] | None = None,
    *,
    scale_loss: bool = False,
) -> keras.optimizers.Optimizer:
    """Return an optimizer, already built: inside a `tf.function` it is too late.

    Weight decay is decoupled and on kernels only: decay of biases and of normalisation
    only hurts (arXiv:1706.05350). With `multipliers` of the learning rate, one a
    variable, `set_multipliers` may change them later. `scale_loss` scales the loss up,
    so that gradients in float16 do not vanish (arXiv:1710.03740).
    """
    check(settings)
    kind: Any
    kind, options = OPTIMIZERS[settings.optimizer]
    rate = 1e-3 if settings.learning_rate == "auto" else settings.learning_rate
    if settings.averaging == "ema":
        assert settings.ema_momentum is not None
        options = {**options, "use_ema": True, "ema_momentum": settings.ema_momentum}
    optimizer = _layerwise(kind)(rate, **options)
    # `Layerwise` decays by itself, each variable at its own rate.
    optimizer.weight_decay = None
    decay = settings.weight_decay
    if decay is None:
        decay = ADAMW_DECAY if settings.optimizer == "adamw" else 0.0
    optimizer.decays = tuple(decay if len(v.shape) > 1 else 0.0 for v in variables)
    optimizer.build(list(variables))
    if multipliers is not None:
        optimizer.multipliers = optimizer.add_variable(
            (len(variables),), initializer="ones", name="multipliers"
        )
        set_multipliers(optimizer, multipliers)
    if not scale_loss:
        return optimizer
    scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    scaled.build(list(variables))
    return scaled


def set_multipliers(
    optimizer: keras.optimizers.Optimizer, multipliers: Sequence[float]
) -> None:
    """Change what the learning rate of each variable is multiplied by."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.multipliers.assign(np.asarray(multipliers, np.float32))
