"""Profiles of a matrix and curves in a graph, by the rules of `core.colour_profile`."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import colour_profile
from tfpipeline.data.file_fields import numbers

# A profile that is applied by tables of colours alone, damaged, or of other colours.
RARE = "a colour profile of a rare kind: send PNG in sRGB instead"

# So much behind a profile or a tag that what is always read is there.
_BEHIND = b"\0" * 132


# A part of a graph that is one operation of it. All that is in the branch of a
# condition costs time else, whether it is taken or not.
_apart = functools.partial(
    tf.function, autograph=False, experimental_attributes={"_noinline": True}
)


def judge(
    profile: tf.Tensor, grey: tf.Tensor, inks: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a profile, empty where it changes no colour, and why it is refused, if so.

    Args:
        profile: A scalar string; empty where there is none.
        grey: Whether it is that of a grey picture, a scalar.
        inks: Whether it is that of a CMYK picture.
    """
    # What is no profile by its length has no fields to be read.
    missing = tf.constant(""), tf.where(profile == "", "", RARE)
    short = tf.strings.length(profile) < len(_BEHIND)
    return tf.cond(short, lambda: missing, lambda: _judge(profile, grey, inks))


@_apart
def _judge(
    profile: tf.Tensor, grey: tf.Tensor, inks: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    table, usable = _table(profile)
    fits = (tf.strings.substr(profile, 16, 4) == colour_profile.RGB) | grey
    probes = tf.constant(colour_profile.PROBES.astype(np.int32))
    after = tf.cast(_part(probes, table), tf.int32)
    off = tf.reduce_max(tf.abs(after - probes))
    same = usable & (off <= colour_profile.ROUNDING)
    reason = tf.where(usable & fits & ~inks, "", RARE)
    return tf.where(same, "", profile), reason


def convert(image: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
    """Return pixels in sRGB by what `judge` returned.

    Args:
        image: uint8, shape (height, width, 3).
        profile: A scalar string; empty where nothing is to be done.

    Returns:
        uint8, of the same shape.
    """
    image = tf.ensure_shape(image, (None, None, 3))
    result = tf.cond(profile == "", lambda: image, lambda: _convert(image, profile))
    return tf.ensure_shape(result, image.shape)


@_apart
def _convert(image: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
    table, _ = _table(profile)
    height, width, _ = tf.unstack(tf.shape(image))
    # A few rows at a time: what is computed on the way takes much more memory.
    rows = tf.maximum(1, colour_profile.TOGETHER // width)
    count = -(-height // rows)
    parts = tf.TensorArray(
        tf.uint8, count, infer_shape=False, element_shape=(None, None, 3)
    )

    def step(number: tf.Tensor, parts: tf.TensorArray) -> tuple[Any, ...]:
        part = tf.cast(image[number * rows : (number + 1) * rows], tf.int32)
        return number + 1, parts.write(number, _part(part, table))

    _, parts = tf.while_loop(
        lambda number, _: number < count, step, (0, parts), parallel_iterations=1
    )
    return parts.concat()


def _part(values: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Return pixels of int32 in sRGB, uint8."""
    first, second, third = (tf.gather(table[i], values[..., i]) for i in range(3))
    light = tf.clip_by_value(first + second + third, 0, 1)
    places = tf.cast(light * 65535 + 0.5, tf.int32)
    return tf.gather(colour_profile.ENCODED, places)


@_apart
def _table(profile: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what `colour_profile.table_of` does, and whether it would return it."""
    size, whole = tf.strings.length(profile), profile + _BEHIND
    count = numbers(whole, 128, 4, big=True)[0]
    fits = (count >= 0) & (count <= (size - 132) // 12)
    count = tf.where(fits, count, 0)
    entries = tf.reshape(numbers(whole, 132, 12 * count, big=True), (-1, 3))
    names, places, lengths = tf.unstack(entries, axis=1)
    inside = (places >= 0) & (lengths >= 0) & (places <= size - lengths)
    fits &= tf.reduce_all(inside) & (tf.size(tf.unique(names)[0]) == count)

    def has(words: tuple[bytes, ...], at: int) -> tf.Tensor:
        return tf.reduce_any(tf.strings.substr(whole, at, 4) == tf.constant(words))

    fits &= has((b"acsp",), 36) & has((b"XYZ ",), 20)
    fits &= has(colour_profile.CLASSES, 12)
    others = [int.from_bytes(name, "big") for name in colour_profile.TABLES]
    fits &= ~tf.reduce_any(names[:, None] == tf.constant(others))

    def tag(name: bytes) -> tf.Tensor:
        mine = fits & (names == int.from_bytes(name, "big"))
        # What is not there begins and ends at nought.
        at, length = (tf.reduce_sum(tf.where(mine, v, 0)) for v in (places, lengths))
        return tf.strings.substr(profile, at, length)

    def colours() -> tuple[tf.Tensor, tf.Tensor]:
        rows, good = [], fits & has((colour_profile.RGB,), 16)
        curves = [tag(name) for name in colour_profile.CURVES]
        first = _curve(curves[0])
        for xyz, curve in zip(colour_profile.COLUMNS, curves):
            column = tag(xyz)
            good &= tf.strings.substr(column, 0, 4) == b"XYZ "
            good &= tf.strings.length(column) >= 20
            values = numbers(column + _BEHIND, 8, 12, big=True)
            values = tf.cast(values, tf.float64) / 65536
            share = tf.linalg.matvec(colour_profile.TO_LINEAR, values)
            # In most profiles all three are the same.
            light, known = tf.cond(
                curve == curves[0], lambda: first, lambda curve=curve: _curve(curve)
            )
            good &= known
            rows.append(light[:, None] * share)
        return tf.cast(tf.stack(rows), tf.float32), good

    def grey() -> tuple[tf.Tensor, tf.Tensor]:
        light, good = _curve(tag(colour_profile.GREY_CURVE))
        first = tf.repeat(tf.cast(light, tf.float32)[:, None], 3, axis=1)
        nothing = tf.zeros_like(first)
        return tf.stack([first, nothing, nothing]), fits & good

    return tf.cond(has((colour_profile.GREY,), 16), grey, colours)


@_apart
def _curve(tag: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what a curve makes of 0 to 255, and whether it is one."""
    x = tf.constant(np.arange(256) / 255)
    size, whole = tf.strings.length(tag), tag + _BEHIND

    def sampled() -> tuple[tf.Tensor, tf.Tensor]:
        count = numbers(whole, 8, 4, big=True)[0]
        fits = (count >= 0) & (count <= (size - 12) // 2)
        count = tf.where(fits, count, 0)
        # Two more, so that there are always some to be read.
        table = numbers(whole, 12, 2 * (count + 2), tf.uint16, big=True)
        table = tf.cast(table, tf.float64)
        gamma = tf.where(count == 1, table[0] / 256, 1)
        places = x * tf.cast(tf.maximum(count - 1, 1), tf.float64)
        below = tf.clip_by_value(tf.cast(places, tf.int32), 0, tf.maximum(count - 2, 0))
        first, second = tf.gather(table, below), tf.gather(table, below + 1)
        rest = places - tf.cast(below, tf.float64)
        between = (first + rest * (second - first)) / 65535
        return tf.where(count < 2, x**gamma, between), fits

    def parametric() -> tuple[tf.Tensor, tf.Tensor]:
        kind = numbers(whole, 8, 2, tf.uint16, big=True)[0]
        known = kind < len(colour_profile.PARAMETERS)
        kind = tf.where(known, kind, 0)
        count = tf.gather(colour_profile.PARAMETERS, kind)
        given = numbers(whole, 12, 28, big=True)
        given = tf.where(tf.range(7) < count, given, 0)
        values = tf.cast(given, tf.float64) / 65536
        g, a, b, c, d, e, f = tf.unstack(values)
        a = tf.where(kind == 0, tf.ones_like(a), a)
        early = (kind == 1) | (kind == 2)
        e, f, d = (
            tf.where(early, c, e),
            tf.where(early, c, f),
            tf.where(early, -b / a, d),
        )
        c = tf.where(early, tf.zeros_like(c), c)
        power = tf.maximum(a * x + b, 0) ** g + e
        return tf.where(x >= d, power, c * x + f), known & (12 + 4 * count <= size)

    def unknown() -> tuple[tf.Tensor, tf.Tensor]:
        return x, tf.constant(False)

    kind = tf.strings.substr(whole, 0, 4)
    cases = [(kind == b"curv", sampled), (kind == b"para", parametric)]
    light, known = tf.case(cases, default=unknown)
    light = tf.where(tf.math.is_nan(light), tf.zeros_like(light), light)
    return tf.clip_by_value(light, 0, 1), known
