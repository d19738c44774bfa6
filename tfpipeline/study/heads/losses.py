"""Gradients of the loss of each target by what heads answer, and a number's unit."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import target as targets


def slope(
    target: str, answers: Any, wanted: Any, smoothing: np.ndarray, axis: int
) -> Any:
    """Return the gradient of each head's loss by its answers.

    Of classes that is the cross-entropy; of several labels the sum of the binary ones;
    of a number, in standard deviations, Huber's loss, for which nothing is smoothed.

    Args:
        target: What is learned.
        answers: Of heads, with classes along `axis`.
        wanted: What is true, of the same shape or one that broadcasts to it.
        smoothing: The share of what is true that is spread over all answers.
        axis: Not the last one: sums over others are several times as quick.
    """
    if target == targets.NUMBER:
        return tf.clip_by_value(answers - wanted, -1.0, 1.0)
    if target == targets.MULTI:
        return tf.sigmoid(answers) - (wanted * (1 - smoothing) + smoothing / 2)
    raised = tf.exp(answers - tf.reduce_max(answers, axis=axis, keepdims=True))
    chance = raised / tf.reduce_sum(raised, axis=axis, keepdims=True)
    return chance - (wanted * (1 - smoothing) + smoothing / answers.shape[axis])


def unit(numbers: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation; 1 where all are equal, as `train` has it."""
    exact = np.asarray(numbers, np.float64)
    return float(exact.mean()), float(exact.std()) or 1.0
