"""How large a perturbation is: norms, their balls, and the steepest way through them.

Every function takes a batch, shape (batch, height, width, channels) or (batch, ...),
and treats each image on its own. A perturbation is the difference of two images in
[0, 1], and epsilon is in that space: 4/255 is four steps of an 8-bit picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine.epsilon import GREY_LEVEL, whole_steps

_TINY = 1e-30

# An image is rounded to float32 after it was moved into a ball: by so much the ball is
# smaller, so that it is in the ball afterwards as well.
_ROOM = 4e-5

# Bisections: each halves what is not known yet.
_HALVINGS = 30


@dataclass(frozen=True)
class Norm:
    """One way to measure a perturbation.

    Source: of the projections, Duchi et al., ICML 2008.
    """

    name: str
    # From perturbations to their norms, shape (batch,).
    size: Callable[[tf.Tensor], tf.Tensor]
    # From gradients to the dual norms: by how much a perturbation of norm 1 changes a
    # linear function, at most.
    dual: Callable[[tf.Tensor], tf.Tensor]
    # From gradients to the perturbations of norm 1 that climb fastest (of `l1`: that
    # climb well and change more than one value).
    steepest: Callable[[tf.Tensor], tf.Tensor]
    # From perturbations and radii, shape (batch,), to the nearest ones in the balls.
    project: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    # From the shape of an image, a seed of shape (2,), and a radius, to a random
    # perturbation in the ball: its noise as images have it, not evenly.
    start: Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor]
    # From the number of values of an image to a radius that every change lies in.
    unbounded: Callable[[int], float]

    def within(
        self, image: tf.Tensor, clean: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        """Return images moved into the balls around others, and into [0, 1]."""
        # Clipping moves every value nearer to one in [0, 1]: the ball is not left.
        return tf.clip_by_value(clean + self.project(image - clean, epsilon), 0.0, 1.0)

    def on_grid(
        self, image: tf.Tensor, clean: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        """Return images of 8-bit steps from others, in the ball.

        A step of 1/255 is more than most values of a small `l2` perturbation have:
        simple rounding would leave nothing. The perturbation is made larger, as far as
        its rounded values stay in the ball, which `image` is in.
        """
        if self.name == "linf":
            low, high = bounds(clean, whole_steps(epsilon))
            return on_levels(tf.clip_by_value(image, low, high))
        steps = (image - clean) / GREY_LEVEL
        rounded = self._rounded(steps, epsilon / GREY_LEVEL)
        return on_levels(clean + rounded * GREY_LEVEL)

    def _rounded(self, steps: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
        """Return whole numbers in a ball, as large as scaling makes them."""
        low, high = tf.zeros_like(radius), tf.fill(tf.shape(radius), 64.0)
        for _ in range(12):
            middle = (low + high) / 2
            fits = self.size(tf.round(steps * broad(middle, steps))) <= radius
            low, high = tf.where(fits, middle, low), tf.where(fits, high, middle)
        return tf.round(steps * broad(low, steps))


def broad(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Return one number an image, in a shape that is multiplied with images."""
    return tf.reshape(values, [-1] + [1] * (len(like.shape) - 1))


def bounds(clean: tf.Tensor, epsilon: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the least and the largest values in linf balls and in [0, 1]."""
    most = broad(epsilon, clean)
    return tf.maximum(clean - most, 0.0), tf.minimum(clean + most, 1.0)


def on_levels(image: tf.Tensor) -> tf.Tensor:
    """Return images whose values are just those that an 8-bit file gives back."""
    # Where a graph finds `/ 255` it multiplies instead, and misses the last digit: this
    # 255 is none that it can know of.
    first = tf.reshape(image, [-1])[:1]
    top = 255.0 * tf.cast((first > -1) | tf.math.is_nan(first), image.dtype)
    return tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255) / top


def _axes(values: tf.Tensor) -> list[int]:
    return list(range(1, len(values.shape)))


def _largest(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(values), _axes(values))


def _length(values: tf.Tensor) -> tf.Tensor:
    # By the largest value first: squares of tiny gradients are zero in float32.
    top = tf.maximum(_largest(values), _TINY)
    return top * tf.sqrt(
        tf.reduce_sum(tf.square(values / broad(top, values)), _axes(values))
    )


def _sum(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(values), _axes(values))


def _shrunk(values: tf.Tensor, size: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    """Return values divided so far that their size is a radius; smaller ones stay."""
    inner = epsilon * (1 - _ROOM)
    share = tf.where(size > inner, inner / tf.maximum(size, _TINY), 1.0)
    return values * broad(share, values)


def _clip(values: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    most = broad(epsilon, values)
    return tf.clip_by_value(values, -most, most)


def _onto_l1(values: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    """Return the nearest perturbation in an l1 ball: all values less by a threshold."""
    size, far = tf.abs(values), _sum(values) > epsilon
    low, high = tf.zeros_like(epsilon), _largest(values)
    # Bisection: a sort of all values costs more than a gradient.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rest = tf.reduce_sum(tf.nn.relu(size - broad(middle, size)), _axes(size))
        low = tf.where(rest > epsilon, middle, low)
        high = tf.where(rest > epsilon, high, middle)
    threshold = broad(tf.where(far, high, 0.0), size)
    less = tf.sign(values) * tf.nn.relu(size - threshold)
    return _shrunk(less, _sum(less), epsilon)


def _unit(values: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return values / broad(tf.maximum(size, _TINY), values)


def _sparse(gradient: tf.Tensor) -> tf.Tensor:
    """Return the steepest values of a gradient, at norm 1.

    The single steepest one is best for a linear function, and far too little for a
    network: it is soon at its bound.
    """
    kept = tf.abs(gradient) >= 0.1 * broad(_largest(gradient), gradient)
    steep = tf.where(kept, gradient, 0.0)
    return _unit(steep, _sum(steep))


def _uniform(shape: Any, seed: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    return epsilon * tf.random.stateless_uniform(shape, seed, -1.0, 1.0)


def _on_sphere(shape: Any, seed: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    noise = tf.random.stateless_normal(shape, seed)
    return epsilon * noise / tf.norm(noise)


def _on_diamond(shape: Any, seed: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    sides = tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
    # Exponential sizes are even on the diamond.
    noise = -tf.math.log(tf.maximum(tf.abs(sides), 1e-7)) * tf.sign(sides)
    return epsilon * noise / tf.maximum(tf.reduce_sum(tf.abs(noise)), _TINY)


NORMS: dict[str, Norm] = {
    norm.name: norm
    for norm in (
        Norm("linf", _largest, _sum, tf.sign, _clip, _uniform, lambda _: 1.0),
        Norm(
            "l2",
            _length,
            _length,
            lambda g: _unit(g, _length(g)),
            lambda v, epsilon: _shrunk(v, _length(v), epsilon),
            _on_sphere,
            lambda count: float(np.sqrt(count)),
        ),
        Norm("l1", _sum, _largest, _sparse, _onto_l1, _on_diamond, float),
    )
}
