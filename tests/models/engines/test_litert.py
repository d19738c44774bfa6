"""LiteRT computes what Keras does, in order, whatever is handed to it."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.models import classifier
from tfpipeline.models.engines import litert


def test_a_converted_network_answers_as_keras_does(network, pictures) -> None:
    expected = np.asarray(network(pictures, training=False))
    engine = litert.LiteRT(litert.Traced(network).convert())
    # More than there are interpreters, as many as there are, fewer.
    for count in (24, 5, 2, 1):
        outputs = engine(pictures[:count])
        assert outputs.shape == (count, 12)
        np.testing.assert_allclose(outputs, expected[:count], rtol=1e-4, atol=1e-6)


def test_weights_are_those_at_the_time_of_the_conversion(pictures) -> None:
    image = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(image, keras.layers.GlobalMaxPooling2D()(layer(image)))
    layer.set_weights([np.full((1, 1, 3, 2), 1, np.float32)])
    one = litert.LiteRT(litert.Traced(model).convert())
    layer.set_weights([np.full((1, 1, 3, 2), 2, np.float32)])
    two = litert.LiteRT(litert.Traced(model).convert())
    highest = pictures.sum(axis=3).max(axis=(1, 2))
    np.testing.assert_allclose(one(pictures)[:, 0], highest, rtol=1e-5)
    np.testing.assert_allclose(two(pictures)[:, 1], 2 * highest, rtol=1e-5)


def test_interpreters_are_as_many_as_cores_and_memory_allow(
    network, monkeypatch
) -> None:
    content = litert.Traced(network).convert()
    monkeypatch.setattr(litert.hardware, "cores", lambda: 6)
    assert len(litert.LiteRT(content)._interpreters) == 6
    monkeypatch.setattr(litert, "_MOST_BYTES", 4 * len(content))
    assert len(litert.LiteRT(content)._interpreters) == 2
    monkeypatch.setattr(litert, "_MOST_BYTES", 1)
    assert len(litert.LiteRT(content)._interpreters) == 1


def test_threads_that_ask_at_once_get_their_own_answers(network, pictures) -> None:
    engine = litert.LiteRT(litert.Traced(network).convert())
    given = [np.roll(pictures, place, axis=0) for place in range(4)] * 5
    expected = [engine(images) for images in given]
    with ThreadPoolExecutor(4) as pool:
        for own, rows in zip(expected, pool.map(engine, given)):
            np.testing.assert_array_equal(own, rows)


def test_maps_that_are_pooled_come_out_too(network, pictures) -> None:
    maps = keras.Model(network.input, network.layers[-1].input)
    model = classifier.build_classifier(maps, "tf", ModelSettings(), 3)
    extractor, _ = classifier.split_classifier(model)
    engine = litert.LiteRT(litert.Traced(extractor).convert())
    expected = np.asarray(maps(pictures * 2 - 1, training=False))
    assert engine.has_maps and np.ptp(expected) > 0.1
    found = engine.maps(pictures)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(engine(pictures), found.mean((1, 2)), rtol=1e-4)
    assert not litert.LiteRT(litert.Traced(network).convert()).has_maps


@pytest.mark.parametrize("backbone", ["EfficientNetB0", "EfficientNetV2B0"])
def test_networks_that_normalize_by_tensors_are_converted(backbone: str) -> None:
    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, backbone)
    given = {"weights": None, "include_top": False, "input_shape": (64, 64, 3)}
    network = build(pooling="avg", **given)
    traced = litert.Traced(network)
    images = 255 * np.random.default_rng(0).random((3, 64, 64, 3), np.float32)
    expected = np.asarray(network(images, training=False))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(traced(images), expected, rtol=0, atol=1e-4 * scale)
    found = litert.LiteRT(traced.convert())(images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


def test_a_network_that_holds_a_large_tensor_is_not_converted() -> None:
    image = keras.Input((8, 8, 3))

    @keras.saving.register_keras_serializable("tests")
    class Large(keras.layers.Layer):
        held = tf.ones((8, 8, 3))

        def call(self, x):
            return x * self.held

    pooled = keras.layers.GlobalAveragePooling2D()(Large()(image))
    with pytest.raises(ValueError):
        litert.Traced(keras.Model(image, pooled)).convert()
