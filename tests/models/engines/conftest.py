"""A small network with what the engines treat in their own ways, and pictures."""

import keras
import numpy as np
import pytest

from tfpipeline.core import console


@pytest.fixture(autouse=True)
def _talkative():
    """Notes are printed once a command; each test is one."""
    console._mode.said.clear()
    yield


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Convolution, batch norm that has learned, depthwise convolution and pooling."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Conv2D(12, 1, activation="relu")(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "moving" in weight.path:
            # Such means that most of what comes after is not cut to 0.
            low = 0.5 if "variance" in weight.path else -1.0
            weight.assign(rng.uniform(low, low + 1, weight.shape))
    return model


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Pictures that differ in their colours: each has its own neighbours."""
    rng = np.random.default_rng(1)
    colour = rng.random((24, 1, 1, 3))
    noise = rng.random((24, 16, 16, 3))
    return (0.7 * colour + 0.3 * noise).astype(np.float32)
