"""Batches read ahead of the network that they are for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfpipeline.core import hardware
from tfpipeline.data import decoded_cache
from tfpipeline.data.augment import AUGMENTATIONS
from tfpipeline.data.decode import Graph

_fold_in = tf.random.experimental.stateless_fold_in

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
    so that what was done after 6 seconds took 10. So are its rewrites, which find
    nothing to do here and took most of the time until the first batch, in each pass.
    """
    plain, calls = tf.autograph.experimental.do_not_convert, hardware.cores()
    images = rows.map(plain(read), num_parallel_calls=calls)
    images = images.prefetch(max(1, BYTES // size))
    batches = images.map(plain(change), num_parallel_calls=calls).prefetch(_READY)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return batches.with_options(options)


@dataclass(frozen=True)
class Making:
    """What becomes of the rows of a pass over some files.

    Args:
        graph: Reads them.
        count: Images a batch.
        keeps: Whether decoded images are kept; see `decoded_cache`.
        augmentation: A name from `augment.AUGMENTATIONS`.
        classes: For targets, where images are mixed.
        before: Images at the front of a batch that only others are mixed with.
    """

    graph: Graph
    count: int
    keeps: bool = False
    augmentation: str = "none"
    classes: int = 0
    before: int = 0

    def read(
        self, numbers: tf.Tensor, indices: tf.Tensor, *others: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Return images, uint8, kept ones where there are any; and the rest."""

        def decoded() -> tf.Tensor:
            return self.graph(numbers[0], indices)

        if not self.keeps:
            return decoded(), *others
        shape = (*indices.shape, self.graph.height, self.graph.width, 3)
        return decoded_cache.kept(numbers[1], indices, shape, decoded), *others

    def change(
        self,
        drawn: tf.Tensor,
        images: tf.Tensor,
        label: tf.Tensor,
        weights: tf.Tensor,
        *which: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Return a batch, each image changed by what was `drawn` and `which` it is."""
        augmentation = AUGMENTATIONS[self.augmentation]
        images = tf.cast(images, tf.float32)
        if augmentation.image is not None:
            seeds = tf.map_fn(
                lambda pair: _fold_in(_fold_in(drawn, pair[0]), pair[1]),
                which,
                fn_output_signature=tf.int64,
            )
            images = tf.map_fn(
                lambda pair: augmentation.image(*pair),
                (images, seeds),
                fn_output_signature=tf.float32,
            )
            if augmentation.mix is not None:
                is_class = label.dtype == tf.int32
                targets = tf.one_hot(label, self.classes) if is_class else label
                images, label = augmentation.mix(images, targets, seeds)
        behind = slice(self.before, None)
        return images[behind] / 255, label[behind], weights[behind]


@functools.lru_cache(maxsize=16)
def traced(making: Making) -> Callable[..., tf.data.Dataset]:
    """Return what makes batches of any files.

    It is traced once: that takes half a second, each epoch would wait for it twice, and
    TensorFlow keeps what it has traced until the process ends.

    Returns:
        From the numbers of a decoder and of what is kept, int64, shape (2,); what the
        changes of an epoch are drawn from, int32, shape (2,); and indices, labels,
        weights and what else tells images apart, a row a batch.
    """
    graph = making.graph
    size = 3 * making.count * graph.height * graph.width

    def batches(
        numbers: tf.Tensor, drawn: tf.Tensor, *parts: tf.Tensor
    ) -> tf.data.Dataset:
        rows = tf.data.Dataset.from_tensor_slices(parts)
        read = functools.partial(making.read, numbers)
        return read_ahead(rows, read, functools.partial(making.change, drawn), size)

    call = tf.function(batches, autograph=False)
    first = [tf.TensorSpec((2,), kind) for kind in (tf.int64, tf.int32)]

    def begin(*given: Any) -> tf.data.Dataset:
        # Any number of rows is one trace.
        specs = [tf.TensorSpec((None, *p.shape[1:]), p.dtype) for p in given[2:]]
        with tf.device("CPU:0"):
            concrete = call.get_concrete_function(*first, *specs)
            return concrete(*map(tf.constant, given))

    return begin
