"""Random changes of training images, each drawn from a seed alone.

Keras has layers of these names, but their draws come from a state inside the layer: an
image's change would depend on how many came before it. Here it depends on its seed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

# Part of the name of kept views: raise it when a change of this file changes them.
RULES = 2

# Of `light`: what an object on a photograph survives without changing its name.
MAX_ROTATION_DEGREES = 12.0
MAX_SHIFT = 0.08
MAX_ZOOM = 0.15

# Of `randaugment`: how many changes in a row, and how strong each is, out of 10.
RANDAUGMENT_CHANGES = 2
RANDAUGMENT_MAGNITUDE = 7

# Of the Beta distributions from which the shares of a mixed image are drawn.
MIXUP_ALPHA = 0.2
CUTMIX_ALPHA = 1.0


def _warp(image: tf.Tensor, a: list[tf.Tensor | float]) -> tf.Tensor:
    """Read output (x, y) at (a0 x + a1 y + a2, a3 x + a4 y + a5), from the middle.

    Shifts are shares of the size.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    middle = (size - 1) / 2
    c = middle[1] - a[0] * middle[1] - a[1] * middle[0] + a[2] * size[1]
    f = middle[0] - a[3] * middle[1] - a[4] * middle[0] + a[5] * size[0]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=tf.stack([a[0], a[1], c, a[3], a[4], f, 0.0, 0.0])[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )[0]
    return tf.ensure_shape(moved, image.shape)


def light(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flip, turn, shift and zoom an image a little; edges are mirrored."""
    draws = tf.random.stateless_uniform([5], seed, -1.0, 1.0)
    angle = draws[0] * (MAX_ROTATION_DEGREES * math.pi / 180)
    zoom = tf.exp(draws[1] * math.log1p(MAX_ZOOM))
    flip = tf.where(draws[2] < 0, -1.0, 1.0)
    shift = draws[3:5] * MAX_SHIFT
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    return _warp(image, [flip * cos, -flip * sin, shift[1], sin, cos, shift[0]])


def _blend(image: tf.Tensor, other: tf.Tensor | float, m: tf.Tensor) -> tf.Tensor:
    """Move an image away from another one, or towards it where negative."""
    return tf.clip_by_value(other + (image - other) * (1 + m * 0.9), 0.0, 255.0)


def _grey(image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(image * tf.constant([0.299, 0.587, 0.114]), -1, keepdims=True)


def _blurred(image: tf.Tensor) -> tf.Tensor:
    kernel = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    weights = tf.tile(kernel[:, :, None, None], [1, 1, 3, 1])
    edged = tf.pad(image, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    return tf.nn.depthwise_conv2d(edged[None], weights, [1] * 4, "VALID")[0]


def _autocontrast(image: tf.Tensor, m: tf.Tensor) -> tf.Tensor:
    low = tf.reduce_min(image, axis=(0, 1))
    span = tf.reduce_max(image, axis=(0, 1)) - low
    stretched = (image - low) * 255 / tf.maximum(span, 1.0)
    return tf.where(span > 0, stretched, image)


def _posterize(image: tf.Tensor, m: tf.Tensor) -> tf.Tensor:
    step = tf.pow(2.0, tf.round(tf.abs(m) * 4))
    return tf.floor(image / step) * step


def _solarize(image: tf.Tensor, m: tf.Tensor) -> tf.Tensor:
    return tf.where(image < 255 * (1 - tf.abs(m)), image, 255 - image)


def _rotate(image: tf.Tensor, m: tf.Tensor) -> tf.Tensor:
    cos, sin = tf.cos(m / 2), tf.sin(m / 2)
    return _warp(image, [cos, -sin, 0.0, sin, cos, 0.0])


# From an image, 0 to 255, and an amount in [-1, 1] to the changed image.
CHANGES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "identity": lambda image, m: image,
    "autocontrast": _autocontrast,
    "brightness": lambda image, m: _blend(image, 0.0, m),
    "colour": lambda image, m: _blend(image, _grey(image), m),
    "contrast": lambda image, m: _blend(image, tf.reduce_mean(_grey(image)), m),
    "sharpness": lambda image, m: _blend(image, _blurred(image), m),
    "posterize": _posterize,
    "solarize": _solarize,
    "rotate": _rotate,
    "shear_x": lambda image, m: _warp(image, [1.0, m * 0.3, 0.0, 0.0, 1.0, 0.0]),
    "shear_y": lambda image, m: _warp(image, [1.0, 0.0, 0.0, m * 0.3, 1.0, 0.0]),
    "translate_x": lambda image, m: _warp(image, [1.0, 0.0, m * 0.3, 0.0, 1.0, 0.0]),
    "translate_y": lambda image, m: _warp(image, [1.0, 0.0, 0.0, 0.0, 1.0, m * 0.3]),
}


def randaugment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flip by chance, then make changes drawn out of `CHANGES`.

    Source: Cubuk et al., RandAugment, arXiv:1909.13719.
    """
    shape = image.shape
    which = tf.random.stateless_uniform(
        [RANDAUGMENT_CHANGES], seed, 0, len(CHANGES), tf.int32
    )
    draws = tf.random.stateless_uniform([RANDAUGMENT_CHANGES + 1], seed, -1.0, 1.0)
    image = tf.cast(image, tf.float32)
    image = tf.where(draws[-1] < 0, tf.reverse(image, [1]), image)
    for k in range(RANDAUGMENT_CHANGES):
        amount = tf.sign(draws[k]) * RANDAUGMENT_MAGNITUDE / 10
        branches = [partial(change, image, amount) for change in CHANGES.values()]
        image = tf.ensure_shape(tf.switch_case(which[k], branches), shape)
    return image


# From images and targets of a batch, and a seed an image, to mixed images and targets.
Mix = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def _other(seeds: tf.Tensor, use: int) -> tf.Tensor:
    """Return seeds for another use: one seed would draw the same numbers again."""
    number = tf.constant(use, seeds.dtype)
    return tf.map_fn(
        lambda seed: tf.random.experimental.stateless_fold_in(seed, number), seeds
    )


def _shares(seeds: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draw from Beta(alpha, alpha), one for each seed, shape (batch,)."""

    def draw(seed: tf.Tensor) -> tf.Tensor:
        both = tf.random.stateless_gamma([2], seed, alpha)
        return tf.math.divide_no_nan(both[0], tf.reduce_sum(both))

    return tf.map_fn(draw, seeds, fn_output_signature=tf.float32)


def _mix(
    images: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each image with its neighbour in the batch by a mask, targets by its mean."""
    share = tf.reduce_mean(mask, axis=(1, 2, 3))[:, None]
    mixed = mask * images + (1 - mask) * tf.roll(images, 1, 0)
    return mixed, share * targets + (1 - share) * tf.roll(targets, 1, 0)


def mixup(
    images: tf.Tensor, targets: tf.Tensor, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend each image, and its target, with its neighbour in the batch.

    Source: Zhang et al., mixup, arXiv:1710.09412.
    """
    share = _shares(_other(seeds, 1), MIXUP_ALPHA)
    return _mix(images, targets, tf.maximum(share, 1 - share)[:, None, None, None])


def cutmix(
    images: tf.Tensor, targets: tf.Tensor, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Paste a box of its neighbour in the batch into each image; targets by area.

    Source: Yun et al., CutMix, arXiv:1905.04899.
    """
    side = tf.sqrt(1 - _shares(_other(seeds, 1), CUTMIX_ALPHA))
    middle = tf.map_fn(
        lambda seed: tf.random.stateless_uniform([2], seed),
        _other(seeds, 2),
        fn_output_signature=tf.float32,
    )
    rows = _inside(tf.shape(images)[1], middle[:, 0], side)
    columns = _inside(tf.shape(images)[2], middle[:, 1], side)
    box = rows[:, :, None, None] * columns[:, None, :, None]
    return _mix(images, targets, 1 - box)


def _inside(length: tf.Tensor, middle: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Return 1 where a pixel lies within a stretch, else 0; shape (batch, length)."""
    at = (tf.range(tf.cast(length, tf.float32)) + 0.5) / tf.cast(length, tf.float32)
    near = tf.abs(at[None] - middle[:, None]) < side[:, None] / 2
    return tf.cast(near, tf.float32)


@dataclass(frozen=True)
class Augmentation:
    """What happens to training images."""

    image: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None
    mix: Mix | None = None


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(None),
    "light": Augmentation(light),
    "randaugment": Augmentation(randaugment),
    "mixup": Augmentation(light, mixup),
    "cutmix": Augmentation(light, cutmix),
}
