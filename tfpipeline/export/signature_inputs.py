"""What a signature is sent: its shape checked in words, and of pixels their range."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core.image_io import OVERSHOOT

# As the official server has it, a request without an image is a wrong one.
_BATCH = r"[1-9]\d*"


def vector(sent: tf.Tensor, name: str) -> tf.Tensor:
    """Return strings, one an image; any other shape is an error that names both."""
    expected = "a string an image, one at least, shape (batch,)"
    return tf.ensure_shape(_with_shape(sent, name, _BATCH, expected), (None,))


def pixels(
    sent: tf.Tensor, name: str, size: Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return images whose values are in [0, 1]; any other shape is an error in words.

    What lies outside by no more than `OVERSHOOT` is clipped; what is no image is black.
    Behind them come whether each is one, bool (n,), and why not, string (n,).
    """
    sides = ", ".join(str(side) for side in size)
    expected = f"float32 in [0, 1], RGB, one image at least, shape (batch, {sides})"
    sent = _with_shape(sent, name, f"{_BATCH}, {sides}", expected)
    sent = tf.ensure_shape(sent, (None, *size))
    valid = in_range(sent)
    span = tf.stack([tf.reduce_min(sent, [1, 2, 3]), tf.reduce_max(sent, [1, 2, 3])])
    least, most = tf.unstack(tf.strings.as_string(span, shortest=True))
    outside = tf.strings.join(
        ["values from ", least, " to ", most, ", expected pixels in [0, 1]"]
    )
    finite = tf.reduce_all(tf.math.is_finite(sent), [1, 2, 3])
    why = tf.where(finite, outside, "values that are NaN or infinite")
    shown = tf.where(valid[:, None, None, None], tf.clip_by_value(sent, 0, 1), 0)
    return shown, valid, tf.where(valid, "", why)


def in_range(images: tf.Tensor) -> tf.Tensor:
    """Tell which images have the values of pixels, by operations of every runtime.

    No value is NaN, or further outside of [0, 1] than `OVERSHOOT`.
    """
    least, most = (r(images, [1, 2, 3]) for r in (tf.reduce_min, tf.reduce_max))
    # The mean of a NaN is one; some runtimes pass it over in the other two.
    mean = tf.reduce_mean(images, [1, 2, 3])
    return (least >= -OVERSHOOT) & (most <= 1 + OVERSHOOT) & (mean == mean)


def _with_shape(sent: tf.Tensor, name: str, shape: str, expected: str) -> tf.Tensor:
    """Return what is sent, where its shape, as text, matches an expression."""
    sides = tf.strings.as_string(tf.shape(sent))
    received = tf.strings.reduce_join(sides, separator=", ")
    fits = tf.strings.regex_full_match(received, shape)
    message = [f"{name}: expected {expected}. Received: shape (", received, ")."]
    check = tf.debugging.Assert(fits, [tf.strings.join(message)])
    with tf.control_dependencies([check]):
        return tf.identity(sent)


def check(signature: Any, given: Mapping[str, Any]) -> None:
    """Raise a ValueError where inputs have other names or types than a signature."""
    specs = signature.structured_input_signature[1]
    if set(given) != set(specs):
        raise ValueError(
            f"inputs: expected {', '.join(specs)}. Received: "
            f"{', '.join(sorted(given)) or 'none'}."
        )
    for name, spec in specs.items():
        if given[name].dtype != spec.dtype:
            raise ValueError(
                f"{name}: expected {spec.dtype.name}. Received: "
                f"{given[name].dtype.name}, shape {tuple(np.shape(given[name]))}."
            )
