"""The last batch norm is found, and is believed only where it has seen images."""

import keras
import numpy as np

from tfpipeline.models import batchnorm_stats


def network() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.BatchNormalization(momentum=0.0)(x)
    return keras.Model(image, keras.layers.ReLU()(x))


def test_the_statistics_are_those_of_what_was_trained_on() -> None:
    model = network()
    assert batchnorm_stats.remembered(model) is None, "a new layer has seen nothing"
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32)
    model(images, training=True)
    found = batchnorm_stats.remembered(model)
    assert found is not None
    before, mean, variance = found
    maps = np.asarray(before(images))
    np.testing.assert_allclose(maps.mean((0, 1, 2)), mean, atol=1e-5)
    np.testing.assert_allclose(maps.var((0, 1, 2)), variance, rtol=1e-3)


def test_without_a_norm_there_is_nothing_to_remember() -> None:
    image = keras.Input((8, 8, 3))
    assert (
        batchnorm_stats.remembered(keras.Model(image, keras.layers.Conv2D(2, 3)(image)))
        is None
    )
