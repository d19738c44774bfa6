"""Batches read ahead of the network that they are for."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import hardware
from tfpipeline.data.decode import Graph

# Decoded images that wait, in bytes: they are read while a network is traced, when
# nothing else asks for the other cores. Twice as many were hardly faster, and were seen
# in the peak memory.
BYTES = 2**25

# Batches that wait for the network as it takes them.
_READY = 2


def read_ahead(
    rows: tf.data.Dataset,
    read: Callable[..., Any],
    change: Callable[..., Any],
    size: int,
) -> tf.data.Dataset:
    """Return what becomes of some rows, computed before it is asked for.

    A call reads a whole batch: the fewest calls into Python. More calls than cores were
    measured to hold up the network that the batches are for.

    All numbers are given, and TensorFlow's own tuner of them is turned off: at the end
    of a pass its thread was waited for, about every other time, until it next looked,
    so that what was done after 6 seconds took 10.
    """
    plain, calls = tf.autograph.experimental.do_not_convert, hardware.cores()
    images = rows.map(plain(read), num_parallel_calls=calls)
    images = images.prefetch(max(1, BYTES // size))
    batches = images.map(plain(change), num_parallel_calls=calls).prefetch(_READY)
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


@functools.lru_cache(maxsize=16)
def unchanged(graph: Graph, count: int) -> Callable[..., tf.data.Dataset]:
    """Return what makes unchanged batches of so many images of any files.

    It is traced once: that takes a third of a second, and TensorFlow keeps what it has
    traced until the process ends.
    """

    def change(images: tf.Tensor, *others: tf.Tensor) -> tuple[Any, ...]:
        return tf.cast(images, tf.float32) / 255, *others

    def batches(number: tf.Tensor, *parts: tf.Tensor) -> tf.data.Dataset:
        def read(indices: tf.Tensor, *others: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return graph(number, indices), *others

        rows = tf.data.Dataset.from_tensor_slices(parts)
        return read_ahead(rows, read, change, 3 * count * graph.height * graph.width)

    traced = tf.function(batches, autograph=False)

    def begin(number: int, *parts: np.ndarray) -> tf.data.Dataset:
        # Any number of rows is one trace.
        specs = [tf.TensorSpec((None, *p.shape[1:]), p.dtype) for p in parts]
        with tf.device("CPU:0"):
            call = traced.get_concrete_function(tf.TensorSpec((), tf.int64), *specs)
            return call(tf.constant(number, tf.int64), *map(tf.constant, parts))

    return begin
