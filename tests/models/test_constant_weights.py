"""A network as constants answers as it does with its variables."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.models import backbones, classifier, constant_weights
from tfpipeline.models.constant_weights import Frozen

RNG = np.random.default_rng(0)


def network(name: str, mode: str, size: int = 64) -> keras.Model:
    """Return a small classifier whose untrained backbone says something."""
    settings = backbones.resolve(ModelSettings(name, "none", image_size=size), "folder")
    keras.utils.set_random_seed(0)
    backbone = backbones.build_backbone(settings, Path())
    backbones.calibrate(backbone, RNG.random((8, size, size, 3), np.float32), mode)
    return classifier.build_classifier(backbone, mode, settings, 3)


@pytest.fixture(
    scope="module", params=[("MobileNetV2", "tf"), ("DenseNet121", "torch")]
)
def model(request) -> keras.Model:
    """One whose batch norm comes after convolutions, and one where it comes before."""
    return network(*request.param)


def test_it_answers_as_the_network_does_on_any_strategy(model, strategy) -> None:
    image = tf.constant(RNG.random((4, 64, 64, 3), np.float32))
    answer, expected = Frozen(model), model(image, training=False)
    run = tf.function(lambda x: strategy.run(answer, args=(x,)), autograph=False)
    for found in strategy.experimental_local_results(run(image)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_its_gradients_are_those_of_the_network(model) -> None:
    image = tf.constant(RNG.random((2, 64, 64, 3), np.float32))

    def slope(answer) -> tf.Tensor:
        @tf.function(autograph=False)
        def run(image: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                score = tf.reduce_sum(answer(image)[:, 0])
            return tape.gradient(score, image)

        return run(image)

    expected = np.asarray(slope(lambda x: model(x, training=False)))
    # Rounding turns a few ReLUs the other way: single values differ.
    error = np.linalg.norm(np.asarray(slope(Frozen(model))) - expected)
    assert 0 < np.linalg.norm(expected) and error < 0.02 * np.linalg.norm(expected)


def test_a_graph_that_asks_it_reads_no_variable(model) -> None:
    spec = tf.TensorSpec((None, 64, 64, 3))
    plain = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    found = tf.function(Frozen(model), autograph=False).get_concrete_function(spec)
    assert len(plain.captured_inputs) > 100 and not found.captured_inputs


def test_it_has_the_weights_of_when_it_was_made() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    one, x = Frozen(model), tf.ones((1, 2))
    before = np.asarray(tf.function(one)(x))
    model.set_weights([2 * w + 1 for w in model.get_weights()])
    np.testing.assert_array_equal(tf.function(one)(x), before)
    after = np.asarray(tf.function(Frozen(model))(x))
    assert after[0, 0] == pytest.approx(2 * before[0, 0] + 3, abs=1e-5)


class Shaky(keras.layers.Layer):
    """Noise that counts its draws, whether in training or not."""

    def build(self, shape) -> None:
        self.draws = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.draws)


def test_a_network_that_draws_anew_goes_on_to_do_so() -> None:
    model = keras.Sequential([keras.Input((2,)), Shaky(), keras.layers.Dropout(0.5)])
    ask = tf.function(Frozen(model), autograph=False)
    one, two = ask(tf.ones((3, 2))), ask(tf.ones((3, 2)))
    assert not np.allclose(one, two, atol=1e-3)


def test_a_large_network_keeps_its_variables() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ask, x = tf.function(Frozen(model, most_bytes=4)), tf.ones((1, 2))
    before = float(ask(x)[0, 0])
    model.set_weights([2 * w + 1 for w in model.get_weights()])
    assert float(ask(x)[0, 0]) == pytest.approx(2 * before + 3, abs=1e-5)


def test_mixed_precision_stays_what_it_is() -> None:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = network("MobileNetV2", "tf")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    image = tf.constant(RNG.random((2, 64, 64, 3), np.float32))
    plain = tf.function(lambda x: model(x, training=False))(image)
    found = tf.function(Frozen(model), autograph=False)(image)
    assert found.dtype == plain.dtype
    np.testing.assert_allclose(found, plain, rtol=0.1, atol=0.05)


def test_it_is_traced_once_for_any_number_of_images_on_any_strategy(
    model, strategy
) -> None:
    ask = constant_weights.traced(model, (64, 64))
    run = tf.function(lambda x: strategy.run(ask, args=(x,)), autograph=False)
    for count in (1, 3):
        image = tf.constant(RNG.random((count, 64, 64, 3), np.float32))
        expected = model(image, training=False)
        for found in strategy.experimental_local_results(run(image)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert ask.experimental_get_tracing_count() <= strategy.num_replicas_in_sync


def test_only_batch_norm_is_worth_many_constants(monkeypatch) -> None:
    monkeypatch.setattr(constant_weights, "MOST_PLAIN_BYTES", 4)
    for layers, captures in (([], 2), ([keras.layers.BatchNormalization()], 0)):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), *layers])
        traced = tf.function(Frozen(model), autograph=False)
        found = traced.get_concrete_function(tf.TensorSpec((None, 2)))
        assert len(found.captured_inputs) == captures
