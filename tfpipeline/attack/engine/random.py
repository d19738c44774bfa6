"""Random numbers of an attack: of each image by the seed, its key and the step alone.

What one image gets does not depend on its batch mates, or on when it entered the batch.
"""

from collections.abc import Callable

import tensorflow as tf

# So many different draws a step.
_KINDS = 16


def seeds(
    seed: int, key: tuple[tf.Tensor, tf.Tensor], number: tf.Tensor, kind: int
) -> tf.Tensor:
    """Return a seed for each image.

    Args:
        seed: Of the attack.
        key: Of each image, and which of its restarts this is; int32, shape (batch,).
        number: Of its step, int32, shape (batch,).
        kind: Below 16: which of a step's draws it is.

    Returns:
        int32, shape (batch, 2).
    """
    # Keys and restarts are small: primes keep them apart.
    base = seed * 1_000_003 % 2**30
    first = base + key[0] + key[1] * 15_485_863
    return tf.stack([first, number * _KINDS + kind], 1)


def another(of: tf.Tensor, number: int) -> tf.Tensor:
    """Return seeds of further draws in the same step.

    Args:
        of: Seeds, shape (batch, 2).
        number: Which of the further draws it is; 0 is the first.
    """
    return of + tf.constant([number * 179_424_673 % 2**30, 0], of.dtype)


def each(
    draw: Callable[[tf.Tensor], tf.Tensor], of: tf.Tensor, shape: tuple[int, ...]
) -> tf.Tensor:
    """Return what is drawn for each image.

    Args:
        draw: From a seed of shape (2,) to numbers.
        of: Seeds, shape (batch, 2).
        shape: Of what is drawn.
    """
    drawn = tf.map_fn(draw, of, fn_output_signature=tf.float32)
    return tf.ensure_shape(drawn, (None, *shape))


def shown_smaller(
    image: tf.Tensor, size: tf.Tensor, place: tf.Tensor, fill: float
) -> tf.Tensor:
    """Return pictures shown smaller, somewhere on one colour; gradients pass.

    Args:
        image: In [0, 1], shape (batch, height, width, 3).
        size: How often the picture would fit into a side, from 1, shape (batch,).
        place: Down and across, from 0 to 1, shape (batch, 2).
        fill: Around it.
    """
    # A window larger than the picture.
    centre = 0.5 + (size[:, None] - 1) * (place - 0.5)
    half = size[:, None] / 2
    boxes = tf.concat([centre - half, centre + half], 1)
    count, sides = tf.shape(image)[0], image.shape[1:3]
    return tf.image.crop_and_resize(
        image, boxes, tf.range(count), sides, extrapolation_value=fill
    )


def uniform(of: tf.Tensor, *shape: int) -> tf.Tensor:
    """Return numbers in [0, 1) for each image.

    Args:
        of: Seeds, shape (batch, 2).
        shape: Of the numbers of one image.

    Returns:
        float32, shape (batch, *shape).
    """
    return each(lambda one: tf.random.stateless_uniform(shape, one), of, shape)
