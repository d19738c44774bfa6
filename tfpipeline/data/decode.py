"""From audited files to images of one size: JPEG inside the graph, the rest by Pillow.

An ordinary JPEG is decoded and resized by TensorFlow, without Python's lock and so on
every core. What that decoder does not know or would show otherwise (other formats,
CMYK, EXIF turns) comes through `images`, whose rules hold for both.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline.core import image_formats, image_io
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row

# What the graph is told of each image: see `Decoder._layout`.
_RATIO, _HEIGHT, _WIDTH, _TOP, _LEFT, _KEPT_HEIGHT, _KEPT_WIDTH, _INNER = range(8)
_COLUMNS = _INNER + 2

# 0 stands for pixels that Pillow has decoded already.
_RATIOS = (0, *sorted(image_io.JPEG_RATIOS))

# Pixels around the part of a JPEG that is kept, which are decoded as well.
_MARGIN = 16


class Decoder:
    """Reads images by their index, inside a graph.

    Args:
        files: One audited file an example.
        height: Of every image, in pixels.
        width: Of every image, in pixels.
        how: `squash`, `crop` or `pad`; see `images.resize`.
    """

    def __init__(self, files: Sequence[Row], height: int, width: int, how: str) -> None:
        self.failed: list[tuple[str, str]] = []
        self._files = files
        self._size = (height, width)
        self._how = how
        # Files that TensorFlow refused though Pillow does not; filled as they show up.
        self._distrusted: set[int] = set()
        one = tf.TensorSpec((1,), tf.int64)
        self._one = tf.function(self.__call__, input_signature=[one], autograph=False)

    def __call__(self, indices: tf.Tensor) -> tf.Tensor:
        """Return images, uint8, shape (len(indices), height, width, 3).

        Args:
            indices: Of files, int64, shape (any,).
        """
        content, layout = tf.numpy_function(
            self._load, [indices], (tf.string, tf.int32), stateful=False
        )
        content = tf.ensure_shape(content, indices.shape)
        layout = tf.ensure_shape(layout, (*indices.shape, _COLUMNS))
        return tf.map_fn(
            lambda one: self._image(*one),
            (content, layout),
            fn_output_signature=tf.TensorSpec((*self._size, 3), tf.uint8),
            parallel_iterations=4,
        )

    def examine(self, indices: Sequence[int]) -> bool:
        """Look for what made a batch fail, and leave those files to Pillow from now on.

        Args:
            indices: Of the files of the batch.

        Returns:
            Whether the batch can be read now.
        """
        if self.failed:
            return False
        before = len(self._distrusted)
        for index in {int(i) for i in indices} - self._distrusted:
            try:
                self._one(tf.constant([index], tf.int64))
            except tf.errors.OpError:
                self._distrusted.add(index)
        return len(self._distrusted) > before

    def _load(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the graph decodes: files, or pixels where Pillow has to."""
        content = np.empty(len(indices), object)
        layout = np.zeros((len(indices), _COLUMNS), np.int32)
        for place, index in enumerate(indices):
            row = self._files[index]
            try:
                if scan.changed(row):
                    raise image_formats.ImageError("changed since it was audited")
                data = image_io.content(Path(row.path), row.offset, row.length)
                if _is_plain(row) and int(index) not in self._distrusted:
                    ratio = image_io.jpeg_ratio((row.height, row.width), self._size)
                    size = (-(-row.height // ratio), -(-row.width // ratio))
                    content[place] = data
                else:
                    ratio = 0
                    image = image_io.decode(data, at_least=self._size)
                    size = (image.shape[0], image.shape[1])
                    content[place] = image.tobytes()
            except image_formats.ImageError as error:
                # TensorFlow would say that something failed, but not where.
                self.failed.append((row.path, str(error)))
                raise
            layout[place] = self._layout(ratio, size)
        return content, layout

    def _layout(self, ratio: int, size: tuple[int, int]) -> tuple[int, ...]:
        kept = image_io.kept_part(size, self._size, self._how)
        inner = image_io.inner_size(kept[2:], self._size, self._how)
        return (ratio, *size, *kept, *inner)

    def _image(self, content: tf.Tensor, layout: tf.Tensor) -> tf.Tensor:
        kept = layout[_TOP:_INNER]

        def pixels() -> tf.Tensor:
            shape = tf.stack([*tf.unstack(layout[_HEIGHT:_TOP]), 3])
            whole = tf.reshape(tf.io.decode_raw(content, tf.uint8), shape)
            return tf.image.crop_to_bounding_box(whole, *tf.unstack(kept))

        def jpeg(ratio: int) -> tf.Tensor:
            # The accurate transform is that of Pillow.
            how = {"channels": 3, "ratio": ratio, "dct_method": "INTEGER_ACCURATE"}
            if self._how != "crop":
                return tf.io.decode_jpeg(content, **how)
            # Colours are interpolated from their neighbours: a margin keeps them.
            first = tf.maximum(kept[:2] - _MARGIN, 0)
            end = tf.minimum(kept[:2] + kept[2:] + _MARGIN, layout[_HEIGHT:_TOP])
            window = tf.concat([first, end - first], 0)
            part = tf.raw_ops.DecodeAndCropJpeg(
                contents=content, crop_window=window, **how
            )
            inside = tf.concat([kept[:2] - first, kept[2:]], 0)
            return tf.image.crop_to_bounding_box(part, *tf.unstack(inside))

        ways = [pixels] + [lambda ratio=ratio: jpeg(ratio) for ratio in _RATIOS[1:]]
        way = tf.argmax(layout[_RATIO] == tf.constant(_RATIOS), output_type=tf.int32)
        image = tf.ensure_shape(tf.switch_case(way, ways), (None, None, 3))
        small = resize_in_graph(image, layout[_KEPT_HEIGHT:_INNER], layout[_INNER:])
        if self._how == "pad":
            above, before = (
                (size - inner) // 2
                for size, inner in zip(self._size, tf.unstack(layout[_INNER:]))
            )
            small = tf.image.pad_to_bounding_box(small, above, before, *self._size)
        return tf.ensure_shape(small, (*self._size, 3))


def _is_plain(row: Row) -> bool:
    return row.format == "jpeg" and row.mode in ("RGB", "L") and row.orientation == 1


def resize_in_graph(image: tf.Tensor, size: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return what `images.resize` does, up to a rounded half."""
    first = tf.minimum(size, target)
    batch = image[None]
    small = tf.cond(
        tf.reduce_all(first == size),
        lambda: tf.cast(batch, tf.float32),
        lambda: tf.raw_ops.ResizeArea(images=batch, size=first),
    )
    large = tf.raw_ops.ResizeBilinear(
        images=small, size=target, half_pixel_centers=True
    )
    return tf.cast(large[0] + 0.5, tf.uint8)
