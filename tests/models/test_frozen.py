"""A network of constants answers as the network itself, or is the network itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models import frozen


def network(*more: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, activation="relu6")(x)
    for layer in more:
        x = layer(x)
    model = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    # Normalizations that do something.
    model(np.random.default_rng(0).normal(2, 3, (8, 12, 12, 3)), training=True)
    return model


class Shaky(keras.layers.Layer):
    """Noise that counts its draws, whether in training or not."""

    def build(self, shape) -> None:
        self.draws = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.draws)


@pytest.fixture()
def image() -> tf.Tensor:
    return tf.random.stateless_uniform((3, 12, 12, 3), (1, 2))


def slopes(answer, image: tf.Tensor) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(answer(image)[:, 1])
    return np.asarray(tape.gradient(score, image))


def test_it_answers_and_climbs_as_the_network_does(image) -> None:
    model = network(keras.layers.Dropout(0.5))
    ask = frozen.frozen(model)
    plain = slopes(lambda x: model(x, training=False), image)
    assert np.allclose(ask(image), model(image, training=False), atol=1e-5)
    assert np.allclose(slopes(ask, image), plain, atol=1e-5) and plain.any()
    assert ask(image[:1]).shape == (1, 5)


def test_it_is_the_network_of_when_it_was_made(image) -> None:
    model = network()
    ask, before = frozen.frozen(model), np.asarray(model(image, training=False))
    for weight in model.trainable_variables:
        weight.assign(2 * weight)
    assert np.allclose(ask(image), before, atol=1e-5)
    assert not np.allclose(model(image, training=False), before, atol=1e-2)


def test_a_network_that_draws_anew_goes_on_to_do_so(image) -> None:
    ask = frozen.frozen(network(Shaky()))
    assert not np.allclose(ask(image), ask(image), atol=1e-2)


def test_a_large_network_keeps_its_variables(image, monkeypatch) -> None:
    monkeypatch.setattr(frozen, "_MOST", 100)
    model = network()
    ask = frozen.frozen(model)
    before = np.asarray(ask(image))
    for weight in model.trainable_variables:
        weight.assign(2 * weight)
    assert np.allclose(ask(image), model(image, training=False), atol=1e-5)
    assert not np.allclose(ask(image), before, atol=1e-2)


def test_replicas_share_it(strategy, image) -> None:
    with strategy.scope():
        model = network()
        ask = frozen.frozen(model)
    told = strategy.run(tf.function(lambda x: ask(x)), (image,))
    for one in strategy.experimental_local_results(told):
        assert np.allclose(one, model(image, training=False), atol=1e-5)
