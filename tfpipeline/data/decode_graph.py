"""Encoded images of any sizes and formats to one batch, in a graph that is served.

Follows the rules of `images`: what the decoders here would show otherwise is
turned, laid over white or divided as there, and what they cannot read is refused in
words. Nothing that is sent makes its neighbours fail.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.core import image_formats, image_io
from tfpipeline.data import image_headers
from tfpipeline.data.decode import resize_in_graph

DAMAGED = "damaged image"

_ALPHA = 4

# A request of sixteen photographs of 24 million pixels is read.
MAX_REQUEST_PIXELS = 400_000_000


@dataclass(frozen=True)
class Reader:
    """From encoded images to pixels, as a training reads them.

    Args:
        height: Of every image, in pixels.
        width: Of every image, in pixels.
        how: `squash`, `crop` or `pad`; see `images.resize`.
        max_pixels: Height times width of what is sent, at most; more is refused before
            it is decoded.
        max_request_pixels: Of all images that are sent together, at most; the largest
            are refused, so that small ones are read whatever else is sent.
    """

    height: int
    width: int
    how: str
    max_pixels: int = image_formats.MAX_PIXELS
    max_request_pixels: int = MAX_REQUEST_PIXELS

    def __call__(self, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return images, and which of them could not be read.

        Args:
            contents: Encoded images, string, shape (n,).

        Returns:
            uint8, shape (n, height, width, 3), black where there is no image; whether
            there is one, bool, shape (n,); and why not, string, shape (n,).
        """
        told = self._bounded(self._headers(contents))
        columns = tuple(vars(told).values())
        pixels = _each(
            (contents, *columns),
            lambda content, *one: (self._image(content, image_headers.Header(*one)),),
            (tf.TensorSpec((self.height, self.width, 3), tf.uint8),),
        )
        (batch,), there = pixels
        error = tf.where(there, told.reason, DAMAGED)
        batch = tf.ensure_shape(batch, (contents.shape[0], self.height, self.width, 3))
        error = tf.ensure_shape(error, (contents.shape[0],))
        return batch, tf.strings.length(error) == 0, error

    def _headers(self, contents: tf.Tensor) -> image_headers.Header:
        """Return what each of some images says of itself, and why it is refused."""
        kinds = [tf.int32] * 4 + [tf.bool] * 2 + [tf.int32] * 2 + [tf.string]
        columns, there = _each(
            (contents,),
            lambda content: tuple(
                vars(image_headers.read(content, self.max_pixels)).values()
            ),
            tuple(tf.TensorSpec((), kind) for kind in kinds),
        )
        told = image_headers.Header(*columns)
        reason = tf.where(there, told.reason, DAMAGED)
        return dataclasses.replace(told, reason=reason)

    def _bounded(self, told: image_headers.Header) -> image_headers.Header:
        """Refuse the largest images of a request that has too many pixels together.

        Those of other people may be in it: the server fills up its batches.
        """
        sizes = tf.cast(told.height, tf.int64) * tf.cast(told.width, tf.int64)
        sizes = tf.where(told.reason == "", sizes, 0)
        smallest_first = tf.argsort(sizes, stable=True)
        sums = tf.cumsum(tf.gather(sizes, smallest_first))
        fits = tf.gather(sums <= self.max_request_pixels, tf.argsort(smallest_first))
        too_many = (
            image_formats.too_large(self.max_request_pixels) + image_formats.TOGETHER
        )
        reason = tf.where(fits | (told.reason != ""), told.reason, too_many)
        return dataclasses.replace(told, reason=reason)

    def _image(self, content: tf.Tensor, header: image_headers.Header) -> tf.Tensor:
        """Return one image, uint8, shape (height, width, 3); black where refused."""
        shape = (self.height, self.width, 3)

        def refused() -> tf.Tensor:
            return tf.zeros(shape, tf.uint8)

        def decoded() -> tf.Tensor:
            image = self._decode(content, header)
            return self._fit(_turned(image, header.orientation))

        good = tf.strings.length(header.reason) == 0
        return tf.ensure_shape(tf.cond(good, decoded, refused), shape)

    def _decode(self, content: tf.Tensor, header: image_headers.Header) -> tf.Tensor:
        """Return the pixels as stored, uint8."""

        def jpeg() -> tf.Tensor:
            return self._jpeg(content, header)

        def png() -> tf.Tensor:
            # Asked for an alpha channel, the decoder makes one up for some palettes.
            opaque = functools.partial(tf.io.decode_png, content, channels=3)
            cases = [
                (header.deep, lambda: _deep(content)),
                (header.clear, lambda: _over_white(content)),
            ]
            return tf.case(cases, default=opaque)

        def gif() -> tf.Tensor:
            first = tf.strings.substr(content, 0, header.end)
            return tf.io.decode_gif(first + b";")[0]

        def bmp() -> tf.Tensor:
            return tf.io.decode_bmp(content, channels=3)

        def nothing() -> tf.Tensor:
            return tf.zeros((1, 1, 3), tf.uint8)

        image = tf.switch_case(header.kind, [nothing, jpeg, png, gif, bmp])
        return tf.ensure_shape(image, (None, None, 3))

    def _jpeg(self, content: tf.Tensor, header: image_headers.Header) -> tf.Tensor:
        most = tf.minimum(header.height, header.width) // max(self.height, self.width)
        # As Pillow, which makes only grey and colours smaller while it decodes them.
        most = tf.where(header.layers == _ALPHA, 1, most)
        ratios = sorted(image_io.JPEG_RATIOS)
        fitting = tf.cast(tf.constant(ratios) <= tf.maximum(most, 1), tf.int32)

        def at(ratio: int) -> tf.Tensor:
            # The accurate transform is that of Pillow.
            return tf.io.decode_jpeg(
                content, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
            )

        ways = [lambda ratio=ratio: at(ratio) for ratio in ratios]
        return tf.switch_case(tf.reduce_sum(fitting) - 1, ways)

    def _fit(self, image: tf.Tensor) -> tf.Tensor:
        """Return an image at its size, as `images.resize` does."""
        target = (self.height, self.width)
        top, left, height, width = self._kept(tf.shape(image))
        image = image[top : top + height, left : left + width]
        if self.how != "pad":
            return resize_in_graph(
                image, tf.stack([height, width]), tf.constant(target)
            )
        sides = tf.cast(tf.stack([height, width]), tf.float64)
        scale = tf.reduce_min(tf.constant(target, tf.float64) / sides)
        inner = tf.maximum(1, tf.cast(tf.round(sides * scale), tf.int32))
        small = resize_in_graph(image, tf.stack([height, width]), inner)
        above, before = ((size - inner[axis]) // 2 for axis, size in enumerate(target))
        return tf.image.pad_to_bounding_box(small, above, before, *target)

    def _kept(self, shape: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return `images.kept_part` of an image of a shape."""
        height, width = shape[0], shape[1]
        if self.how != "crop":
            return tf.constant(0), tf.constant(0), height, width
        target = tf.constant((self.height, self.width), tf.float64)
        scale = tf.reduce_min(tf.cast(shape[:2], tf.float64) / target)
        kept = tf.maximum(1, tf.cast(tf.round(target * scale), tf.int32))
        return (height - kept[0]) // 2, (width - kept[1]) // 2, kept[0], kept[1]


def _each(
    columns: tuple[tf.Tensor, ...],
    read: Callable[..., tuple[tf.Tensor, ...]],
    specs: tuple[tf.TensorSpec, ...],
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Return what is read of each image, though reading some fails.

    Args:
        columns: What is known of the images, each of shape (n, ...).
        read: From what is known of one image to what is asked for.
        specs: Of that.

    Returns:
        One tensor a spec, of shape (n, ...), zeros or empty where reading failed; and
        where it did not, bool, shape (n,).
    """
    count = tf.shape(columns[0])[0]
    # Without any image there would be no batch: one that belongs nowhere is first.
    blank = [tf.zeros(spec.shape, spec.dtype) for spec in specs]
    nowhere = tf.data.Dataset.from_tensors((tf.constant(-1), *blank))
    # Of a dataset alone, an element may fail without the others.
    found = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), *columns))
        .map(
            lambda place, *one: (place, *read(*one)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .ignore_errors()
    )
    together = nowhere.concatenate(found).batch(tf.cast(count, tf.int64) + 1)
    places, *values = together.get_single_element()
    # What was read of each image stands behind what belongs nowhere, or is that.
    order = tf.scatter_nd(places[1:, None], tf.range(1, tf.size(places)), [count])
    return [tf.gather(value, order) for value in values], order > 0


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn and mirror an image as its EXIF orientation, 1 to 8, says."""

    def is_one_of(*numbers: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(numbers))

    def turned() -> tf.Tensor:
        out = tf.cond(
            orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image
        )
        out = tf.cond(is_one_of(2, 3, 6, 7), lambda: out[:, ::-1], lambda: out)
        return tf.cond(is_one_of(3, 4, 7, 8), lambda: out[::-1], lambda: out)

    return tf.cond(orientation == 1, lambda: image, turned)


def _over_white(content: tf.Tensor) -> tf.Tensor:
    """Return a transparent PNG laid over white, rounded as Pillow does."""
    # In 16 bits, which just suffice: a picture may be as large as memory allows.
    layers = tf.cast(tf.io.decode_png(content, channels=4), tf.uint16)
    colour, alpha = layers[..., :3], layers[..., 3:]
    sums = colour * alpha + (255 * (255 - alpha) + 128)
    eighth = tf.constant(8, tf.uint16)
    sums += tf.bitwise.right_shift(sums, eighth)
    return tf.cast(tf.bitwise.right_shift(sums, eighth), tf.uint8)


def _deep(content: tf.Tensor) -> tf.Tensor:
    """Return a grey PNG of 16 bits, divided by 257."""
    grey = tf.cast(tf.io.decode_png(content, 1, tf.uint16), tf.int32)
    return tf.repeat(tf.cast((2 * grey + 257) // 514, tf.uint8), 3, axis=-1)
