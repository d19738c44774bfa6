"""Random changes of an image before the network sees it, so that no pixel is tuned.

Each is a frozen dataclass: called with images and a seed, it returns images of the same
shape. All images of a step are changed alike, so what one becomes does not depend on
its batch mates. Gradients pass through.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

GREY = 0.5


def _draw(seed: tf.Tensor, least: float, most: float, *shape: int) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, least, most)


def _framed(
    image: tf.Tensor,
    centre: Any,
    size: Any,
    fill: float,
    shown: tuple[int, int] | None = None,
) -> tf.Tensor:
    """Return what a window shows of images.

    Args:
        image: Shape (batch, height, width, 3).
        centre: Of the window, row and column; 0.5 is the middle of the image.
        size: Of the window: 1 is all, 2 has a border around the image.
        fill: Of what lies outside.
        shown: Height and width of what is returned; None is as the images.
    """
    batch, height, width, _ = image.shape
    half = tf.stack([size, size]) / 2
    box = tf.concat([centre - half, centre + half], 0)
    return tf.image.crop_and_resize(
        image,
        tf.tile(box[None], [batch, 1]),
        tf.range(batch),
        shown or (height, width),
        extrapolation_value=fill,
    )


@dataclass(frozen=True)
class Pad:
    """A border around the image, which becomes smaller by it.

    Args:
        pixels: Width of the border.
        value: Its grey, in [0, 1].
    """

    pixels: int = 12
    value: float = GREY

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size = 1 + 2 * self.pixels / tf.cast(tf.shape(image)[1], tf.float32)
        return _framed(image, tf.fill([2], 0.5), size, self.value)


@dataclass(frozen=True)
class Jitter:
    """A shift by whole pixels; what leaves on one side comes in on the other.

    Args:
        pixels: The largest shift.
    """

    pixels: int = 8

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shift = tf.random.stateless_uniform(
            [2], seed, -self.pixels, self.pixels + 1, tf.int32
        )
        return tf.roll(image, shift, axis=[1, 2])


@dataclass(frozen=True)
class Scale:
    """Larger or smaller, around the middle; grey comes in from outside.

    Args:
        least: The smallest factor.
        most: The largest factor.
    """

    least: float = 0.9
    most: float = 1.1

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return _framed(
            image, tf.fill([2], 0.5), 1 / _draw(seed, self.least, self.most), GREY
        )


@dataclass(frozen=True)
class Rotate:
    """Turned around the middle; what comes in is the mirrored rim.

    Its gradient is that of the rotation back, which is the exact one but for the
    interpolation.

    Args:
        degrees: The largest angle, in both senses.
    """

    degrees: float = 10

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        angle = _draw(seed, -self.degrees, self.degrees) * math.pi / 180
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
class Crop:
    """A part of the image at a random place, at the size of the whole.

    Args:
        least: The smallest part of a side.
        most: The largest part of a side.
    """

    least: float = 0.8
    most: float = 1.0

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = _draw(seed, 0.0, 1.0, 3)
        size = self.least + (self.most - self.least) * drawn[0]
        return _framed(image, size / 2 + drawn[1:] * (1 - size), size, GREY)


@dataclass(frozen=True)
class View:
    """Scale and jitter in one, at the cost of one: a window that looks at the image.

    Args:
        least: The smallest factor by which the image appears.
        most: The largest factor.
        shift: The largest shift of the window, as a part of its side.
        shown: Height and width of what is returned; None is as what came.
    """

    least: float = 0.6
    most: float = 1.15
    shift: float = 0.25
    shown: tuple[int, int] | None = None

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = _draw(seed, 0.0, 1.0, 3)
        # Even on a scale of factors, so that halves are as frequent as doubles.
        low, high = math.log(self.least), math.log(self.most)
        size = tf.exp(-(low + (high - low) * drawn[0]))
        centre = 0.5 + self.shift * size * (2 * drawn[1:] - 1)
        return _framed(image, centre, size, GREY, self.shown)


@dataclass(frozen=True)
class Sometimes:
    """Another transform in some of the steps.

    Args:
        transform: The other one.
        share: Of the steps in which it is applied.
    """

    transform: "Transform"
    share: float = 0.5

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.cond(
            _draw(seed, 0.0, 1.0) < self.share,
            lambda: self.transform(image, seed + tf.constant([0, 50])),
            lambda: tf.identity(image),
        )


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on every pixel.

    Args:
        deviation: Of the noise, in units of [0, 1].
    """

    deviation: float = 0.05

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[1], tf.shape(image)[1:]], 0)
        return image + tf.random.stateless_normal(shape, seed, stddev=self.deviation)


@dataclass(frozen=True)
class Colour:
    """Brighter or darker, with more contrast or less, each colour on its own.

    Args:
        shift: The largest change of brightness, in units of [0, 1].
        stretch: The largest change of contrast, as a part.
    """

    shift: float = 0.1
    stretch: float = 0.1

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = 2 * _draw(seed, 0.0, 1.0, 2, 3) - 1
        return (image - GREY) * (1 + self.stretch * drawn[0]) + (
            GREY + self.shift * drawn[1]
        )


Transform = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

TRANSFORMS: dict[str, Callable[..., Transform]] = {
    "pad": Pad,
    "jitter": Jitter,
    "scale": Scale,
    "rotate": Rotate,
    "crop": Crop,
    "view": View,
    "noise": Noise,
    "colour": Colour,
}


def apply_all(
    transforms: Sequence[Transform], image: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Return images after one transform after the other, each with draws of its own.

    Args:
        transforms: In order.
        image: Shape (batch, height, width, 3).
        seed: int32, shape (2,).
    """
    for number, transform in enumerate(transforms):
        image = transform(image, seed + tf.constant([0, number + 1]))
    return image
