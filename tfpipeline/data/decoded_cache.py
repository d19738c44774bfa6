"""Decoded images, kept for the next epoch: in memory, on disk, or not at all."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfpipeline.core import hardware
from tfpipeline.core.errors import unknown
from tfpipeline.data.decode import Numbered

CHOICES = ("auto", "ram", "disk", "none")

# Shares of what is free that the images may take.
MEMORY_SHARE, DISK_SHARE = 0.25, 0.5


class Plan(NamedTuple):
    """Where decoded images are kept, and why."""

    where: str
    reason: str


def plan(choice: str, size: int, folder: Path, free: int | None = None) -> Plan:
    """Decide where decoded images are kept, from how many bytes they will take."""
    if choice not in CHOICES:
        raise unknown("--data.cache", choice, CHOICES)
    room = hardware.free() if free is None else free
    above = (folder.absolute(), *folder.absolute().parents)
    disk = shutil.disk_usage(next(p for p in above if p.exists())).free
    says = f"{_bytes(size)} of decoded images"
    if choice != "auto":
        return Plan(choice, f"{says}, as --data.cache says")
    if size <= room * MEMORY_SHARE:
        return Plan("ram", f"{says}, {_bytes(room)} of memory are free")
    if size <= disk * DISK_SHARE:
        return Plan("disk", f"{says}, too many for {_bytes(room)} of free memory")
    return Plan("none", f"{says}, too many for the free memory and disk")


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


_kept = Numbered["Decoded"]()


class Decoded:
    """Images of one size by their index, to be read once.

    The disk holds them in a file without a name: it is gone with the process.
    """

    def __init__(self, shape: tuple[int, ...], where: str, folder: Path) -> None:
        if where == "ram":
            self._images = np.empty(shape, np.uint8)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                # Taken now: a disk that fills up later would end the process.
                os.posix_fallocate(file.fileno(), 0, max(1, math.prod(shape)))
                self._images = np.memmap(file, np.uint8, "r+", shape=shape)
        self._there = np.zeros(shape[0], bool)
        self.number = _kept.add(self)

    def has(self, indices: np.ndarray) -> np.bool_:
        """Tell whether some images are all there."""
        return np.bool_(self._there[indices].all())

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return images that are there."""
        return np.asarray(self._images[indices])

    def put(self, indices: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Keep images, and return them."""
        self._images[indices] = images
        self._there[indices] = True
        return images


def kept(
    number: tf.Tensor,
    indices: tf.Tensor,
    shape: tuple[int | None, ...],
    decoded: Callable[[], tf.Tensor],
) -> tf.Tensor:
    """Return kept images in a graph, or those of `decoded`, which are kept then.

    Args:
        number: Of a `Decoded`, int64, shape ().
        indices: Of the images, shape (n,).
        shape: Of the images.
        decoded: Returns them, where not all are there.
    """

    def call(function: Callable[..., np.ndarray], *given: tf.Tensor) -> tf.Tensor:
        given = number, indices, *given
        images = tf.numpy_function(function, given, tf.uint8, stateful=False)
        return tf.ensure_shape(images, shape)

    return tf.cond(
        tf.numpy_function(_has, [number, indices], tf.bool),
        lambda: call(_take),
        lambda: call(_put, decoded()),
    )


def _has(number: np.ndarray, indices: np.ndarray) -> np.bool_:
    return _kept.of(number).has(indices)


def _take(number: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return _kept.of(number).take(indices)


def _put(number: np.ndarray, indices: np.ndarray, images: np.ndarray) -> np.ndarray:
    return _kept.of(number).put(indices, images)
