"""ROOM: choose a strategy, and hand each replica its part of a global batch."""

import ctypes
import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import DistributeSettings
from tfpipeline.errors import UserError, unknown

STRATEGIES = ("auto", "one_device", "mirrored")


def choose(settings: DistributeSettings) -> tf.distribute.Strategy:
    """Return the strategy that the settings ask for, on the devices that are there.

    Args:
        settings: The section `distribute`.

    Returns:
        A strategy; build the model and the optimizer under its `scope()`.

    Raises:
        UserError: An unknown name, or more devices than there are.
    """
    if settings.strategy not in STRATEGIES:
        raise unknown("--distribute.strategy", settings.strategy, STRATEGIES)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if settings.strategy == "one_device" or (
        settings.strategy == "auto" and len(gpus) <= 1
    ):
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    return _mirrored(tuple(_devices("GPU" if gpus else "CPU", settings.devices)))


@functools.lru_cache(maxsize=None)
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Return the one strategy of a process over some devices.

    Two such strategies would number their all-reduces alike, and TensorFlow would take
    the second one's for the first one's: a notebook that trains twice would fail.
    """
    return tf.distribute.MirroredStrategy(list(devices))


def start(
    settings: DistributeSettings, precision_name: str, seed: int
) -> tf.distribute.Strategy:
    """Choose the strategy, and set the precision and the seed of what is built next.

    Args:
        settings: The section `distribute`.
        precision_name: `auto`, or a policy of Keras; see `precision`.
        seed: Of Python, NumPy and TensorFlow, not negative.

    Returns:
        What `choose` does.

    Raises:
        UserError: A name or number out of range.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed: expected 0 up to 2**32 - 1. Received: {seed}.")
    strategy = choose(settings)
    if not tf.config.list_physical_devices("GPU"):
        keep_freed_memory()
    keras.mixed_precision.set_dtype_policy(precision(precision_name, strategy))
    keras.utils.set_random_seed(seed)
    return strategy


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones.

    The C library gives every large block back to the system, and each step of a network
    on a CPU then waits for the same pages to be mapped and zeroed again: a forward pass
    of MobileNetV2 was measured to be 1.3 to 2 times as fast without that. What the user
    has set by `MALLOC_...` or `GLIBC_TUNABLES` stands.

    Returns:
        Whether it is in force: on Linux with glibc only.
    """
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    # Numbers of malloc.h: M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD.
    options = ((-8, 1), (-4, 0), (-1, 2**31 - 1))
    return all([mallopt(option, value) == 1 for option, value in options])


def _devices(kind: str, count: int | None) -> list[str]:
    """Name the first `count` devices; make logical CPUs where there are too few."""
    if kind == "CPU" and count:
        _make_logical_cpus(count)
    there = [device.name for device in tf.config.list_logical_devices(kind)]
    if count is not None and not 1 <= count <= len(there):
        raise UserError(
            f"--distribute.devices: expected 1 to {len(there)}, as many as there are "
            f"{kind}s. Received: {count}."
        )
    return there[:count]


def _make_logical_cpus(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        pass  # TensorFlow has started its devices: what is there has to do.


def precision(name: str, strategy: tf.distribute.Strategy) -> str:
    """Return the Keras policy for a setting: mixed only where the device gains by it.

    Args:
        name: `auto`, `float32`, `mixed_float16` or `mixed_bfloat16`.
        strategy: Where the steps run.

    Returns:
        A name that `keras.mixed_precision.set_dtype_policy` takes. `auto` is
        `mixed_float16` on a GPU of compute capability 7.0 or more (tensor cores) and
        `float32` elsewhere: on a CPU, bfloat16 was measured to be slower.

    Raises:
        UserError: An unknown name.
    """
    policies = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
    if name not in policies:
        raise unknown("--train.precision", name, policies)
    if name != "auto":
        return name
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or not strategy.extended.worker_devices[0].upper().count("GPU"):
        return "float32"
    details = tf.config.experimental.get_device_details(gpus[0])
    capable = details.get("compute_capability", (0, 0)) >= (7, 0)
    return "mixed_float16" if capable else "float32"


def replica_multiple(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """Return the batch size, raised until every replica gets equally many images.

    Args:
        batch_size: Images a global batch.
        strategy: Where the steps run.
    """
    replicas = int(strategy.num_replicas_in_sync)
    return -(-batch_size // replicas) * replicas


def split(
    strategy: tf.distribute.Strategy, batch: Sequence[Any], *, axis: int = 0
) -> tuple[Any, ...]:
    """Give each replica an equal part of every array of a global batch.

    Args:
        strategy: Where the steps run.
        batch: Arrays whose size along `axis` is the global batch size, a multiple of
            the number of replicas.
        axis: The batch axis.

    Returns:
        One value an array, to be handed to `strategy.run`.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tuple(tf.convert_to_tensor(array) for array in batch)
    parts = [tf.split(array, replicas, axis=axis) for array in batch]
    return tuple(
        strategy.experimental_distribute_values_from_function(
            lambda context, part=part: part[context.replica_id_in_sync_group]
        )
        for part in parts
    )


def gather(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """Join the replicas' results again, in the order of the global batch.

    Args:
        strategy: Where the steps ran.
        value: What `strategy.run` returned, one tensor a replica.

    Returns:
        Array whose first axis is the global batch.
    """
    local = strategy.experimental_local_results(value)
    if len(local) == 1:
        return np.asarray(local[0])
    return np.concatenate([np.asarray(part) for part in local])
