"""Batches read ahead of the network that they are for."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfpipeline.core import hardware

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
