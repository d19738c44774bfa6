"""Random changes of an image before the network sees it, so that no pixel is tuned.

Each is a frozen dataclass: called with images and a seed, it returns images of the same
shape. All images of a step are changed alike, so what one becomes does not depend on
its batch mates. Gradients pass through.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

# From images, shape (batch, height, width, 3), and a seed, int32, shape (2,).
Transform = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

GREY = 0.5


@dataclass(frozen=True)
class Rotate:
    """Turned around the middle; what comes in is the mirrored rim.

    Its gradient is that of the rotation back: the exact one but for the interpolation.
    """

    degrees: float = 10

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_uniform((), seed, -self.degrees, self.degrees)
        angle = drawn * math.pi / 180
        cosine, sine = tf.cos(angle), tf.sin(angle)
        shape = tf.cast(tf.shape(image), tf.float32)
        row, column = (shape[1] - 1) / 2, (shape[2] - 1) / 2
        right = column - cosine * column + sine * row
        down = row - sine * column - cosine * row
        zero = tf.zeros([])
        turn = tf.stack([cosine, -sine, right, sine, cosine, down, zero, zero])
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=image,
            transforms=turn[None],
            output_shape=tf.shape(image)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )


@dataclass(frozen=True)
class View:
    """Scale and jitter in one, at the cost of one: a window that looks at the image.

    Args:
        least: The smallest factor by which the image appears.
        most: The largest factor.
        shift: The largest shift of the window, as a part of its side.
        shown: Height and width of the result; None is as those of the image.
    """

    least: float = 0.6
    most: float = 1.15
    shift: float = 0.25
    shown: tuple[int, int] | None = None

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch, height, width, _ = image.shape
        drawn = tf.random.stateless_uniform((3,), seed)
        # Even on a scale of factors, so that halves are as frequent as doubles.
        low, high = math.log(self.least), math.log(self.most)
        size = tf.exp(-(low + (high - low) * drawn[0]))
        centre = 0.5 + self.shift * size * (2 * drawn[1:] - 1)
        half = tf.stack([size, size]) / 2
        box = tf.concat([centre - half, centre + half], 0)
        return tf.image.crop_and_resize(
            image,
            tf.tile(box[None], [batch, 1]),
            tf.range(batch),
            self.shown or (height, width),
            extrapolation_value=GREY,
        )


@dataclass(frozen=True)
class Sometimes:
    """Another transform in a share of the steps."""

    transform: Transform
    share: float = 0.5

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.cond(
            tf.random.stateless_uniform((), seed) < self.share,
            lambda: self.transform(image, seed + tf.constant([0, 50])),
            lambda: tf.identity(image),
        )


def apply_all(
    transforms: Sequence[Transform], image: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Return images after one transform after the other, each with draws of its own."""
    for number, transform in enumerate(transforms):
        image = transform(image, seed + tf.constant([0, number + 1]))
    return image
