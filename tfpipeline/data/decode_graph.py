"""The rules of `core.image_io` in a graph, and encoded images read by them in a server.

What the decoders here would show otherwise is turned, laid over white or scaled as
there, and what they cannot read is refused in words. Nothing that is sent makes its
neighbours fail.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.data import image_headers, profile_graph
from tfpipeline.data.image_headers import Header

DAMAGED = "damaged image"

_CMYK = 4

# A request of sixteen photographs of 24 million pixels is read.
MAX_REQUEST_PIXELS = 400_000_000

# How TensorFlow decodes a JPEG; the accurate transform is that of Pillow.
AS_PILLOW = {"channels": 3, "dct_method": "INTEGER_ACCURATE"}


@dataclass(frozen=True)
class Reader:
    """From encoded images to pixels, as a training reads them.

    Args:
        height: Of every image, in pixels; so is the width.
        how: `squash`, `crop` or `pad`; see `image_io.resize`.
        max_pixels: Height times width of what is sent, at most; more is refused before
            it is decoded. A pixel of 16 bits counts as four.
        max_request_pixels: Of all images that are sent together, at most; the largest
            are refused, so that small ones are read whatever else is sent.
        ranges: What is black and white in PNGs of 16 bits.
    """

    height: int
    width: int
    how: str
    max_pixels: int = image_formats.MAX_PIXELS
    max_request_pixels: int = MAX_REQUEST_PIXELS
    ranges: Ranges = WHOLE

    def __call__(self, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return images, and which of them could not be read.

        Args:
            contents: Encoded images, string, shape (n,).

        Returns:
            uint8, shape (n, height, width, 3), black where there is no image; whether
            there is one, bool, shape (n,); and why not, string, shape (n,).
        """
        header = self._bounded(self._headers(contents))
        (batch,), decoded = _each(
            (contents, *header),
            lambda content, *values: (self._image(content, Header(*values)),),
            (tf.TensorSpec((self.height, self.width, 3), tf.uint8),),
        )
        error = tf.where(decoded, header.reason, DAMAGED)
        batch = tf.ensure_shape(batch, (contents.shape[0], self.height, self.width, 3))
        error = tf.ensure_shape(error, (contents.shape[0],))
        return batch, tf.strings.length(error) == 0, error

    def _headers(self, contents: tf.Tensor) -> Header:
        """Return what each of some images says of itself, and why it is refused."""
        columns, whole = _each(
            (contents,),
            lambda content: image_headers.read(content, self.max_pixels),
            tuple(tf.TensorSpec((), kind) for kind in image_headers.TYPES),
        )
        header = Header(*columns)
        reason = tf.where(whole, header.reason, DAMAGED)
        return header._replace(reason=reason)

    def _bounded(self, header: Header) -> Header:
        """Refuse the largest images of a request that has too many pixels together.

        Those of other people may be in it: the server fills up its batches.
        """
        sizes = tf.where(header.reason == "", image_headers.weight(header), 0)
        smallest_first = tf.argsort(sizes, stable=True)
        sums = tf.cumsum(tf.gather(sizes, smallest_first))
        fits = tf.gather(sums <= self.max_request_pixels, tf.argsort(smallest_first))
        limit = self.max_request_pixels, "max_request_pixels"
        too_many = image_headers.too_large_for(header, *limit) + image_formats.TOGETHER
        reason = tf.where(fits | (header.reason != ""), header.reason, too_many)
        return header._replace(reason=reason)

    def _image(self, content: tf.Tensor, header: Header) -> tf.Tensor:
        """Return one image, uint8, shape (height, width, 3); black where refused."""
        shape = (self.height, self.width, 3)
        low, high = self.ranges.of("uint16")

        def read() -> tf.Tensor:
            return tf.cond(
                header.deep,
                lambda: self._fit(_upright(_deep(content, header, low, high), header)),
                lambda: self._fit(_upright(self._decode(content, header), header)),
            )

        image = tf.cond(
            tf.strings.length(header.reason) == 0,
            read,
            lambda: tf.zeros(shape, tf.uint8),
        )
        return tf.ensure_shape(image, shape)

    def _decode(self, content: tf.Tensor, header: Header) -> tf.Tensor:
        """Return the pixels as they lie in the file, uint8, in sRGB."""

        def in_srgb(image: tf.Tensor) -> tf.Tensor:
            return profile_graph.convert(image, header.profile)

        def jpeg() -> tf.Tensor:
            sides = tf.minimum(header.height, header.width)
            # As Pillow, which makes only grey and colours smaller while decoding them.
            most = tf.where(
                header.layers == _CMYK, 1, sides // max(self.height, self.width)
            )
            ratios = sorted(image_io.JPEG_RATIOS)
            fitting = tf.cast(tf.constant(ratios) <= tf.maximum(most, 1), tf.int32)
            read = functools.partial(tf.io.decode_jpeg, content, **AS_PILLOW)
            ways = [functools.partial(read, ratio=ratio) for ratio in ratios]
            return in_srgb(tf.switch_case(tf.reduce_sum(fitting) - 1, ways))

        def png() -> tf.Tensor:
            # Asked for an alpha channel, the decoder makes one up for some palettes.
            opaque = functools.partial(tf.io.decode_png, content, channels=3)
            return tf.cond(
                header.clear,
                lambda: _over_white(content, in_srgb),
                lambda: in_srgb(opaque()),
            )

        def gif() -> tf.Tensor:
            first = tf.strings.substr(content, 0, header.end)
            return tf.io.decode_gif(first + b";")[0]

        def bmp() -> tf.Tensor:
            return tf.io.decode_bmp(content, channels=3)

        def nothing() -> tf.Tensor:
            return tf.zeros((1, 1, 3), tf.uint8)

        image = tf.switch_case(header.kind, [nothing, jpeg, png, gif, bmp])
        return tf.ensure_shape(image, (None, None, 3))

    def _fit(self, image: tf.Tensor) -> tf.Tensor:
        """Return an image at its size, as `image_io.resize` does."""
        target = (self.height, self.width)
        place, kept = kept_part(tf.shape(image)[:2], target, self.how)
        return fit(crop(image, place, kept), target, self.how)


def kept_part(
    size: tf.Tensor, target: tuple[int, int], how: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return where the part of an image that is used begins, and its size, int32."""
    if how != "crop":
        return tf.zeros(2, tf.int32), size
    sides = tf.constant(target, tf.float64)
    scale = tf.reduce_min(tf.cast(size, tf.float64) / sides)
    kept = tf.maximum(1, tf.cast(tf.round(sides * scale), tf.int32))
    return (size - kept) // 2, kept


def crop(image: tf.Tensor, place: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return a part of an image."""
    return tf.slice(image, tf.pad(place, [[0, 1]]), tf.concat([size, [3]], 0))


def fit(image: tf.Tensor, target: tuple[int, int], how: str) -> tf.Tensor:
    """Return what `image_io.resize` makes of the part that is used, up to halves."""
    size, inner = tf.shape(image)[:2], tf.constant(target)
    if how == "pad":
        sides = tf.cast(size, tf.float64)
        scale = tf.reduce_min(tf.constant(target, tf.float64) / sides)
        inner = tf.maximum(1, tf.cast(tf.round(sides * scale), tf.int32))
    first = tf.minimum(size, inner)
    small = tf.cond(
        tf.reduce_all(first == size),
        lambda: tf.cast(image[None], tf.float32),
        lambda: tf.raw_ops.ResizeArea(images=image[None], size=first),
    )
    # Where nothing is left to do, it would copy the pixels one by one.
    large = tf.cond(
        tf.reduce_all(first == inner),
        lambda: small,
        lambda: tf.raw_ops.ResizeBilinear(
            images=small, size=inner, half_pixel_centers=True
        ),
    )
    resized = tf.cast(large[0] + 0.5, tf.uint8)
    if how == "pad":
        place = tf.unstack((tf.constant(target) - inner) // 2)
        resized = tf.image.pad_to_bounding_box(resized, *place, *target)
    return tf.ensure_shape(resized, (*target, 3))


def _each(
    columns: tuple[tf.Tensor, ...],
    read: Callable[..., tuple[tf.Tensor, ...]],
    specs: tuple[tf.TensorSpec, ...],
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Return what is read of each image, zeros where it fails, and where it did not."""
    count = tf.shape(columns[0])[0]
    # Without any image there would be no batch: one that belongs nowhere is first.
    blank = [tf.zeros(spec.shape, spec.dtype) for spec in specs]
    nowhere = tf.data.Dataset.from_tensors((tf.constant(-1), *blank))
    # Of a dataset alone, an element may fail without the others.
    rows = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), *columns))
        .map(
            lambda place, *values: (place, *read(*values)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .ignore_errors()
    )
    together = nowhere.concatenate(rows).batch(tf.cast(count, tf.int64) + 1)
    places, *values = together.get_single_element()
    # What was read of each image stands behind what belongs nowhere, or is that.
    order = tf.scatter_nd(places[1:, None], tf.range(1, tf.size(places)), [count])
    return [tf.gather(value, order) for value in values], order > 0


def _upright(image: tf.Tensor, header: Header) -> tf.Tensor:
    """Turn and mirror an image as its orientation says."""

    def change(among: tuple[int, ...], how: Callable[..., tf.Tensor]) -> tf.Tensor:
        mine = tf.reduce_any(header.orientation == tf.constant(among))
        return tf.cond(mine, lambda: how(image), lambda: image)

    image = change(image_io.TRANSPOSED, lambda image: tf.transpose(image, (1, 0, 2)))
    image = change(image_io.MIRRORED, lambda image: image[:, ::-1])
    return change(image_io.FLIPPED, lambda image: image[::-1])


def _over_white(
    content: tf.Tensor, in_srgb: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Return a transparent PNG laid over white, rounded as Pillow does."""
    layers = tf.io.decode_png(content, channels=4)
    # In 16 bits, which just suffice: a picture may be as large as memory allows.
    colour = tf.cast(in_srgb(layers[..., :3]), tf.uint16)
    alpha = tf.cast(layers[..., 3:], tf.uint16)
    sums = colour * alpha + (255 * (255 - alpha) + 128)
    eighth = tf.constant(8, tf.uint16)
    sums += tf.bitwise.right_shift(sums, eighth)
    return tf.cast(tf.bitwise.right_shift(sums, eighth), tf.uint8)


def _deep(content: tf.Tensor, header: Header, low: float, high: float) -> tf.Tensor:
    """Return a PNG of 16 bits as `brightness.shown` does, float32 in [0, 255]."""

    def scaled(samples: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value((tf.cast(samples, tf.float32) - low) * factor, 0, 255)

    def opaque() -> tf.Tensor:
        return scaled(tf.io.decode_png(content, 3, tf.uint16))

    def over_white() -> tf.Tensor:
        layers = tf.io.decode_png(content, 4, tf.uint16)
        alpha = tf.cast(layers[..., 3:], tf.float32) / 65535
        return tf.minimum(scaled(layers[..., :3]) * alpha + 255 * (1 - alpha), 255)

    factor = tf.constant(255 / (high - low), tf.float32)
    image = tf.cond(header.clear, over_white, opaque)

    def in_srgb() -> tf.Tensor:
        whole = tf.cast(image + 0.5, tf.uint8)
        return tf.cast(profile_graph.convert(whole, header.profile), tf.float32)

    # Only colours of 16 bits have a profile here; it is one of 8 bits.
    image = tf.cond(tf.strings.length(header.profile) > 0, in_srgb, lambda: image)
    return tf.ensure_shape(image, (None, None, 3))
