"""What an encoded image says of itself, read inside a graph: for a served model.

`formats` asks Pillow; a server has only TensorFlow. What is not read exactly as there
is refused here in words, never shown otherwise.
"""

from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.core import image_formats
from tfpipeline.data import image_segments

# What `Header.kind` says, by its number.
REFUSED, JPEG, PNG, GIF, BMP = range(5)

_KINDS = {"jpeg": JPEG, "png": PNG, "gif": GIF, "bmp": BMP}
_MAGIC = [(_KINDS[n], magic) for n, _, magic in image_formats.MAGIC if n in _KINDS]

# Of a GIF, before and in its first frame; they are 255 bytes, but may be made shorter
# to keep a server busy.
_MOST_BLOCKS = 100_000

# States of the walk through a GIF.
_BLOCK, _SKIPPED, _PIXELS, _OVER = range(4)


@dataclass(frozen=True)
class Header:
    """What is known before pixels are decoded; all of it tensors, of one image or many.

    Args:
        kind: `REFUSED`, `JPEG`, `PNG`, `GIF` or `BMP`, int32.
        height: In pixels, as stored, int32.
        width: In pixels, as stored, int32.
        layers: Colours of a JPEG: 1, 3, or 4 for CMYK, int32; 0 for other kinds.
        deep: Whether it is a grey PNG of 16 bits.
        clear: Whether a PNG may be transparent somewhere.
        orientation: EXIF orientation, 1 to 8, int32.
        end: Bytes of a GIF up to the end of its first frame, int32; 0 for other kinds.
        reason: Why it is refused, a string; empty where it is not.
    """

    kind: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    layers: tf.Tensor
    deep: tf.Tensor
    clear: tf.Tensor
    orientation: tf.Tensor
    end: tf.Tensor
    reason: tf.Tensor


def read(content: tf.Tensor, max_pixels: int) -> Header:
    """Return what an encoded image says of itself.

    Args:
        content: A file, a scalar string.
        max_pixels: Height times width, at most; more is refused.

    Raises:
        tf.errors.InvalidArgumentError: When the graph runs, for a damaged header.
    """
    raw = tf.io.decode_raw(content, tf.uint8)
    kind = tf.constant(REFUSED)
    for number, magic in _MAGIC:
        starts = tf.strings.substr(content, 0, len(magic)) == magic
        kind = tf.where(starts, number, kind)
    zero, one, no = tf.constant(0), tf.constant(1), tf.constant(False)
    nothing = tf.constant("")
    unknown = tf.where(
        tf.strings.length(content) == 0,
        "empty file",
        "expected JPEG, PNG, GIF or BMP",
    )

    # Each: height, width, layers, deep, clear, orientation, end, reason.
    def jpeg() -> tuple[tf.Tensor, ...]:
        shape = tf.io.extract_jpeg_shape(content)
        turn = image_segments.jpeg_orientation(content, raw)
        return shape[0], shape[1], shape[2], no, no, turn, zero, nothing

    def png() -> tuple[tf.Tensor, ...]:
        return _png(content, raw)

    def gif() -> tuple[tf.Tensor, ...]:
        end, whole = _first_frame(raw)
        height, width = image_segments.number(raw[8:10]), image_segments.number(
            raw[6:8]
        )
        reason = tf.where(whole, "", "GIF with transparency: send PNG instead")
        return height, width, zero, no, no, one, end, reason

    def bmp() -> tuple[tf.Tensor, ...]:
        plain = (image_segments.number(raw[28:30]) == 24) & (
            image_segments.number(raw[30:34]) == 0
        )
        height, width = image_segments.number(raw[22:26]), image_segments.number(
            raw[18:22]
        )
        reason = tf.where(plain, "", "BMP of other than 24 bits: send PNG instead")
        return tf.abs(height), width, zero, no, no, one, zero, reason

    def refused() -> tuple[tf.Tensor, ...]:
        return one, one, zero, no, no, one, zero, unknown

    told = tf.switch_case(kind, [refused, jpeg, png, gif, bmp])
    height, width, layers, deep, clear, orientation, end, reason = told
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    flat = (height < 1) | (width < 1)
    reason = tf.where(flat, "no pixels: a side is 0 long", reason)
    large = pixels > max_pixels
    reason = tf.where(large, image_formats.too_large(max_pixels), reason)
    return Header(kind, height, width, layers, deep, clear, orientation, end, reason)


def _png(content: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return what the header of a PNG says, in the order of `read`."""
    # Else the size would be looked for at another place than the decoder does.
    tf.debugging.assert_equal(tf.strings.substr(content, 12, 4), b"IHDR")
    found = image_segments.png_chunks(content, raw)
    depth, colours = raw[24], raw[25]
    # Grey of 16 bits is divided; in colours the lower byte is dropped, as Pillow does.
    deep = (depth == 16) & (colours == 0)
    keyed = found.keys > 0
    clear = keyed | (colours == 4) | (colours == 6)
    # Pillow, which trains, compares such a key to other numbers, or takes the last one.
    grey = (colours == 0) & ((depth == 2) | (depth == 4))
    otherwise = grey | (colours == 2) & (depth == 16) | found.late | (found.keys > 1)
    reason = tf.where(keyed & otherwise, "PNG with a colour key of a rare kind", "")
    reason = tf.where(found.packed, "PNG with EXIF in compressed text", reason)
    reason = tf.where(reason == "", "", reason + ": send it without")
    height = image_segments.number(raw[20:24], big=True)
    width = image_segments.number(raw[16:20], big=True)
    zero = tf.constant(0)
    return height, width, zero, deep, clear, found.orientation, zero, reason


def _first_frame(raw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return where the first frame of a GIF ends, and whether it hides all behind it.

    An animation may have any number of frames, and they would all be decoded.

    Args:
        raw: The file, uint8.

    Raises:
        tf.errors.InvalidArgumentError: When the graph runs: it ends too early.
    """
    values = tf.cast(raw, tf.int32)

    def colours(flags: tf.Tensor) -> tf.Tensor:
        size = 3 * tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
        return tf.where(flags >= 128, size, 0)

    def step(
        state: tf.Tensor, at: tf.Tensor, whole: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        first = values[at]

        def block() -> tuple[tf.Tensor, ...]:
            # An extension, or the picture: what else there may be ends the file.
            tf.debugging.assert_equal((first == 0x21) | (first == 0x2C), True)

            def extension() -> tuple[tf.Tensor, ...]:
                control = values[at + 1] == 0xF9
                hides = tf.bitwise.bitwise_and(values[at + 3], 1) == 0
                return tf.constant(_SKIPPED), at + 2, whole & (hides | ~control)

            def picture() -> tuple[tf.Tensor, ...]:
                place, size = values[at + 1 : at + 5], values[at + 5 : at + 9]
                covers = tf.reduce_all(place == 0) & tf.reduce_all(size == values[6:10])
                after = at + 11 + colours(values[at + 9])
                return tf.constant(_PIXELS), after, whole & covers

            return tf.cond(first == 0x21, extension, picture)

        def data() -> tuple[tf.Tensor, ...]:
            after = tf.where(state == _PIXELS, _OVER, _BLOCK)
            return tf.where(first == 0, after, state), at + 1 + first, whole

        return tf.cond(state == _BLOCK, block, data)

    begin = (tf.constant(_BLOCK), 13 + colours(values[10]), tf.constant(True))
    state, end, whole = tf.while_loop(
        lambda state, *_: state != _OVER,
        step,
        begin,
        parallel_iterations=1,
        maximum_iterations=_MOST_BLOCKS,
    )
    tf.debugging.assert_equal(state, _OVER)
    return end, whole
