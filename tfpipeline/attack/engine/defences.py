"""Changes of the input that are said to protect, and the attack that knows of them.

They take and return images in [0, 1], shape (batch, height, width, 3).
"""

from collections.abc import Callable, Mapping
from functools import partial

import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.model import Model
from tfpipeline.core.errors import UserError, unknown


def jpeg(image: tf.Tensor, quality: int = 75) -> tf.Tensor:
    """Return images as they come back from a JPEG file; no gradient passes."""

    def one(picture: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(tf.round(picture * 255), tf.uint8)
        file = tf.io.encode_jpeg(pixels, quality=quality)
        back = tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.cast(back, tf.float32) / 255

    kept = tf.map_fn(one, tf.clip_by_value(image, 0.0, 1.0))
    return tf.ensure_shape(kept, image.shape)


def bit_depth(image: tf.Tensor, bits: int = 4) -> tf.Tensor:
    """Return images with so many bits a value; no gradient passes.

    Source: feature squeezing, Xu et al., arXiv:1704.01155.
    """
    levels = 2.0**bits - 1
    return tf.round(image * levels) / levels


def smoothing(image: tf.Tensor, window: int = 3) -> tf.Tensor:
    """Return images of medians over a square window around each value.

    Gradients pass to the value that is the median.

    Source: feature squeezing, Xu et al., arXiv:1704.01155.
    """
    half = window // 2
    padded = tf.pad(image, [[0, 0], [half, half], [half, half], [0, 0]], "SYMMETRIC")
    height, width = image.shape[1:3]
    near = [
        padded[:, row : row + height, column : column + width]
        for row in range(window)
        for column in range(window)
    ]
    middle = (window * window + 1) // 2
    return tf.math.top_k(tf.stack(near, -1), middle).values[..., -1]


def noise(image: tf.Tensor, draw: tf.Tensor, levels: int = 8) -> tf.Tensor:
    """Return images with noise of so many steps of 1/255 on them; gradients pass.

    Source: random self-ensemble, Liu et al., arXiv:1712.00673.
    """
    shape = tuple(int(side) for side in image.shape[1:])
    drawn = random.each(lambda one: tf.random.stateless_normal(shape, one), draw, shape)
    return tf.clip_by_value(image + levels / 255 * drawn, 0.0, 1.0)


def resize_pad(image: tf.Tensor, draw: tf.Tensor, percent: int = 80) -> tf.Tensor:
    """Return images made smaller by chance, somewhere on black; gradients pass.

    Of a side, `percent` are left at least.

    Source: Xie et al., arXiv:1711.01991.
    """
    drawn = random.uniform(draw, 3)
    size = 1 / (1 - drawn[:, 0] * (1 - percent / 100))
    return random.shown_smaller(image, size, drawn[:, 1:], 0.0)


# By name, with what stands behind a colon after it.
DEFENCES: dict[str, Callable[..., tf.Tensor]] = {
    "jpeg": jpeg,
    "bit_depth": bit_depth,
    "smoothing": smoothing,
    "noise": noise,
    "resize_pad": resize_pad,
}

# Those that change an image differently each time, by a seed for each.
RANDOM = ("noise", "resize_pad")

# Those that no gradient passes, as they round.
ROUNDING = ("jpeg", "bit_depth")


# What the number behind the colon is, and from where to where it goes.
_STRENGTHS: Mapping[str, tuple[str, int, int]] = {
    "jpeg": ("quality", 1, 100),
    "bit_depth": ("bits", 1, 8),
    "smoothing": ("window", 3, 9),
    "noise": ("levels", 1, 128),
    "resize_pad": ("percent", 20, 99),
}


def is_random(word: str) -> bool:
    """Tell whether a defence, as `find` takes it, draws something for each image."""
    return word.partition(":")[0] in RANDOM


def find(word: str) -> Callable[..., tf.Tensor]:
    """Return a defence by its name, or name and strength, such as `jpeg:50`.

    It takes images, and, if it is random, a seed for each.

    Raises:
        UserError: There is none of the name, or the strength means nothing.
    """
    name, colon, strength = word.partition(":")
    if name not in DEFENCES:
        raise unknown("--defences", name, DEFENCES)
    if not colon:
        return DEFENCES[name]
    argument, least, most = _STRENGTHS[name]
    number = int(strength) if strength.isdecimal() else 0
    odd = name == "smoothing"
    if not least <= number <= most or odd and not number % 2:
        raise UserError(
            f"--defences {word}: expected a number from {least} to {most}"
            f"{' and odd' * odd} after the colon."
        )
    return partial(DEFENCES[name], **{argument: number})


def adaptive(model: Model, word: str) -> Model:
    """Return a network behind a defence, as an attack sees it that knows of it.

    Forward it is the defended network itself, and backward as well; but a defence that
    rounds is taken for a change of nothing there, which it nearly is. The word is that
    of a defence that is not random, as in `find`.

    Source: BPDA, Athalye et al., arXiv:1802.00420.
    """
    defence = find(word)
    if word.partition(":")[0] not in ROUNDING:
        return lambda image: model(defence(image))

    @tf.custom_gradient
    def straight(image: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
        return defence(image), lambda upstream: upstream

    return lambda image: model(straight(image))
