"""From files to batches: the one place that orders read, decode, resize and batch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import hardware, image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data import sampling as orders
from tfpipeline.data import scan
from tfpipeline.data.augment import AUGMENTATIONS
from tfpipeline.data.decode import Decoder
from tfpipeline.data.decoded_cache import Decoded, Plan, plan
from tfpipeline.data.read_ahead import Making, traced
from tfpipeline.data.scan_cache import Row

SAMPLINGS = ("natural", "balanced")


@dataclass(frozen=True)
class Reading:
    """How files become batches.

    Args:
        height: Of every image, in pixels; so is the width.
        resize: `squash`, `crop` or `pad`.
        batch_size: Images a batch, of all workers.
        augmentation: A name from `augment.AUGMENTATIONS`.
        seed: Of the order and of the augmentation.
        sampling: `natural` or `balanced`.
        views: Changed copies of each image that are kept as features; 0 for none.
        worker: Which worker this is, from 0, of `workers` that share each batch.
        ranges: What is black and white in pictures of more than 8 bits.

    Raises:
        UserError: An unknown name, or no images in a batch.
    """

    height: int
    width: int
    resize: str
    batch_size: int
    augmentation: str = "none"
    seed: int = 0
    sampling: str = "natural"
    views: int = 0
    worker: int = 0
    workers: int = 1
    ranges: Ranges = WHOLE

    @property
    def own_size(self) -> int:
        """Images of a batch that this worker reads."""
        return self.batch_size // self.workers

    def __post_init__(self) -> None:
        for name, known in (
            ("resize", image_io.RESIZES),
            ("augmentation", AUGMENTATIONS),
            ("sampling", SAMPLINGS),
        ):
            if getattr(self, name) not in known:
                raise unknown(f"--data.{name}", getattr(self, name), known)
        if self.views < 0 or (self.views and self.augmentation == "none"):
            raise UserError(
                "--data.views: expected 0, or a positive number together with "
                f"--data.augmentation. Received: {self.views}."
            )
        if self.views and AUGMENTATIONS[self.augmentation].mix is not None:
            raise UserError(
                f"--data.views: {self.augmentation} mixes the images of a batch, so "
                "its views cannot be kept. Leave --data.views out, or choose another "
                "--data.augmentation."
            )
        if not 0 <= self.worker < self.workers or self.batch_size % self.workers:
            raise UserError(
                "--data.batch_size: expected a multiple of the number of workers, "
                f"{self.workers}. Received: {self.batch_size}, at worker {self.worker}."
            )
        if self.batch_size < 1:
            raise UserError(
                "--data.batch_size: expected a positive number. Received: "
                f"{self.batch_size}."
            )
        size = 4 * 3 * self.own_size * self.height * self.width
        if self.own_size > 1 and size > hardware.free():
            free = hardware.free() / 1e9
            raise UserError(
                f"A batch of {self.own_size} images of {self.height}x{self.width} "
                f"pixels takes {size / 1e9:.0f} GB, but {free:.0f} GB of memory are "
                "free. Lower --data.batch_size or --model.image_size."
            )


# What everything iterates over: images, labels, and weights, 0 where a row is padding.
Batch = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Feed:
    """Batches that can be iterated over any number of times, begun at any step."""

    begin: Callable[[int], tf.data.Dataset]
    indices: np.ndarray
    decoder: Decoder
    kept: Decoded | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; a file that has gone bad since the audit is named."""
        step = 0
        while step < len(self.indices):
            try:
                for batch in self.begin(step):
                    step += 1
                    yield batch
            except tf.errors.OpError:
                if self.decoder.stopped is not None:
                    raise self.decoder.stopped from None
                if self.decoder.examine(self.indices[step]):
                    continue
                if self.decoder.stopped is not None:
                    raise self.decoder.stopped from None
                if not self.decoder.failed:
                    raise
                path, reason = self.decoder.failed[0]
                raise scan.gone_bad(path, reason) from None


class Batches:
    """The batches of audited files, one an example, with the index of its class.

    There are as many `classes` as the largest index says, where None. The `weight` is
    what each copy of an example counts in a batch, float, shape (n,); 1 where None.
    Where there are `values`, float32 of shape (n, k), batches have them for labels.
    """

    def __init__(
        self,
        files: Sequence[Row],
        label: np.ndarray,
        reading: Reading,
        classes: int | None = None,
        weight: np.ndarray | None = None,
        values: np.ndarray | None = None,
    ) -> None:
        self.reading = reading
        self.decoded: Decoded | None = None
        # Of features that are read shard by shard.
        self.blocks: orders.Blocks | None = None
        self._classes = classes or int(np.max(label, initial=0)) + 1
        size = reading.height, reading.width
        self._decoder = Decoder(files, *size, reading.resize, reading.ranges)
        self._label = np.asarray(label, np.int32)
        self._truth = self._label if values is None else np.asarray(values, np.float32)
        self._weight = None if weight is None else np.asarray(weight, np.float32)
        # What an image's changes are drawn from, wherever it stands in its source.
        self._identity = np.array([int(r.sha256[:15] or "0", 16) for r in files], int)

    def arrange(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return indices and weights of this worker's part of each batch."""
        parts = self._padded(order)
        here = self.reading.worker, self.reading.workers
        indices, weights = (orders.share(part, *here) for part in parts)
        return indices, weights

    def arrange_epoch(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Do what `arrange` does for training: a worker has what is in its shards."""
        reading = self.reading
        if self.blocks is None or reading.workers == 1:
            return self.arrange(order)
        given = order, reading.worker, reading.own_size
        return self._weighed(*self.blocks.padded(*given))

    def step(self, order: np.ndarray, step: int) -> np.ndarray:
        """Return the examples of a step; this worker's, if it has shards of its own."""
        if self.blocks is not None and self.reading.workers > 1:
            indices, weights = (part[step] for part in self.arrange_epoch(order))
            return np.asarray(indices[weights > 0])
        size = self.reading.batch_size
        return order[step * size : (step + 1) * size]

    def _padded(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._weighed(*orders.padded(order, self.reading.batch_size))

    def _weighed(
        self, indices: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._weight is not None:
            weights = weights * self._weight[indices]
        return indices, weights

    def keep_decoded(self, choice: str, folder: Path) -> Plan:
        """Keep decoded images for the next epoch, where there is room for them."""
        shape = (len(self._label), self.reading.height, self.reading.width, 3)
        decided = plan(choice, math.prod(shape), folder)
        if decided.where != "none":
            self.decoded = Decoded(shape, decided.where, folder)
        return decided

    def shuffled(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """Return examples in the order of an epoch: each once, or balanced."""
        seed = self.reading.seed
        if self.reading.sampling == "balanced":
            drawn = orders.balanced_order(self._label[examples], seed, epoch)
        else:
            drawn = orders.epoch_order(len(examples), seed, epoch)
        order = np.asarray(examples[drawn])
        return order if self.blocks is None else self.blocks.sort(order, seed, epoch)

    def plain(self, order: np.ndarray, first_step: int = 0) -> Feed:
        """Return batches of the examples at `order`, in that order, unchanged.

        Args:
            order: Indices of examples, shape (k,).
            first_step: Batches that have been seen already.

        Returns:
            Batches `(images, labels, weights)`: float32 in [0, 1] of shape (batch,
            height, width, 3), int32 (batch,), and float32 (batch,) that is 0 where the
            last batch is padded.
        """
        indices, weights = self.arrange(order)
        return self._feed((indices, self._truth[indices], weights), first_step)

    def augmented(self, order: np.ndarray, epoch: int, first_step: int = 0) -> Feed:
        """Return batches like `plain`, each image changed by (seed, epoch, content).

        Where the augmentation mixes images, the labels are targets: float32, shape
        (batch, classes).
        """
        mix = AUGMENTATIONS[self.reading.augmentation].mix
        indices, weights = self._padded(order)
        # Of all workers: the same image may stand in another one's part as well, and
        # so may the one before, with which an image is mixed.
        again = orders.occurrences(indices.ravel()).reshape(indices.shape)
        here = self.reading.worker, self.reading.workers
        before = int(mix is not None and here[1] > 1)
        every = (indices, self._truth[indices], weights, self._identity[indices], again)
        parts = [orders.share(part, *here, before) for part in every]
        changes = {
            "augmentation": self.reading.augmentation,
            "classes": self._classes if mix is not None else 0,
            "before": before,
        }
        return self._feed(parts, first_step, epoch, **changes)

    def _feed(
        self,
        parts: Sequence[np.ndarray],
        first_step: int,
        epoch: int = 0,
        **making: Any,
    ) -> Feed:
        """Return batches of indices, truth, weights and more, a row a batch."""
        kept, decoder = self.decoded, self._decoder
        count, keeps = parts[0].shape[1], kept is not None
        call = traced(Making(decoder.graph, count, keeps, **making))
        numbers = np.array([decoder.number, kept.number if kept else -1], np.int64)
        seed = tf.constant([self.reading.seed, 0], tf.int64)
        drawn = tf.random.experimental.stateless_fold_in(seed, epoch)
        left = [part[first_step:] for part in parts]

        def begin(step: int) -> tf.data.Dataset:
            return call(numbers, drawn, *(part[step:] for part in left))

        return Feed(begin, left[0], decoder, kept)
