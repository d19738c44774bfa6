"""Reading ahead keeps the order and the errors, and holds no more than it may."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.core import hardware
from tfpipeline.data import read_ahead


def counted(size: int) -> tuple[tf.data.Dataset, list[int]]:
    """Return 64 batches, and what has been read of them; the one at 40 is bad."""
    found: list[int] = []
    lock = threading.Lock()

    def look(number: np.ndarray) -> np.ndarray:
        with lock:
            found.append(int(number))
        if number == 40:
            raise ValueError("bad")
        return number

    def read(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(look, [number], tf.int64), ())

    rows = tf.data.Dataset.range(64)
    return read_ahead.read_ahead(rows, read, lambda number: number * 2, size), found


@pytest.mark.parametrize("share", (1, 8, 1000))
def test_all_come_in_order_up_to_the_bad_one(share: int) -> None:
    batches, _ = counted(read_ahead.BYTES // share)
    some = []
    with pytest.raises(tf.errors.OpError, match="bad"):
        for number in batches:
            some.append(int(number))
    assert some == [2 * i for i in range(40)]


def test_no_more_waits_than_may() -> None:
    batches, found = counted(read_ahead.BYTES // 8)
    waiting = iter(batches)
    next(waiting)
    for _ in range(100):
        time.sleep(0.02)
        if len(found) >= 12:
            break
    time.sleep(0.2)
    # Eight decoded, two ready, one being asked for, and those in hand at either stage.
    assert 8 <= len(found) <= 1 + 8 + 2 + 3 * hardware.cores()


def test_tensorflows_tuner_is_off() -> None:
    batches, _ = counted(1)
    assert batches.options().autotune.enabled is False
