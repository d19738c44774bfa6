"""Branches of residual networks pass back a share of their gradient, and no other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.models import imagenet_weights
from tfpipeline.models.layer_outputs import LOGITS, Backward, Inside

VALUES = tf.constant(np.random.default_rng(0).random((2, 4), np.float32))


def gradient(model: keras.Model, share: float, values: tf.Tensor) -> np.ndarray:
    network = Inside(model, backward=Backward(share))
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = tf.reduce_sum(network(values)[LOGITS])
    return np.asarray(tape.gradient(score, values))


@pytest.mark.parametrize("skip_first", [True, False])
def test_the_gradient_of_a_branch_is_scaled_by_the_share_to_the_depth(
    skip_first: bool,
) -> None:
    """Two blocks x + w x: the slope is (1 + share w) squared."""
    given = x = keras.Input((4,))
    for _ in range(2):
        branch = keras.layers.Rescaling(3.0)(x)
        pair = [x, branch] if skip_first else [branch, x]
        x = keras.layers.Add()(pair)
    model = keras.Model(given, x)
    for share in (1.0, 0.5, 0.1):
        found = gradient(model, share, VALUES)
        np.testing.assert_allclose(found, (1 + 3 * share) ** 2, rtol=1e-5)
        answer = Inside(model, backward=Backward(share))(VALUES)[LOGITS]
        np.testing.assert_array_equal(answer, model(VALUES))


def test_a_sum_that_is_written_with_plus_is_one() -> None:
    given = keras.Input((4,))
    for model in (
        keras.Model(given, given + keras.layers.Rescaling(3.0)(given)),
        keras.Model(given, keras.layers.Rescaling(3.0)(given) + given),
    ):
        np.testing.assert_allclose(gradient(model, 0.5, VALUES), 2.5, rtol=1e-6)


def test_a_sum_that_skips_nothing_keeps_its_gradient() -> None:
    given = keras.Input((4,))
    left = keras.layers.Rescaling(2.0)(given)
    right = keras.layers.Rescaling(5.0)(keras.layers.Rescaling(1.0)(given))
    model = keras.Model(given, keras.layers.Add()([left, right]))
    np.testing.assert_allclose(gradient(model, 0.5, VALUES), 7, rtol=1e-6)
    three = keras.Model(given, keras.layers.Add()([left, right, given]))
    np.testing.assert_allclose(gradient(three, 0.5, VALUES), 8, rtol=1e-6)


def test_nested_models_are_looked_into() -> None:
    inner = keras.Input((4,))
    branch = keras.layers.Rescaling(3.0)(inner)
    block = keras.Model(inner, keras.layers.Add()([branch, inner]))
    given = keras.Input((4,))
    model = keras.Model(given, block(keras.layers.Rescaling(2.0)(given)))
    np.testing.assert_allclose(gradient(model, 0.5, VALUES), 2 * 2.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "residual"),
    [
        ("MobileNetV2", True),
        ("ResNet50", True),
        pytest.param("EfficientNetB0", True, marks=pytest.mark.slow),
        ("MobileNet", False),
        ("VGG16", False),
    ],
)
def test_networks_answer_the_same_and_those_without_skips_have_the_same_gradient(
    backbone: str, residual: bool
) -> None:
    keras.utils.set_random_seed(0)
    settings = ModelSettings(backbone, weights="none", image_size=32)
    model = imagenet_weights.build_pretrained(imagenet_weights.resolve(settings))
    # Untrained ones answer with next to nothing, and so do their gradients.
    model.set_weights([3 * w for w in model.get_weights()])
    image = tf.constant(np.random.default_rng(0).random((1, 32, 32, 3), np.float32))
    plain, damped = (gradient(model, share, image) for share in (1.0, 0.5))
    both = [Inside(model, backward=Backward(s))(image)[LOGITS] for s in (1.0, 0.5)]
    np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-7)
    assert np.abs(plain).max() > 0
    far = np.abs(plain - damped).max() / np.abs(plain).max()
    assert (far > 1e-3) == residual
