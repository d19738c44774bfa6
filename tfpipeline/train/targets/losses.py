"""Losses by their names, and which of them fit which target."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import TrainSettings
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.metrics.epoch_metrics import Loss

AUTO = "auto"

# By target, the usual one first.
FITTING = {
    targets.SINGLE: ("cross_entropy", "focal"),
    targets.SOFT: ("cross_entropy", "focal"),
    targets.MULTI: ("bce", "focal"),
    targets.NUMBER: ("huber", "mse"),
}
LOSSES = (AUTO, *dict.fromkeys(name for names in FITTING.values() for name in names))


def check(settings: TrainSettings, target: str | None) -> None:
    """Refuse a loss that nobody knows, or that does not fit a target that is known."""
    if settings.loss not in LOSSES:
        raise unknown("--train.loss", settings.loss, LOSSES)
    if settings.focal_gamma < 0:
        raise UserError(
            "--train.focal_gamma: expected 0 or more. Received: "
            f"{settings.focal_gamma:g}."
        )
    if target is not None and settings.loss not in (AUTO, *FITTING[target]):
        raise targets.undefined(
            *(target, f"--train.loss {settings.loss}"),
            f"Say {' or '.join(FITTING[target])}, or auto.",
        )


def choose(settings: TrainSettings, target: str, scale: float) -> Loss:
    """Return the loss of the settings for a target."""
    check(settings, target)
    name = FITTING[target][0] if settings.loss == AUTO else settings.loss
    return Loss(name, target, settings.focal_gamma, scale)


def function(
    loss: Loss, label_smoothing: float, class_weights: np.ndarray | None
) -> Callable[[Any, Any], Any]:
    """Return what gives the loss of each example, from targets and logits.

    Args:
        loss: Which one.
        label_smoothing: Share of the target that is spread over the answers.
        class_weights: Of several labels: what each class weighs where it is there and
            where it is not, shape (2, classes).
    """
    if loss.target == targets.NUMBER:
        return _of_numbers(loss)
    if loss.target == targets.MULTI:
        return _of_several(loss, label_smoothing, class_weights)
    if loss.name == "cross_entropy":
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction="none"
        )

    def focal(target: Any, logits: Any) -> Any:
        share = label_smoothing / logits.shape[-1]
        target = target * (1 - label_smoothing) + share
        logs = tf.nn.log_softmax(logits)
        easy = tf.pow(1 - tf.exp(logs), loss.gamma)
        return -tf.reduce_sum(target * easy * logs, axis=1)

    return focal


def _of_several(
    loss: Loss, label_smoothing: float, class_weights: np.ndarray | None
) -> Callable[[Any, Any], Any]:
    """Return the mean over classes; focal: Lin et al., arXiv:1708.02002."""

    def of_each(target: Any, logits: Any) -> Any:
        smooth = target * (1 - label_smoothing) + label_smoothing / 2
        there, gone = smooth, 1 - smooth
        if loss.name == "focal":
            chance = tf.sigmoid(logits)
            there *= tf.pow(1 - chance, loss.gamma)
            gone *= tf.pow(chance, loss.gamma)
        if class_weights is not None:
            there, gone = there * class_weights[0], gone * class_weights[1]
        # The logarithms of the sigmoid and of what it lacks to 1, without overflow.
        each = there * tf.nn.softplus(-logits) + gone * tf.nn.softplus(logits)
        return tf.reduce_mean(each, axis=1)

    return of_each


def _of_numbers(loss: Loss) -> Callable[[Any, Any], Any]:
    def of_each(target: Any, numbers: Any) -> Any:
        error = (numbers - target)[:, 0] / loss.scale
        if loss.name == "mse":
            return tf.square(error)
        size = tf.abs(error)
        return tf.where(size <= 1, 0.5 * tf.square(error), size - 0.5)

    return of_each
