"""What an encoded image says of itself, read inside a graph: a server has no Pillow.

What is not read exactly as Pillow does, by which `core.image_io` goes, is refused in
words, never shown otherwise.
"""

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from tfpipeline.core import image_formats
from tfpipeline.data import profile_graph
from tfpipeline.data.file_fields import (
    EXIF,
    matches,
    numbers,
    orientation_of,
    starts,
    without,
)

# What `Header.kind` says, by its number.
REFUSED, JPEG, PNG, GIF, BMP = range(5)

_KINDS = {"jpeg": JPEG, "png": PNG, "gif": GIF, "bmp": BMP}
_MAGIC = [(_KINDS[n], magic) for n, _, magic in image_formats.MAGIC if n in _KINDS]

# What has more is made to keep a server busy, and is refused.
_MOST_SEGMENTS, _MOST_CHUNKS, _MOST_BLOCKS = 5_000, 100_000, 100_000

# Markers of a JPEG without content: fill, restarts, start and end, extensions.
_BARE = (0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))
_APP1, _APP2, _APP14, _SCAN = 0xE1, 0xE2, 0xEE, 0xDA

# As regular expressions; `\C` is any byte.
_XMP = r"http://ns\.adobe\.com/xap/1\.0/\x00"
# Text of a PNG that Pillow takes for EXIF or XMP; only XMP as it should be is read.
_EXIF_TEXT = r"exif(?:\x00\C*)?"
_OTHER_TEXT = r"(?:xmp|Raw profile type exif|XML:com\.adobe\.xmp)(?:\x00\C*)?"
_PLAIN_XMP = r"XML:com\.adobe\.xmp\x00\x00\C[^\x00]*\x00[^\x00]*\x00(\C*)"

# A compressed profile of a matrix and curves is much smaller; a larger one is not
# unpacked, which could be made to take any memory.
_MOST_PROFILE = 65_536

# States of the walk through a GIF.
_BLOCK, _SKIPPED, _PIXELS = range(3)


class Header(NamedTuple):
    """What is known before pixels are decoded: tensors, of one image or of many.

    `layers` are colours of a JPEG, 4 for CMYK; `deep` a PNG of 16 bits; `clear` a
    PNG that may be transparent somewhere; `end` where the first frame of a GIF ends, in
    bytes; `profile` an ICC profile, empty where it changes no colour. Each is 0 for
    other kinds. An image with a `reason` is refused.
    """

    kind: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    layers: tf.Tensor
    deep: tf.Tensor
    clear: tf.Tensor
    orientation: tf.Tensor
    end: tf.Tensor
    profile: tf.Tensor
    reason: tf.Tensor


TYPES = (*[tf.int32] * 4, tf.bool, tf.bool, tf.int32, tf.int32, tf.string, tf.string)


def read(content: tf.Tensor, max_pixels: int) -> Header:
    """Return what a file, a scalar string, says of itself; more pixels are refused.

    Raises:
        tf.errors.InvalidArgumentError: When the graph runs, for a damaged header.
    """
    kind = tf.constant(REFUSED)
    for number, magic in _MAGIC:
        kind = tf.where(starts(content, magic), number, kind)
    readers = [partial(f, content) for f in (_refused, _jpeg, _png, _gif, _bmp)]
    height, width, *rest, reason = tf.switch_case(kind, readers)
    flat = (height < 1) | (width < 1)
    reason = tf.where(flat, "no pixels: a side is 0 long", reason)
    header = Header._make((kind, height, width, *rest, reason))
    too_large = too_large_for(header, max_pixels)
    reason = tf.where(weight(header) > max_pixels, too_large, reason)
    return header._replace(reason=reason)


def weight(header: Header) -> tf.Tensor:
    """Return for how many pixels of 8 bits an image, or each of many, counts: int64."""
    pixels = tf.cast(header.height, tf.int64) * tf.cast(header.width, tf.int64)
    # A header may lie: four times what it says would not fit into 64 bits.
    weighed = image_formats.DEEP_WEIGHT * tf.minimum(pixels, 2**60)
    return tf.where(header.deep, weighed, pixels)


def too_large_for(header: Header, *limit: Any) -> tf.Tensor:
    """Return the reason for which an image is refused; see `image_formats`."""
    reasons = (image_formats.too_large(*limit, deep=deep) for deep in (True, False))
    return tf.where(header.deep, *reasons)


def _columns(
    height: Any, width: Any, reason: Any = "", **others: Any
) -> tuple[tf.Tensor, ...]:
    """Return all of a header but its kind, with what is usual."""
    usual: dict[str, Any] = {"layers": 0, "deep": False, "clear": False}
    usual |= {"orientation": 1, "end": 0, "profile": ""}
    values = (height, width, *(usual | others).values(), reason)
    return tuple(tf.convert_to_tensor(v, t) for v, t in zip(values, TYPES[1:]))


def _refused(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    empty = tf.strings.length(content) == 0
    reason = tf.where(empty, "empty file", "expected JPEG, PNG, GIF or BMP")
    return _columns(1, 1, reason)


def _bmp(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    width, height = tf.unstack(numbers(content, 18, 8), 2)
    (depth,) = tf.unstack(numbers(content, 28, 2, tf.uint16), 1)
    plain = (depth == 24) & (numbers(content, 30, 4)[0] == 0)
    reason = tf.where(plain, "", "BMP of other than 24 bits: send PNG instead")
    return _columns(tf.abs(height), width, reason)


def _jpeg(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    def step(
        _: tf.Tensor, at: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor, *seen: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        adobe, *profile = seen
        first, code, high, low = tf.unstack(numbers(content, at, 4, tf.uint8), 4)
        skipped = (first != 0xFF) | (code == 0xFF)
        bare = tf.reduce_any(code == tf.constant(_BARE))
        end = at + 2 + tf.maximum(256 * high + low, 2)
        length = tf.where(~skipped & (code == _APP1), end - at - 4, 0)
        body = tf.strings.substr(content, at + 4, length)
        # Pillow joins the parts of EXIF, and takes the last packet of XMP.
        exif += tf.where(matches(body, EXIF + r"\C*"), without(body, EXIF), "")
        xmp = tf.where(matches(body, _XMP + r"\C*"), without(body, _XMP), xmp)
        after = tf.where(skipped, at + 1, tf.where(bare, at + 2, end))
        marker = tf.strings.substr(content, at + 4, 5) == b"Adobe"
        # libjpeg heeds none that is shorter.
        adobe |= ~skipped & (code == _APP14) & marker & (end - at - 4 >= 12)
        profile = tf.cond(
            ~skipped & (code == _APP2),
            lambda: _with_part(
                tf.strings.substr(content, at + 4, end - at - 4), *profile
            ),
            lambda: tuple(profile),
        )
        return ~skipped & (code == _SCAN), after, exif, xmp, adobe, *profile

    nothing, no = tf.constant(""), tf.constant(False)
    begin = (2, nothing, nothing, no, nothing, 0, 0)
    over, _, exif, xmp, adobe, *parts = _walk(step, begin, _MOST_SEGMENTS)
    turn, certain = orientation_of(exif, xmp, False)
    rare = "JPEG with EXIF of a rare kind: send it without"
    reason = tf.where(certain & over, "", rare)
    height, width, layers = tf.unstack(tf.io.extract_jpeg_shape(content))
    # Pillow inverts such inks, libjpeg does not: it would be a negative.
    inks = "CMYK JPEG without Adobe's marker: send PNG instead"
    reason = tf.where((layers == 4) & ~adobe, inks, reason)
    profile, count, declared = parts
    profile, odd = profile_graph.judge(profile, layers == 1, layers == 4)
    odd = tf.where(count == declared, odd, profile_graph.RARE)
    reason = tf.where((reason == "") & (odd != ""), "JPEG with " + odd, reason)
    known = {"layers": layers, "orientation": turn, "profile": profile}
    return _columns(height, width, reason, **known)


def _with_part(
    body: tf.Tensor, profile: tf.Tensor, count: tf.Tensor, declared: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return a profile with its next part, and how many there are and should be.

    Parts in another order than their numbers say are never as many as they should be.
    """
    mine = starts(body, b"ICC_PROFILE\0") & (tf.strings.length(body) >= 14)

    def add() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        number, of = tf.unstack(numbers(body, 12, 2, tf.uint8), 2)
        in_order = (number == count + 1) & ((count == 0) | (of == declared))
        whole = profile + tf.strings.substr(body, 14, -1)
        return whole, count + 1, tf.where(in_order, of, -1)

    return tf.cond(mine, add, lambda: (profile, count, declared))


def _png(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    # Else the size would be looked for at another place than the decoder does.
    tf.debugging.assert_equal(tf.strings.substr(content, 12, 4), b"IHDR")

    def step(_: tf.Tensor, at: tf.Tensor, *seen: tf.Tensor) -> tuple[Any, ...]:
        exif, xmp, profile, rare, keys, late, pixels = seen
        length = numbers(content, at, 4, big=True)[0]
        tf.debugging.assert_non_negative(length)
        kind = tf.strings.substr(content, at + 4, 4)

        def named() -> tuple[tf.Tensor, ...]:
            body = tf.strings.substr(content, at + 8, length)
            text, key = kind == tf.constant(texts), kind == b"tRNS"
            text = tf.reduce_any(text)
            plain = (kind == b"iTXt") & matches(body, _PLAIN_XMP)
            other = text & matches(body, _OTHER_TEXT) & ~(plain & (xmp == ""))
            block = tf.where(text & matches(body, _EXIF_TEXT), "unknown", exif)
            packet = tf.strings.regex_replace(body, _PLAIN_XMP, r"\1")
            return (
                tf.where(kind == b"eXIf", body, block),
                tf.where(plain, packet, xmp),
                tf.where(kind == b"iCCP", body, profile),
                rare | other,
                keys + tf.cast(key, tf.int32),
                late | key & pixels,
            )

        names = tf.constant([b"eXIf", b"tRNS", b"iCCP", *texts])
        known = tf.cond(tf.reduce_any(kind == names), named, lambda: seen[:6])
        return kind == b"IEND", at + 12 + length, *known, pixels | (kind == b"IDAT")

    texts = [b"tEXt", b"zTXt", b"iTXt"]
    nothing, no = tf.constant(""), tf.constant(False)
    begin = (8, *[nothing] * 3, no, 0, no, no)
    over, _, exif, xmp, packed, rare, keys, late, _ = _walk(step, begin, _MOST_CHUNKS)
    turn, certain = orientation_of(exif, xmp, rare)
    depth, colours = tf.unstack(numbers(content, 24, 2, tf.uint8), 2)
    deep = depth == 16
    clear = (keys > 0) | (colours == 4) | (colours == 6)
    # Pillow, which trains, compares such a key to other numbers, or takes the last one.
    grey = (colours == 0) & ((depth == 2) | (depth == 4))
    odd = grey | (colours == 2) & (depth == 16) | late | (keys > 1)
    reason = tf.where((keys > 0) & odd, "PNG with a colour key of a rare kind", "")
    reason = tf.where(certain & over, reason, "PNG with EXIF or XMP of a rare kind")
    reason = tf.where(reason == "", "", reason + ": send it without")
    is_grey = (colours == 0) | (colours == 4)
    profile, odd = _unpacked(tf.where(deep & is_grey, "", packed), is_grey)
    reason = tf.where((reason == "") & (odd != ""), "PNG with " + odd, reason)
    width, height = tf.unstack(numbers(content, 16, 8, big=True), 2)
    known = {"deep": deep, "clear": clear, "orientation": turn, "profile": profile}
    return _columns(height, width, reason, **known)


def _unpacked(packed: tf.Tensor, grey: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the profile of a PNG, and why it is refused; see `profile_graph.judge`."""
    nothing, large = tf.constant(""), tf.strings.length(packed) > _MOST_PROFILE

    def unpack() -> tuple[tf.Tensor, tf.Tensor]:
        # Before it stand a name, and how it is compressed.
        rest = without(packed, r"\C*?\x00\x00")
        profile = tf.io.decode_compressed(rest, "ZLIB")
        return profile_graph.judge(profile, grey, tf.constant(False))

    refused = tf.where(large, profile_graph.RARE, "")
    waits = (packed != "") & ~large
    return tf.cond(waits, unpack, lambda: (nothing, refused))


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
    width, height = tf.unstack(numbers(content, 6, 4, tf.uint16), 2)
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
