"""Dropout is a function of seed, step and place, whoever computes it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.training.noise import Noise, train_through


def noise(seed: int = 3, step: int = 5, first: int = 0) -> Noise:
    return Noise(tf.constant([seed, step], tf.int64), tf.constant(first, tf.int64))


@pytest.mark.parametrize("width", [1, 4, 7, 1281])
def test_a_part_of_the_batch_is_drawn_as_in_the_whole(width: int) -> None:
    whole = noise().uniform((64, width), 2).numpy()
    for first, rows in ((0, 5), (17, 30), (63, 1)):
        part = noise(first=first).uniform((rows, width), 2).numpy()
        np.testing.assert_array_equal(part, whole[first : first + rows])


def test_seeds_steps_and_layers_draw_otherwise() -> None:
    base = noise().uniform((8, 9), 0).numpy()
    others = [
        noise(seed=4).uniform((8, 9), 0),
        noise(step=6).uniform((8, 9), 0),
        noise().uniform((8, 9), 1),
    ]
    assert all((other.numpy() != base).mean() > 0.9 for other in others)


def test_draws_are_uniform() -> None:
    drawn = noise().uniform((1000, 100), 0).numpy()
    assert 0 <= drawn.min() and drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert drawn.var() == pytest.approx(1 / 12, abs=0.002)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    head = keras.Sequential([keras.Input((100,)), keras.layers.Dropout(0.3)])
    out = np.asarray(train_through(head, tf.ones((400, 100)), noise()))
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert out.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(out[out > 0], 1 / 0.7, rtol=1e-6)


def test_without_dropout_a_head_is_itself() -> None:
    head = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Activation("relu")]
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(train_through(head, x, noise()), head(x), atol=1e-6)
