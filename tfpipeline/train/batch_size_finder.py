"""The largest batch that a machine gains by, found by trying."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.core import hardware
from tfpipeline.core.errors import UserError

# Larger batches learn worse at the usual rates, and no machine gains much by them.
MOST = 256

# A batch of twice the size has to bring this much more images a second.
_GAIN = 1.05

# Share of the free memory that a step may take on a CPU.
_MEMORY_SHARE = 0.5

_ROUNDS = 3


def largest_batch(
    network: keras.Model, strategy: tf.distribute.Strategy, *, most: int, learns: bool
) -> int:
    """Return the batch size up to which doubling it makes steps faster per image.

    It is a power of two times the number of replicas, at most `most`. `learns` tells
    whether gradients go through the network, from images to features, as well.
    """
    size = int(strategy.num_replicas_in_sync)
    best, best_rate = 0, 0.0
    while size <= most:
        before = hardware.resident()
        try:
            rate = images_per_second(network, strategy, size, learns)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            break
        if best and rate < best_rate * _GAIN:
            break
        best, best_rate = size, rate
        taken = max(0, hardware.resident() - before)
        if taken * 3 > hardware.free() * _MEMORY_SHARE:
            break
        size *= 2
    if not best:
        raise too_little_memory()
    return best


def too_little_memory() -> UserError:
    """Return the error where not even the smallest batch fits the device."""
    return UserError(
        "--data.batch_size auto: the device has too little memory for a single "
        "image. Lower --model.image_size, or choose a smaller --model.backbone."
    )


def images_per_second(
    network: keras.Model, strategy: tf.distribute.Strategy, size: int, learns: bool
) -> float:
    """Return how many images a second a network computes at best."""
    images = np.zeros((size, *network.input_shape[1:]), np.float32)
    weights = [variable.value for variable in network.weights]

    def step(x: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if learns:
                tape.watch(weights)
            total = tf.reduce_sum(network(x, training=False))
        if not learns:
            return total
        gradients = [g for g in tape.gradient(total, weights) if g is not None]
        return tf.add_n([tf.reduce_sum(tf.abs(gradient)) for gradient in gradients])

    run = tf.function(lambda x: strategy.run(step, args=(x,)), autograph=False)
    (parts,) = distribute.split(strategy, (images,))
    seconds = []
    for _ in range(_ROUNDS + 1):
        started = time.perf_counter()
        for value in strategy.experimental_local_results(run(parts)):
            np.asarray(value)
        seconds.append(time.perf_counter() - started)
    # The first call traces.
    return size / min(seconds[1:])
