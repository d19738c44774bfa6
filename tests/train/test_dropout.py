"""Dropout is a function of seed, step and place, whoever computes it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.train.dropout import Noise, train_through


def noise(seed: int = 3, step: int = 5, first: int = 0) -> Noise:
    return Noise(tf.constant([seed, step], tf.int64), tf.constant(first, tf.int64))


@pytest.mark.parametrize("width", [1, 8, 13, 1281])
def test_a_part_of_the_batch_is_drawn_as_in_the_whole(width: int) -> None:
    whole = noise().kept((64, width), 0.5, 2).numpy()
    for first, rows in ((0, 5), (17, 30), (63, 1)):
        part = noise(first=first).kept((rows, width), 0.5, 2).numpy()
        np.testing.assert_array_equal(part, whole[first : first + rows])


def test_seeds_steps_and_layers_draw_otherwise() -> None:
    base = noise().kept((40, 90), 0.5, 0).numpy()
    others = [
        noise(seed=4).kept((40, 90), 0.5, 0),
        noise(step=6).kept((40, 90), 0.5, 0),
        noise().kept((40, 90), 0.5, 1),
    ]
    for other in others:
        assert (other.numpy() != base).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.5, 0.999])
def test_the_share_that_is_dropped_is_that_which_was_asked_for(rate: float) -> None:
    kept = noise().kept((2000, 200), rate, 0).numpy()
    error = 5 * (rate * (1 - rate) / kept.size) ** 0.5
    assert 1 - kept.mean() == pytest.approx(rate, abs=error)
    columns, rows = kept.mean(0), kept.mean(1)
    assert columns.std() == pytest.approx((rate * (1 - rate) / 2000) ** 0.5, rel=0.3)
    assert rows.std() == pytest.approx((rate * (1 - rate) / 200) ** 0.5, rel=0.3)


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


def test_images_are_given_the_same_whatever_part_they_are_in() -> None:
    seed = tf.constant([3, 7], tf.int64)
    shape = tf.constant([6, 4, 4, 3])
    whole = Noise(seed, tf.constant(0, tf.int64)).signed(shape)
    part = Noise(seed, tf.constant(4, tf.int64)).signed(tf.constant([2, 4, 4, 3]))
    assert np.array_equal(np.asarray(whole)[4:], part)
    assert np.min(whole) >= -1 and np.max(whole) < 1
    assert not np.array_equal(np.asarray(whole)[0], np.asarray(whole)[1])
