"""From audited files to images of one size: JPEG inside the graph, the rest by Pillow.

An ordinary JPEG is decoded and resized by TensorFlow, without Python's lock and so on
every core. What that decoder does not know or would show otherwise (other formats,
CMYK, EXIF turns, wide gamuts) comes through `core.image_io`, whose rules hold for both.
"""

import itertools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, SupportsInt, TypeVar

import numpy as np
import tensorflow as tf

from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import TemporaryError
from tfpipeline.data import inspect_file, scan
from tfpipeline.data.decode_graph import AS_PILLOW, crop, fit, kept_part
from tfpipeline.data.scan_cache import Row

# 0 stands for pixels that Pillow has decoded already, of 8 bits; the other for floats.
_RATIOS = (0, *sorted(image_io.JPEG_RATIOS))
_FLOATS = -1

# Pixels around the part of a JPEG that is kept, which are decoded as well.
_MARGIN = 16

_T = TypeVar("_T")


class Numbered(Generic[_T]):
    """Gives objects numbers, by which they are found as long as anything keeps them.

    TensorFlow keeps every function of every pipeline until the process ends, and what
    such a function calls: a number keeps nothing, and one function does for all.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._found: weakref.WeakValueDictionary[int, _T] = (
            weakref.WeakValueDictionary()
        )

    def add(self, one: _T) -> int:
        """Return the number of an object from now on."""
        number = next(self._numbers)
        self._found[number] = one
        return number

    def of(self, number: SupportsInt) -> _T:
        """Return the object of a number.

        Raises:
            ReferenceError: Nothing has kept it.
        """
        if (one := self._found.get(int(number))) is None:
            raise ReferenceError("the pipeline has ended")
        return one


_decoders = Numbered["Decoder"]()


class Decoder:
    """Reads audited files by their index, inside a graph."""

    def __init__(
        self,
        files: Sequence[Row],
        height: int,
        width: int,
        how: str,
        ranges: Ranges = WHOLE,
    ) -> None:
        self.failed: list[tuple[str, str]] = []
        # Why no file can be read now, where a store or a drive has gone.
        self.stopped: TemporaryError | None = None
        # What is damaged is black, and noted by its index, where it is forgiven.
        self.forgives, self.damaged = False, dict[int, str]()
        self._files = files
        self._size = (height, width)
        self._how = how
        self.graph = Graph(height, width, how)
        self.number = _decoders.add(self)
        self._ranges = ranges
        # Files that TensorFlow refused though Pillow does not; filled as they show up.
        self._distrusted: set[int] = set()
        spec = tf.TensorSpec((1,), tf.int64)
        self._one = tf.function(self.__call__, input_signature=[spec], autograph=False)

    def __call__(self, indices: tf.Tensor) -> tf.Tensor:
        """Return images, uint8, shape (len(indices), height, width, 3)."""
        return self.graph(tf.constant(self.number, tf.int64), indices)

    def examine(self, indices: Sequence[int]) -> bool:
        """Look for what made a batch fail, and leave those files to Pillow from now on.

        Returns whether the batch can be read now.
        """
        if self.failed:
            return False
        before = len(self._distrusted)
        for index in {int(i) for i in indices} - self._distrusted:
            try:
                self._one(tf.constant([index], tf.int64))
            except tf.errors.OpError:
                self._distrusted.add(index)
                if self.forgives and (reason := self._judge(self._files[index])):
                    self.damaged[index] = reason
        return len(self._distrusted) > before

    @staticmethod
    def _judge(row: Row) -> str:
        """Return what a closer look says against a file that was only opened."""
        most = row.height * row.width
        look = row.path, most, row.offset, row.length, inspect_file.DECODED
        return inspect_file.examine(*look).reason

    def load(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the graph decodes: files, or pixels where Pillow has to.

        And by how much it makes each smaller meanwhile, and its height and width then.
        """
        content = np.empty(len(indices), object)
        layout = np.zeros((len(indices), 3), np.int32)
        for place, index in enumerate(indices):
            row = self._files[index]
            if int(index) in self.damaged:
                content[place], layout[place] = bytes(3), (0, 1, 1)
                continue
            try:
                if scan.changed(row):
                    raise image_formats.ImageError("changed since it was audited")
                data = image_io.content(row.path, row.offset, row.length)
                if row.is_plain and int(index) not in self._distrusted:
                    ratio = image_io.jpeg_ratio((row.height, row.width), self._size)
                    size = (-(-row.height // ratio), -(-row.width // ratio))
                else:
                    image = _by_pillow(row, data, self._size, self._how, self._ranges)
                    ratio = 0 if image.dtype == np.uint8 else _FLOATS
                    data, size = image.tobytes(), (image.shape[0], image.shape[1])
            except TemporaryError as error:
                self.stopped = error
                raise
            except image_formats.ImageError as error:
                # TensorFlow would say that something failed, but not where.
                self.failed.append((row.path, str(error)))
                raise
            content[place], layout[place] = data, (ratio, *size)
        return content, layout


@dataclass(frozen=True)
class Graph:
    """What reads the files of any decoder: traced once, for whichever comes.

    Args:
        height: Of every image, in pixels; so is the width.
        how: `squash`, `crop` or `pad`.
    """

    height: int
    width: int
    how: str

    def __call__(self, number: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        """Return images, uint8, shape (len(indices), height, width, 3).

        Args:
            number: Of the decoder, int64, shape ().
            indices: Of files, int64, shape (n,).
        """
        content, layout = tf.numpy_function(
            _load, [number, indices], (tf.string, tf.int32), stateful=False
        )
        content = tf.ensure_shape(content, indices.shape)
        layout = tf.ensure_shape(layout, (*indices.shape, 3))
        return tf.map_fn(
            lambda row: self._image(*row),
            (content, layout),
            fn_output_signature=tf.TensorSpec((self.height, self.width, 3), tf.uint8),
            parallel_iterations=4,
        )

    def _image(self, content: tf.Tensor, layout: tf.Tensor) -> tf.Tensor:
        size, target = layout[1:], (self.height, self.width)
        place, kept = kept_part(size, target, self.how)

        def pixels(kind: tf.DType) -> tf.Tensor:
            whole = tf.io.decode_raw(content, kind)
            return crop(tf.reshape(whole, tf.concat([size, [3]], 0)), place, kept)

        def jpeg(ratio: int) -> tf.Tensor:
            if self.how != "crop":
                return tf.io.decode_jpeg(content, ratio=ratio, **AS_PILLOW)
            # Colours are interpolated from their neighbours: a margin keeps them.
            first = tf.maximum(place - _MARGIN, 0)
            window = [first, tf.minimum(place + kept + _MARGIN, size) - first]
            part = tf.raw_ops.DecodeAndCropJpeg(
                contents=content,
                crop_window=tf.concat(window, 0),
                ratio=ratio,
                **AS_PILLOW,
            )
            return crop(part, place - first, kept)

        def ordinary() -> tf.Tensor:
            ways = [partial(pixels, tf.uint8)]
            ways += [partial(jpeg, ratio) for ratio in _RATIOS[1:]]
            way = tf.argmax(layout[0] == tf.constant(_RATIOS), output_type=tf.int32)
            image = tf.ensure_shape(tf.switch_case(way, ways), (None, None, 3))
            return fit(image, target, self.how)

        def deep() -> tf.Tensor:
            return fit(pixels(tf.float32), target, self.how)

        return tf.cond(layout[0] == _FLOATS, deep, ordinary)


def _load(number: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _decoders.of(number).load(indices)


def _by_pillow(
    row: Row, data: bytes, size: tuple[int, int], how: str, ranges: Ranges
) -> np.ndarray:
    """Return the pixels of a file; a batch of large ones would not fit into memory."""
    pixels = row.height * row.width
    # Of more than 8 bits they are floats.
    if pixels > image_io.LARGE // (4 if row.is_deep else 1):
        return image_io.read(data, *size, how, ranges, pixels)
    return image_io.pixels(data, ranges=ranges, at_least=size, max_pixels=pixels)
