"""Bytes of a file inside a graph: numbers, patterns, orientation by EXIF or XMP."""

from typing import Any

import tensorflow as tf

from tfpipeline.core import image_formats

# As regular expressions; `\C` is any byte.
EXIF = r"Exif\x00\x00"
_IN_XMP = r"\C*?tiff:Orientation(?:=\"|>)([0-9])\C*"

# Bytes of a value of each type in a TIFF directory; 0 where there is no such type.
_UNITS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8)
_SHORT, _LONG = 3, 4


def orientation_of(
    exif: tf.Tensor, xmp: tf.Tensor, rare: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the orientation by EXIF, else by XMP, and whether Pillow has the same.

    Not where it is asked of what is `rare`, which is not read here.
    """
    exif = without(exif, f"(?:{EXIF})+")
    nothing = (tf.constant(-1), tf.constant(True))
    by_exif, certain = tf.cond(exif == "", lambda: nothing, lambda: _directory(exif))
    digit = tf.strings.regex_replace(xmp, _IN_XMP, r"\1")
    by_xmp = tf.strings.to_number(tf.where(matches(xmp, _IN_XMP), digit, "1"), tf.int32)
    turn = tf.where(by_exif < 0, by_xmp, by_exif)
    turn = tf.where((turn >= 1) & (turn <= 8), turn, 1)
    return turn, certain & ((by_exif >= 0) | tf.logical_not(rare))


def _directory(exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what the directory behind a TIFF header says, -1 for nothing.

    Also whether Pillow has the same: not where the tag comes twice, of another type, or
    behind a value outside of the block, at which Pillow may stop reading.
    """
    little, size = starts(exif, b"II*\x00"), tf.strings.length(exif)

    def values_at(at: Any, length: Any, kind: Any = tf.int32) -> tf.Tensor:
        orders = (numbers(exif, at, length, kind, big) for big in (False, True))
        return tf.where(little, *orders)

    def read() -> tuple[tf.Tensor, tf.Tensor]:
        start = values_at(4, 4)[0]
        there = (start >= 0) & (start <= size - 2)
        start = tf.where(there, start, size - 2)
        count = tf.minimum(values_at(start, 2, tf.uint16)[0], (size - start - 2) // 12)
        words = tf.reshape(values_at(start + 2, 12 * count, tf.uint16), (-1, 6))
        longs = tf.reshape(values_at(start + 2, 12 * count), (-1, 3))
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
    known = (little | starts(exif, b"MM\x00*")) & (size >= 8)
    return tf.cond(known, read, lambda: unknown)


def numbers(
    content: tf.Tensor, at: Any, length: Any, kind: Any = tf.int32, big: bool = False
) -> tf.Tensor:
    """Return a part of a file as numbers, int32; their lowest bytes come first."""
    part = tf.strings.substr(content, at, length)
    return tf.cast(tf.io.decode_raw(part, kind, little_endian=not big), tf.int32)


def starts(content: tf.Tensor, magic: bytes) -> tf.Tensor:
    """Return whether a file begins so."""
    return tf.strings.substr(content, 0, len(magic)) == magic


def matches(text: tf.Tensor, pattern: str) -> tf.Tensor:
    """Return whether all of a text is as a pattern says."""
    return tf.strings.regex_full_match(text, pattern)


def without(text: tf.Tensor, pattern: str) -> tf.Tensor:
    """Return a text without what a pattern says of its beginning."""
    return tf.strings.regex_replace(text, f"^{pattern}", "", replace_global=False)
