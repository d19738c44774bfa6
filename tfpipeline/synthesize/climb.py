"""How an ascent goes: so many steps, at which rate, by which optimizer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfpipeline.synthesize.parameterizations import Parameterization

# Those of Keras' optimizers whose `update_step` is all there is to a step.
OPTIMIZERS: dict[str, Callable[..., keras.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "lion": keras.optimizers.Lion,
}


@dataclass(frozen=True)
class Climb:
    """How an ascent goes.

    Args:
        steps: How many.
        learning_rate: A number, or a schedule of Keras.
        optimizer: One of `OPTIMIZERS`.
        views: How many differently transformed copies of each image make one step.
        seed: Of the transforms.
        fading: How much of its contrast an image loses in a step of learning rate 1:
            decoupled weight decay. Of waves, it is the prior that photographs have.
            Source: Loshchilov & Hutter, arXiv:1711.05101.
        every: Steps between two snapshots; 0 takes none.
    """

    steps: int
    learning_rate: Any = 0.05
    optimizer: str = "adam"
    views: int = 1
    seed: int = 0
    fading: float = 0.0
    every: int = 0


class Part:
    """The images of one replica: what is changed, and its optimizer.

    Plain variables, on the replica's own device, made outside of the strategy: there is
    nothing to be reduced over replicas, and `apply` of an optimizer would do that.
    """

    def __init__(self, changed: tf.Tensor, climb: Climb) -> None:
        with tf.device(changed.device):
            self.changed = keras.Variable(changed)
            self.optimizer = OPTIMIZERS[climb.optimizer](climb.learning_rate)
            self.optimizer.build([self.changed])

    def move(
        self, gradient: tf.Tensor, parameterization: Parameterization, fading: float
    ) -> None:
        """Take one step down a gradient."""
        optimizer = self.optimizer
        rate = tf.cast(optimizer.learning_rate, tf.float32)
        optimizer.update_step(gradient, self.changed, rate)
        optimizer.iterations.assign_add(1)
        moved = self.changed.value
        if fading:
            moved = parameterization.faded(moved, fading * rate)
        self.changed.assign(parameterization.project(moved))
