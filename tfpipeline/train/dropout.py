"""Dropout that is a function of seed, step and place in the global batch alone.

Any number of replicas and workers then drops the same, and a training that goes on from
a checkpoint needs no state of a generator.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Philox, whose counter can be moved on: part of the global batch is drawn alone.
_PHILOX = 1


@dataclass(frozen=True, eq=False)
class Noise:
    """The draws of one step, for the part of the global batch that a replica has."""

    # int64, shape (2,): of the run and the step.
    seed: Any
    # int64 scalar: place of the part's first example.
    first_row: Any

    def kept(self, shape: tuple[Any, int], rate: float, number: int) -> Any:
        """Return 1 where dropout keeps a value and 0 elsewhere; float32 of the shape.

        Rates are met to a 65,536th; `number`, below 1000, tells a step's draws apart.
        """
        rows, width = shape
        # A count of Philox gives 128 bits, and a value takes 16: half the time of
        # drawing floats.
        calls = -(-width // 8)
        seed = tf.stack([self.seed[0] * 1000 + number, self.seed[1]])
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        skipped = tf.cast(self.first_row * calls, tf.uint64)
        counter += tf.stack([skipped, tf.zeros([], tf.uint64)])
        drawn = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=tf.stack([rows, calls * 4]),
            key=key,
            counter=counter,
            alg=_PHILOX,
            dtype=tf.int32,
        )
        values = tf.reshape(tf.bitcast(drawn, tf.int16), [rows, calls * 8])[:, :width]
        least = np.int16(min(round(rate * 2**16), 2**16 - 1) - 2**15)
        return tf.cast(values >= least, tf.float32)

    def signed(self, shape: Any) -> Any:
        """Return numbers in [-1, 1) for the images of the part."""
        first = tf.cast(self.first_row, tf.int64)
        rows = first + tf.range(tf.cast(shape[0], tf.int64))
        seeds = tf.stack([rows * 0 + self.seed[0] * 1000 + 999, rows * 65_536], 1)
        seeds += tf.stack([tf.zeros([], tf.int64), self.seed[1]])
        return tf.map_fn(
            lambda seed: tf.random.stateless_uniform(shape[1:], seed, -1.0, 1.0),
            seeds,
            fn_output_signature=tf.float32,
        )


def train_through(head: keras.Sequential, x: Any, noise: Noise) -> Any:
    """Return what a head makes of features in training: every dropout drawn by `noise`.

    Source: dropout, Srivastava et al., JMLR 15 (2014).
    """
    for number, layer in enumerate(head.layers):
        if isinstance(layer, keras.layers.Dropout):
            kept = noise.kept((tf.shape(x)[0], x.shape[1]), layer.rate, number)
            x = x * kept * (1 / (1 - layer.rate))
        else:
            x = layer(x, training=True)
    return x
