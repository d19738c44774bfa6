"""Random changes of a training image, each drawn from a seed alone."""

import math
from collections.abc import Callable

import tensorflow as tf

# Of `light`: what an object on a photograph survives without changing its name.
MAX_ROTATION_DEGREES = 12.0
MAX_SHIFT = 0.08
MAX_ZOOM = 0.15


def light(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flip, turn, shift and zoom an image a little; edges are mirrored.

    Args:
        image: uint8 or float, shape (height, width, channels).
        seed: Two integers, shape (2,); the same seed makes the same change.

    Returns:
        float32 of the same shape and range.
    """
    draws = tf.random.stateless_uniform([5], seed, -1.0, 1.0)
    angle = draws[0] * (MAX_ROTATION_DEGREES * math.pi / 180)
    zoom = tf.exp(draws[1] * math.log1p(MAX_ZOOM))
    flip = tf.where(draws[2] < 0, -1.0, 1.0)
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    middle = (size - 1) / 2
    shift = draws[3:5] * MAX_SHIFT * size
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    # Output (x, y) reads input (a x + b y + c, d x + e y + f), about the middle.
    a, b, d, e = flip * cos, -flip * sin, sin, cos
    c = middle[1] - a * middle[1] - b * middle[0] + shift[1]
    f = middle[0] - d * middle[1] - e * middle[0] + shift[0]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=tf.stack([a, b, c, d, e, f, 0.0, 0.0])[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )[0]
    return tf.ensure_shape(moved, image.shape)


AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None] = {
    "none": None,
    "light": light,
}
