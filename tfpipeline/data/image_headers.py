"""What an encoded image says of itself, read inside a graph: a server has no Pillow.

What is not read exactly as Pillow does, by which `core.image_io` goes, is refused in
words, never shown otherwise.
"""

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from tfpipeline.core import image_formats

# What `Header.kind` says, by its number.
REFUSED, JPEG, PNG, GIF, BMP = range(5)

_KINDS = {"jpeg": JPEG, "png": PNG, "gif": GIF, "bmp": BMP}
_MAGIC = [(_KINDS[n], magic) for n, _, magic in image_formats.MAGIC if n in _KINDS]

# What has more is made to keep a server busy, and is refused.
_MOST_SEGMENTS, _MOST_CHUNKS, _MOST_BLOCKS = 5_000, 100_000, 100_000

# Markers of a JPEG without content: fill, restarts, start and end, extensions.
_BARE = (0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))
_APP1, _APP14, _SCAN = 0xE1, 0xEE, 0xDA

# As regular expressions; `\C` is any byte.
_EXIF, _XMP = r"Exif\x00\x00", r"http://ns\.adobe\.com/xap/1\.0/\x00"
# Text of a PNG that Pillow takes for EXIF or XMP; only XMP as it should be is read.
_EXIF_TEXT = r"exif(?:\x00\C*)?"
_OTHER_TEXT = r"(?:xmp|Raw profile type exif|XML:com\.adobe\.xmp)(?:\x00\C*)?"
_PLAIN_XMP = r"XML:com\.adobe\.xmp\x00\x00\C[^\x00]*\x00[^\x00]*\x00(\C*)"
_IN_XMP = r"\C*?tiff:Orientation(?:=\"|>)([0-9])\C*"

# Bytes of a value of each type in a TIFF directory; 0 where there is no such type.
_UNITS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8)
_SHORT, _LONG = 3, 4

# States of the walk through a GIF.
_BLOCK, _SKIPPED, _PIXELS = range(3)


class Header(NamedTuple):
    """What is known before pixels are decoded: tensors, of one image or of many.

    `layers` are colours of a JPEG, 4 for CMYK; `deep` a PNG of 16 bits; `clear` a
    PNG that may be transparent somewhere; `end` where the first frame of a GIF ends, in
    bytes. Each is 0 for other kinds. An image with a `reason` is refused.
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


TYPES = (*[tf.int32] * 4, tf.bool, tf.bool, tf.int32, tf.int32, tf.string)


def read(content: tf.Tensor, max_pixels: int) -> Header:
    """Return what a file, a scalar string, says of itself; more pixels are refused.

    Raises:
        tf.errors.InvalidArgumentError: When the graph runs, for a damaged header.
    """
    kind = tf.constant(REFUSED)
    for number, magic in _MAGIC:
        kind = tf.where(_starts(content, magic), number, kind)
    readers = [partial(f, content) for f in (_refused, _jpeg, _png, _gif, _bmp)]
    height, width, *rest, reason = tf.switch_case(kind, readers)
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    flat = (height < 1) | (width < 1)
    reason = tf.where(flat, "no pixels: a side is 0 long", reason)
    too_large = image_formats.too_large(max_pixels)
    reason = tf.where(pixels > max_pixels, too_large, reason)
    return Header._make((kind, height, width, *rest, reason))


def _columns(
    height: Any, width: Any, reason: Any = "", **others: Any
) -> tuple[tf.Tensor, ...]:
    """Return all of a header but its kind, with what is usual."""
    usual = {"layers": 0, "deep": False, "clear": False, "orientation": 1, "end": 0}
    values = (height, width, *(usual | others).values(), reason)
    return tuple(tf.convert_to_tensor(v, t) for v, t in zip(values, TYPES[1:]))


def _refused(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    empty = tf.strings.length(content) == 0
    reason = tf.where(empty, "empty file", "expected JPEG, PNG, GIF or BMP")
    return _columns(1, 1, reason)


def _bmp(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    width, height = tf.unstack(_numbers(content, 18, 8), 2)
    (depth,) = tf.unstack(_numbers(content, 28, 2, tf.uint16), 1)
    plain = (depth == 24) & (_numbers(content, 30, 4)[0] == 0)
    reason = tf.where(plain, "", "BMP of other than 24 bits: send PNG instead")
    return _columns(tf.abs(height), width, reason)


def _jpeg(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    def step(
        _: tf.Tensor, at: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor, adobe: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        first, code, high, low = tf.unstack(_numbers(content, at, 4, tf.uint8), 4)
        skipped = (first != 0xFF) | (code == 0xFF)
        bare = tf.reduce_any(code == tf.constant(_BARE))
        end = at + 2 + tf.maximum(256 * high + low, 2)
        length = tf.where(~skipped & (code == _APP1), end - at - 4, 0)
        body = tf.strings.substr(content, at + 4, length)
        # Pillow joins the parts of EXIF, and takes the last packet of XMP.
        exif += tf.where(_is(body, _EXIF + r"\C*"), _without(body, _EXIF), "")
        xmp = tf.where(_is(body, _XMP + r"\C*"), _without(body, _XMP), xmp)
        after = tf.where(skipped, at + 1, tf.where(bare, at + 2, end))
        marker = tf.strings.substr(content, at + 4, 5) == b"Adobe"
        # libjpeg heeds none that is shorter.
        adobe |= ~skipped & (code == _APP14) & marker & (end - at - 4 >= 12)
        return ~skipped & (code == _SCAN), after, exif, xmp, adobe

    nothing, no = tf.constant(""), tf.constant(False)
    over, _, exif, xmp, adobe = _walk(step, (2, nothing, nothing, no), _MOST_SEGMENTS)
    turn, certain = _orientation(exif, xmp, False)
    rare = "JPEG with EXIF of a rare kind: send it without"
    reason = tf.where(certain & over, "", rare)
    height, width, layers = tf.unstack(tf.io.extract_jpeg_shape(content))
    # Pillow inverts such inks, libjpeg does not: it would be a negative.
    inks = "CMYK JPEG without Adobe's marker: send PNG instead"
    reason = tf.where((layers == 4) & ~adobe, inks, reason)
    return _columns(height, width, reason, layers=layers, orientation=turn)


def _png(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    # Else the size would be looked for at another place than the decoder does.
    tf.debugging.assert_equal(tf.strings.substr(content, 12, 4), b"IHDR")

    def step(_: tf.Tensor, at: tf.Tensor, *seen: tf.Tensor) -> tuple[Any, ...]:
        exif, xmp, rare, keys, late, pixels = seen
        length = _numbers(content, at, 4, big=True)[0]
        tf.debugging.assert_non_negative(length)
        kind = tf.strings.substr(content, at + 4, 4)

        def named() -> tuple[tf.Tensor, ...]:
            body = tf.strings.substr(content, at + 8, length)
            text, key = (kind != b"eXIf") & (kind != b"tRNS"), kind == b"tRNS"
            plain = (kind == b"iTXt") & _is(body, _PLAIN_XMP)
            other = text & _is(body, _OTHER_TEXT) & ~(plain & (xmp == ""))
            block = tf.where(text & _is(body, _EXIF_TEXT), "unknown", exif)
            packet = tf.strings.regex_replace(body, _PLAIN_XMP, r"\1")
            return (
                tf.where(kind == b"eXIf", body, block),
                tf.where(plain, packet, xmp),
                rare | other,
                keys + tf.cast(key, tf.int32),
                late | key & pixels,
            )

        names = tf.constant([b"eXIf", b"tRNS", b"tEXt", b"zTXt", b"iTXt"])
        known = tf.cond(tf.reduce_any(kind == names), named, lambda: seen[:5])
        return kind == b"IEND", at + 12 + length, *known, pixels | (kind == b"IDAT")

    nothing, no = tf.constant(""), tf.constant(False)
    begin = (8, nothing, nothing, no, 0, no, no)
    over, _, exif, xmp, rare, keys, late, _ = _walk(step, begin, _MOST_CHUNKS)
    turn, certain = _orientation(exif, xmp, rare)
    depth, colours = tf.unstack(_numbers(content, 24, 2, tf.uint8), 2)
    deep = depth == 16
    clear = (keys > 0) | (colours == 4) | (colours == 6)
    # Pillow, which trains, compares such a key to other numbers, or takes the last one.
    grey = (colours == 0) & ((depth == 2) | (depth == 4))
    odd = grey | (colours == 2) & (depth == 16) | late | (keys > 1)
    reason = tf.where((keys > 0) & odd, "PNG with a colour key of a rare kind", "")
    reason = tf.where(certain & over, reason, "PNG with EXIF or XMP of a rare kind")
    reason = tf.where(reason == "", "", reason + ": send it without")
    width, height = tf.unstack(_numbers(content, 16, 8, big=True), 2)
    return _columns(height, width, reason, deep=deep, clear=clear, orientation=turn)


def _gif(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Read up to the first frame: there may be many, and all would be decoded."""
    values = tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32)

    def colours(flags: tf.Tensor) -> tf.Tensor:
        size = 3 * tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
        return tf.where(flags >= 128, size, 0)

    def step(
        _: tf.Tensor, state: tf.Tensor, at: tf.Tensor, whole: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        first = values[at]

        def data() -> tuple[tf.Tensor, ...]:
            ends = first == 0
            after = tf.where(ends, _BLOCK, state)
            return ends & (state == _PIXELS), after, at + 1 + first, whole

        def extension() -> tuple[tf.Tensor, ...]:
            control = values[at + 1] == 0xF9
            hides = tf.bitwise.bitwise_and(values[at + 3], 1) == 0
            return no, tf.constant(_SKIPPED), at + 2, whole & (hides | ~control)

        def picture() -> tuple[tf.Tensor, ...]:
            # What else there may be ends the file.
            tf.debugging.assert_equal(first, 0x2C)
            place, size = values[at + 1 : at + 5], values[at + 5 : at + 9]
            covers = tf.reduce_all(place == 0) & tf.reduce_all(size == values[6:10])
            after = at + 11 + colours(values[at + 9])
            return no, tf.constant(_PIXELS), after, whole & covers

        cases = [(state != _BLOCK, data), (first == 0x21, extension)]
        return tf.case(cases, default=picture)

    no, begin = tf.constant(False), 13 + colours(values[10])
    over, _, end, whole = _walk(step, (_BLOCK, begin, True), _MOST_BLOCKS)
    tf.debugging.assert_equal(over, True)
    reason = tf.where(whole, "", "GIF with transparency: send PNG instead")
    width, height = tf.unstack(_numbers(content, 6, 4, tf.uint16), 2)
    return _columns(height, width, reason, end=end)


def _walk(step: Any, begin: tuple[Any, ...], most: int) -> Any:
    """Repeat a step until the first of what it returns is true."""
    return tf.while_loop(
        lambda over, *_: ~over,
        step,
        (tf.constant(False), *begin),
        parallel_iterations=1,
        maximum_iterations=most,
    )


def _orientation(
    exif: tf.Tensor, xmp: tf.Tensor, rare: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the orientation by EXIF, else by XMP, and whether Pillow has the same.

    Not where it is asked of what is `rare`, which is not read here.
    """
    exif = _without(exif, f"(?:{_EXIF})+")
    nothing = (tf.constant(-1), tf.constant(True))
    by_exif, certain = tf.cond(exif == "", lambda: nothing, lambda: _directory(exif))
    digit = tf.strings.regex_replace(xmp, _IN_XMP, r"\1")
    by_xmp = tf.strings.to_number(tf.where(_is(xmp, _IN_XMP), digit, "1"), tf.int32)
    turn = tf.where(by_exif < 0, by_xmp, by_exif)
    turn = tf.where((turn >= 1) & (turn <= 8), turn, 1)
    return turn, certain & ((by_exif >= 0) | tf.logical_not(rare))


def _directory(exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what the directory behind a TIFF header says, -1 for nothing.

    Also whether Pillow has the same: not where the tag comes twice, of another type, or
    behind a value outside of the block, at which Pillow may stop reading.
    """
    little, size = _starts(exif, b"II*\x00"), tf.strings.length(exif)

    def numbers(at: Any, length: Any, kind: Any = tf.int32) -> tf.Tensor:
        orders = (_numbers(exif, at, length, kind, big) for big in (False, True))
        return tf.where(little, *orders)

    def read() -> tuple[tf.Tensor, tf.Tensor]:
        start = numbers(4, 4)[0]
        there = (start >= 0) & (start <= size - 2)
        start = tf.where(there, start, size - 2)
        count = tf.minimum(numbers(start, 2, tf.uint16)[0], (size - start - 2) // 12)
        words = tf.reshape(numbers(start + 2, 12 * count, tf.uint16), (-1, 6))
        longs = tf.reshape(numbers(start + 2, 12 * count), (-1, 3))
        kind, (items, value) = words[:, 1], tf.unstack(longs[:, 1:], axis=1)
        units = tf.gather(_UNITS, tf.where(kind < len(_UNITS), kind, 0))
        taken = tf.cast(units, tf.int64) * tf.cast(items, tf.int64)
        end = tf.cast(value, tf.int64) + taken
        outside = (value < 0) | (end > tf.cast(size, tf.int64))
        bad = (units > 0) & ((items < 0) | (taken > 4) & outside)
        mine = words[:, 0] == image_formats.ORIENTATION
        before = tf.cumsum(tf.cast(mine, tf.int32)) == 0
        usual = ((kind == _SHORT) | (kind == _LONG)) & (items == 1)
        values = tf.where(kind == _SHORT, words[:, 4], tf.maximum(value, 0))[mine]
        odd = tf.reduce_any(bad & before | mine & ~usual) | (tf.size(values) > 1)
        return tf.concat([values, [-1]], 0)[0], ~odd | (tf.size(values) == 0)

    unknown = (tf.constant(-1), tf.constant(False))
    known = (little | _starts(exif, b"MM\x00*")) & (size >= 8)
    return tf.cond(known, read, lambda: unknown)


def _numbers(
    content: tf.Tensor, at: Any, length: Any, kind: Any = tf.int32, big: bool = False
) -> tf.Tensor:
    """Return a part of a file as numbers, int32; their lowest bytes come first."""
    part = tf.strings.substr(content, at, length)
    numbers = tf.io.decode_raw(part, kind, little_endian=not big)
    return tf.cast(numbers, tf.int32)


def _starts(content: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.strings.substr(content, 0, len(magic)) == magic


def _is(text: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.strings.regex_full_match(text, pattern)


def _without(text: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.strings.regex_replace(text, f"^{pattern}", "", replace_global=False)
