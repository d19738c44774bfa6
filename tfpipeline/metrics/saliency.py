"""Where in an image a network sees a class: Grad-CAM and SmoothGrad."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

# From images, and a callback that gets the maps as soon as they are there, to the maps
# of a layer, shape (batch, h, w, channels), and their logits, shape (batch, classes).
Forward = Callable[
    [tf.Tensor, Callable[[tf.Tensor], None]], tuple[tf.Tensor, tf.Tensor]
]


def grad_cam(forward: Forward, image: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Return how much each place of a layer's maps speaks for a class.

    It is float32 in [0, 1], shape (batch, h, w); the highest is 1, or all are 0 where
    nothing speaks for the class. Only what follows the maps needs a gradient, and is
    remembered for one.

    Source: Selvaraju et al., arXiv:1610.02391.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        maps, logits = forward(image, tape.watch)
        score = tf.reduce_sum(tf.gather(logits, indices, batch_dims=1))
    gradient = tf.cast(tape.gradient(score, maps), tf.float32)
    weight = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weight * tf.cast(maps, tf.float32), -1))
    return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))


def seen_by_all(
    forwards: Sequence[Forward], image: tf.Tensor, indices: tf.Tensor
) -> tf.Tensor:
    """Return Grad-CAM at the size of the images: the mean of several layers' maps.

    Args:
        forwards: Each gives the maps of one layer; an ensemble has several.
        image: In [0, 1], shape (batch, height, width, 3).
        indices: Of the class of each image, int32, shape (batch,).
    """
    maps = [grad_cam(forward, image, indices)[..., None] for forward in forwards]
    wide = [tf.image.resize(heat, tf.shape(image)[1:3]) for heat in maps]
    return tf.add_n(wide)[..., 0] / len(wide)


def smooth_grad(
    logits_of: Callable[[tf.Tensor], tf.Tensor],
    image: tf.Tensor,
    indices: tf.Tensor,
    *,
    samples: int = 16,
    deviation: float = 0.15,
    seed: int = 0,
) -> tf.Tensor:
    """Return how much each pixel matters to the logit of a class.

    Args:
        logits_of: From images to logits, shape (batch, classes).
        image: In [0, 1], shape (batch, height, width, 3).
        indices: Of the class of each image, int32, shape (batch,).
        samples: Noisy copies whose gradients are averaged.
        deviation: Of the noise, in units of [0, 1].

    Returns:
        float32 in [0, 1], shape (batch, height, width): the largest absolute gradient
        of the three colours, relative to the 99th percentile of the image.

    Source: Smilkov et al., arXiv:1706.03825.
    """
    total = tf.zeros_like(image)
    for number in range(samples):
        noise = tf.random.stateless_normal(
            tf.concat([[1], tf.shape(image)[1:]], 0), [seed, number], 0.0, deviation
        )
        noisy = image + noise
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(noisy)
            score = tf.reduce_sum(tf.gather(logits_of(noisy), indices, batch_dims=1))
        total += tape.gradient(score, noisy)
    strength = np.abs(np.asarray(total)).max(-1)
    top = np.percentile(strength, 99, axis=(1, 2), keepdims=True)
    shares = np.divide(strength, top, out=np.zeros_like(strength), where=top > 0)
    return tf.constant(np.clip(shares, 0, 1))
