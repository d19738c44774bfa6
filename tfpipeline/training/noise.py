"""Dropout that is a function of seed, step and place in the global batch alone.

Any number of replicas and workers then drops the same, and a training that goes on from
a checkpoint needs no state of a generator.
"""

from typing import Any

import keras
import tensorflow as tf

# Philox, whose counter can be moved on: part of the global batch is drawn alone.
_PHILOX = 1


class Noise:
    """The draws of one step, for the part of the global batch that a replica has.

    Args:
        seed: int64, shape (2,): of the run and the step.
        first_row: int64 scalar: place of the part's first example.
    """

    def __init__(self, seed: Any, first_row: Any) -> None:
        self.seed = seed
        self.first_row = first_row

    def uniform(self, shape: tuple[Any, int], number: int) -> Any:
        """Return draws from [0, 1).

        Args:
            shape: Examples of the part, and draws for each.
            number: Tells the draws of a step apart, below 1000.

        Returns:
            float32; the rows of the global batch, whatever part is asked for.
        """
        rows, width = shape
        # The counter stands for four draws at a time.
        calls = -(-width // 4)
        seed = tf.stack([self.seed[0] * 1000 + number, self.seed[1]])
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        skipped = tf.cast(self.first_row * calls, tf.uint64)
        counter += tf.stack([skipped, tf.zeros([], tf.uint64)])
        drawn = tf.raw_ops.StatelessRandomUniformV2(
            shape=tf.stack([rows, calls * 4]), key=key, counter=counter, alg=_PHILOX
        )
        return drawn[:, :width]


def train_through(head: keras.Sequential, x: Any, noise: Noise) -> Any:
    """Return what a head makes of features in training: every dropout drawn by `noise`.

    Args:
        head: Layers in a row.
        x: float32, shape (examples, width).
        noise: Of this step.

    Returns:
        Its output, shape (examples, classes).

    Source: dropout, Srivastava et al., JMLR 15 (2014).
    """
    for number, layer in enumerate(head.layers):
        if isinstance(layer, keras.layers.Dropout):
            drawn = noise.uniform((tf.shape(x)[0], x.shape[1]), number)
            x = tf.where(drawn < layer.rate, 0.0, x / (1 - layer.rate))
        else:
            x = layer(x, training=True)
    return x
