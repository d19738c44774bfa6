"""Random numbers of an attack: of each image by the seed, its key and the step alone.

What one image gets does not depend on its batch mates, or on when it entered the batch.
Seeds are int32, shape (batch, 2).
"""

from collections.abc import Callable

import tensorflow as tf

# So many different draws a step.
_KINDS = 16


def seeds(
    seed: int, key: tuple[tf.Tensor, tf.Tensor], number: tf.Tensor, kind: int
) -> tf.Tensor:
    """Return a seed for each image, by the seed of the attack and one kind of draws.

    The key is that of the image, and which of its restarts this is; the number that of
    its step.
    """
    # Keys and restarts are small: primes keep them apart.
    base = seed * 1_000_003 % 2**30
    first = base + key[0] + key[1] * 15_485_863
    return tf.stack([first, number * _KINDS + kind], 1)


def another(of: tf.Tensor, number: int) -> tf.Tensor:
    """Return the seeds of a further draw in the same step; 0 is the first."""
    return of + tf.constant([number * 179_424_673 % 2**30, 0], of.dtype)


def each(
    draw: Callable[[tf.Tensor], tf.Tensor], of: tf.Tensor, shape: tuple[int, ...]
) -> tf.Tensor:
    """Return what is drawn for each image, of a shape, from its own seed."""
    drawn = tf.map_fn(draw, of, fn_output_signature=tf.float32)
    return tf.ensure_shape(drawn, (None, *shape))


def uniform(of: tf.Tensor, *shape: int) -> tf.Tensor:
    """Return numbers in [0, 1) for each image, float32, shape (batch, *shape)."""
    return each(lambda one: tf.random.stateless_uniform(shape, one), of, shape)


def shown_smaller(
    image: tf.Tensor, size: tf.Tensor, place: tf.Tensor, fill: float
) -> tf.Tensor:
    """Return pictures shown smaller, somewhere on one colour; gradients pass.

    A picture would fit into a side `size` times, from 1; its place, shape (batch, 2),
    is down and across, from 0 to 1.
    """
    # A window larger than the picture.
    centre = 0.5 + (size[:, None] - 1) * (place - 0.5)
    half = size[:, None] / 2
    boxes = tf.concat([centre - half, centre + half], 1)
    count, sides = tf.shape(image)[0], image.shape[1:3]
    return tf.image.crop_and_resize(
        image, boxes, tf.range(count), sides, extrapolation_value=fill
    )
