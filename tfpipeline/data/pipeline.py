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
        return self._dataset(order, self._read)

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
        return self._dataset(
            order, lambda index: augment(self._read(index), fold_in(seed, index))
        )

    def _dataset(
        self, order: np.ndarray, image: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.data.Dataset:
        indices, weights = self.arrange(order)
        dataset = tf.data.Dataset.from_tensor_slices((indices.ravel(), weights.ravel()))
        dataset = dataset.map(
            lambda index, weight: (image(index), self._label[index], weight),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        # Every batch is full: `arrange` has padded the last one.
        dataset = dataset.batch(self.reading.batch_size, drop_remainder=True)
        return dataset.map(_scaled).prefetch(tf.data.AUTOTUNE)

    def _read(self, index: tf.Tensor) -> tf.Tensor:
        """Return one image, uint8, by the one decoder whose rules `images` states."""
        size = (self.reading.height, self.reading.width)

        def read(path: bytes) -> np.ndarray:
            image = images.decode(Path(os.fsdecode(path)), at_least=size)
            return images.resize(image, *size, self.reading.resize)

        # Pillow lets go of Python's lock while it decodes and resizes, and was measured
        # to be as fast here as TensorFlow's antialiased resize.
        path = self._paths[index]
        image = tf.numpy_function(read, [path], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (*size, 3))


def _scaled(
    image: tf.Tensor, label: tf.Tensor, weight: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    return tf.cast(image, tf.float32) / 255, label, weight
