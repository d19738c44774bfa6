"""From files to batches: the one place that orders read, decode, resize and batch."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline import images
from tfpipeline.data.audit import Row
from tfpipeline.data.augmentations import AUGMENTATIONS
from tfpipeline.errors import UserError, unknown


@dataclass(frozen=True)
class Reading:
    """How files become batches.

    Args:
        height: Of every image, in pixels.
        width: Of every image, in pixels.
        resize: `squash`, `crop` or `pad`.
        batch_size: Images a batch.
        augmentation: A name from `augmentations.AUGMENTATIONS`.
        seed: Of the order and of the augmentation.

    Raises:
        UserError: An unknown name, or no images in a batch.
    """

    height: int
    width: int
    resize: str
    batch_size: int
    augmentation: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resize not in images.RESIZES:
            raise unknown("--data.resize", self.resize, images.RESIZES)
        if self.augmentation not in AUGMENTATIONS:
            raise unknown("--data.augmentation", self.augmentation, AUGMENTATIONS)
        if self.batch_size < 1:
            raise UserError(
                "--data.batch_size: expected a positive number. Received: "
                f"{self.batch_size}."
            )


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the examples in one epoch, a function of its arguments alone.

    Args:
        count: Number of examples.
        seed: Of the run.
        epoch: Number of the epoch.

    Returns:
        A permutation of ``range(count)``, int64, shape (count,).
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def padded(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill the last batch with examples from the start, at weight 0.

    Every batch then has one shape, so nothing is traced twice, and every example still
    counts exactly once.

    Args:
        order: Indices of examples, shape (n,).
        batch_size: Images a batch.

    Returns:
        Indices, int64, and weights, float32, both of shape (batches, batch_size).
    """
    rows = -(-len(order) // batch_size)
    filled = np.resize(order, (rows, batch_size)).astype(np.int64)
    weights = np.arange(rows * batch_size).reshape(rows, -1) < len(order)
    return filled, weights.astype(np.float32)


class Batches:
    """The batches of a list of audited files.

    Args:
        files: One audited file an example.
        label: Index of the class of each example, int32, shape (n,).
        reading: Size, batch size, augmentation and seed.
    """

    def __init__(
        self, files: Sequence[Row], label: np.ndarray, reading: Reading
    ) -> None:
        self.reading = reading
        self._augment = AUGMENTATIONS[reading.augmentation]
        self._label = tf.constant(label, tf.int32)
        self._paths = tf.constant([os.fsencode(row.path) for row in files], tf.string)

    def arrange(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices and weights of the batches of an order; see `padded`."""
        return padded(order, self.reading.batch_size)

    def shuffled(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """Return some examples in the order of an epoch, each exactly once.

        Args:
            examples: Indices, shape (k,).
            epoch: Number of the epoch.
        """
        return examples[epoch_order(len(examples), self.reading.seed, epoch)]

    def plain(self, order: np.ndarray) -> tf.data.Dataset:
        """Return batches of the examples at `order`, in that order, unchanged.

        Args:
            order: Indices of examples, shape (k,).

        Returns:
            A dataset of `(images, labels, weights)`: float32 in [0, 1] of shape (batch,
            height, width, 3), int32 (batch,), and float32 (batch,) that is 0 where the
            last batch is padded.
        """
        return self._dataset(order, lambda images, indices: images)

    def augmented(self, order: np.ndarray, epoch: int) -> tf.data.Dataset:
        """Return batches like `plain`, each image changed by (seed, epoch, index).

        Args:
            order: Indices of examples, shape (k,).
            epoch: Number of the epoch.
        """
        augment = self._augment
        if augment is None:
            return self.plain(order)
        fold_in = tf.random.experimental.stateless_fold_in
        seed = fold_in(tf.constant([self.reading.seed, 0], tf.int64), epoch)

        def change(images: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
            return tf.map_fn(
                lambda one: augment(one[0], fold_in(seed, one[1])),
                (images, indices),
                fn_output_signature=tf.float32,
            )

        return self._dataset(order, change)

    def _dataset(
        self,
        order: np.ndarray,
        change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    ) -> tf.data.Dataset:
        def batch(indices: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
            images = change(self._read(indices), indices)
            scaled = tf.cast(images, tf.float32) / 255
            return scaled, tf.gather(self._label, indices), weights

        # One thread a core, each with a batch of its own: the fewest calls into Python.
        dataset = tf.data.Dataset.from_tensor_slices(self.arrange(order))
        dataset = dataset.map(batch, num_parallel_calls=os.cpu_count())
        return dataset.prefetch(2)

    def _read(self, indices: tf.Tensor) -> tf.Tensor:
        """Return images, uint8, by the one decoder whose rules `images` states."""
        height, width, how = (
            self.reading.height,
            self.reading.width,
            self.reading.resize,
        )

        def read(paths: np.ndarray) -> np.ndarray:
            out = np.empty((len(paths), height, width, 3), np.uint8)
            for place, path in enumerate(paths):
                out[place] = images.read(Path(os.fsdecode(path)), height, width, how)
            return out

        # Pillow lets go of Python's lock while it decodes and resizes, and was measured
        # to be faster here than TensorFlow's antialiased resize.
        paths = tf.gather(self._paths, indices)
        found = tf.numpy_function(read, [paths], tf.uint8, stateful=False)
        return tf.ensure_shape(found, (self.reading.batch_size, height, width, 3))
