"""Losses against closed forms, Keras' own, and each other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import TrainSettings
from tfpipeline.core.errors import UserError
from tfpipeline.metrics import epoch_metrics
from tfpipeline.metrics.epoch_metrics import Loss
from tfpipeline.train.targets import losses


def some(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, classes)).astype(np.float32) * 2
    return logits, (rng.random((20, classes)) < 0.4).astype(np.float32)


def of(loss: Loss, target, logits, smoothing=0.0, weights=None) -> np.ndarray:
    function = losses.function(loss, smoothing, weights)
    return np.asarray(function(tf.constant(target), tf.constant(logits)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_bce_is_that_of_keras(smoothing: float) -> None:
    logits, values = some()
    keras_loss = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="none"
    )
    expected = np.asarray(keras_loss(values, logits))
    found = of(Loss("bce", "multi"), values, logits, smoothing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_focal_is_that_of_keras_and_without_gamma_the_plain_one() -> None:
    logits, values = some()
    several = Loss("focal", "multi", 2.0)
    expected = keras.losses.BinaryFocalCrossentropy(
        from_logits=True, gamma=2.0, reduction="none"
    )(values, logits)
    np.testing.assert_allclose(of(several, values, logits), expected, rtol=1e-4)
    plain = of(Loss("bce", "multi"), values, logits)
    unfocused = of(Loss("focal", "multi", 0.0), values, logits)
    np.testing.assert_allclose(unfocused, plain, rtol=1e-6)
    hot = np.eye(3, dtype=np.float32)[np.arange(20) % 3]
    # Keras weighs every class by its alpha.
    expected = keras.losses.CategoricalFocalCrossentropy(
        from_logits=True, gamma=2.0, alpha=1.0, reduction="none"
    )(hot, logits)
    found = of(Loss("focal", "single", 2.0), hot, logits)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    plain = of(Loss(), hot, logits, 0.1)
    unfocused = of(Loss("focal", "single", 0.0), hot, logits, 0.1)
    np.testing.assert_allclose(unfocused, plain, rtol=1e-5)


def test_huber_is_that_of_keras_in_standard_deviations() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(100, 30, (40, 1)).astype(np.float32)
    said = rng.normal(100, 30, (40, 1)).astype(np.float32)
    loss = Loss("huber", "number", scale=15.0)
    expected = keras.losses.Huber(reduction="none")(true / 15, said / 15)
    np.testing.assert_allclose(of(loss, true, said), expected, rtol=1e-4)
    held_out = epoch_metrics.watched(loss, said, true)["loss"]
    assert held_out == pytest.approx(float(np.mean(expected)), rel=1e-5)
    squared = of(Loss("mse", "number", scale=15.0), true, said)
    np.testing.assert_allclose(squared, ((said - true)[:, 0] / 15) ** 2, rtol=1e-5)


def test_held_out_images_are_measured_by_the_loss_that_trains() -> None:
    logits, values = some()
    trained = of(Loss("bce", "multi"), values, logits).mean()
    held_out = epoch_metrics.watched(Loss("bce", "multi"), logits, values)["loss"]
    assert trained == pytest.approx(held_out, rel=1e-5)


def test_class_weights_of_several_labels_weigh_presence_and_absence() -> None:
    logits, values = some()
    weights = np.array([[4.0, 1, 1], [0.5, 1, 1]], np.float32)
    plain = np.log1p(np.exp(np.where(values > 0, -logits, logits)))
    each = plain * np.where(values > 0, weights[0], weights[1])
    found = of(Loss("bce", "multi"), values, logits, weights=weights)
    np.testing.assert_allclose(found, each.mean(axis=1), rtol=1e-5)


def test_a_loss_that_does_not_fit_is_refused_with_those_that_do() -> None:
    for target, names in losses.FITTING.items():
        assert losses.choose(TrainSettings(), target, 1.0).name == names[0]
        for name in losses.LOSSES[1:]:
            settings = TrainSettings(loss=name)
            if name in names:
                assert losses.choose(settings, target, 1.0).name == name
                continue
            words = f"--train.loss {name}: not defined for --data.target {target}"
            with pytest.raises(UserError, match=f"{words}. Say {names[0]} or"):
                losses.check(settings, target)
    with pytest.raises(UserError, match="Unknown --train.loss 'hubber'.*'huber'"):
        losses.check(TrainSettings(loss="hubber"), None)
    with pytest.raises(UserError, match="--train.focal_gamma: expected 0 or more"):
        losses.check(TrainSettings(focal_gamma=-1), None)
