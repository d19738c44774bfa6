"""Small networks whose smallest perturbations are known."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

SHAPE = (4, 4, 3)


class Linear:
    """Two classes, parted by a plane: everything about it is known in closed form."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.slope = rng.normal(size=SHAPE).astype(np.float32)
        self.clean = rng.uniform(0.4, 0.6, (5, *SHAPE)).astype(np.float32)
        self.offset = 0.0
        # All images are of class 0, each at another distance from the plane.
        self.offset = float(-self.margin(self.clean).max() - 0.3)

    def margin(self, image: np.ndarray) -> np.ndarray:
        """Return by how much class 1 is above class 0."""
        return (image * self.slope).sum((1, 2, 3)) + self.offset

    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        score = tf.reduce_sum(image * self.slope, [1, 2, 3]) + self.offset
        return tf.stack([tf.zeros_like(score), score], 1)


@pytest.fixture()
def linear() -> Linear:
    """A linear network and images of it."""
    return Linear()


@pytest.fixture(scope="session")
def small() -> Callable[[tf.Tensor], tf.Tensor]:
    """A small convolutional network with five classes and live gradients."""
    keras.utils.set_random_seed(3)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(4.0, -2.0)(image)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="gelu")(x)
    x = keras.layers.Conv2D(16, 3, strides=2, activation="gelu")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(5)(x))
    model.trainable = False
    return lambda x: 4.0 * model(x, training=False)


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Seven 8-bit pictures for the small network."""
    rng = np.random.default_rng(4)
    coarse = rng.uniform(0, 1, (7, 4, 4, 3))
    smooth = tf.image.resize(coarse, (16, 16), method="bicubic")
    return (np.clip(smooth, 0.05, 0.95) * 255 + 0.5).astype(np.uint8)
