"""What a signature is sent: its shape told in words, and of pixels what can be none."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core.image_io import OVERSHOOT

# As the official server has it, a request without an image is a wrong one.
_BATCH = r"[1-9]\d*"

# Of an image: whether its values can be pixels, and, where not, why.
Judged = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def vector(sent: tf.Tensor, name: str) -> tf.Tensor:
    """Return strings, one an image; any other shape is an error that names both.

    Args:
        sent: Of any shape.
        name: Of the input.
    """
    wanted = "a string an image, one at least, shape (batch,)"
    return tf.ensure_shape(_checked(sent, name, _BATCH, wanted), (None,))


def pixels(sent: tf.Tensor, name: str, size: Sequence[int]) -> Judged:
    """Return images whose values are in [0, 1]; any other shape is an error in words.

    Args:
        sent: float32 of any shape.
        name: Of the input.
        size: Height, width and colours of an image.

    Returns:
        The images, what lies outside by no more than `images.OVERSHOOT` clipped, and
        those that are none black; whether each is one, bool (n,); and why not, (n,).
    """
    sides = ", ".join(str(side) for side in size)
    wanted = f"float32 in [0, 1], RGB, one image at least, shape (batch, {sides})"
    sent = tf.ensure_shape(
        _checked(sent, name, f"{_BATCH}, {sides}", wanted), (None, *size)
    )
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

    Args:
        images: float32, shape (n, height, width, 3).

    Returns:
        bool, shape (n,): no value is NaN, or further outside of [0, 1] than
        `images.OVERSHOOT`.
    """
    least, most = (r(images, [1, 2, 3]) for r in (tf.reduce_min, tf.reduce_max))
    # The mean of a NaN is one; some runtimes pass it over in the other two.
    mean = tf.reduce_mean(images, [1, 2, 3])
    return (least >= -OVERSHOOT) & (most <= 1 + OVERSHOOT) & (mean == mean)


def _checked(sent: tf.Tensor, name: str, shape: str, wanted: str) -> tf.Tensor:
    """Return what is sent, where its shape, in words, is as expected."""
    sides = tf.strings.as_string(tf.shape(sent))
    received = tf.strings.reduce_join(sides, separator=", ")
    fits = tf.strings.regex_full_match(received, shape)
    said = [f"{name}: expected {wanted}. Received: shape (", received, ")."]
    check = tf.debugging.Assert(fits, [tf.strings.join(said)])
    with tf.control_dependencies([check]):
        return tf.identity(sent)


def check(signature: Any, given: Mapping[str, Any]) -> None:
    """Refuse inputs of other names or types than a signature has.

    Args:
        signature: Of a SavedModel that was loaded.
        given: Tensors by their names.

    Raises:
        ValueError: With what was expected and what came.
    """
    wanted = signature.structured_input_signature[1]
    if set(given) != set(wanted):
        raise ValueError(
            f"inputs: expected {', '.join(wanted)}. Received: "
            f"{', '.join(sorted(given)) or 'none'}."
        )
    for name, spec in wanted.items():
        if given[name].dtype != spec.dtype:
            raise ValueError(
                f"{name}: expected {spec.dtype.name}. Received: "
                f"{given[name].dtype.name}, shape {tuple(np.shape(given[name]))}."
            )
