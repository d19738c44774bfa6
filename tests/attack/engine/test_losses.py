"""Losses: what they are by definition, and what no scale of the logits changes."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import losses

LOGITS = tf.constant([[1.0, 4.0, 2.0, 0.0], [3.0, -1.0, 0.5, 2.5]])
INDEX = tf.constant([1, 3])


def test_the_margin_is_the_distance_to_the_best_other_class() -> None:
    assert np.allclose(losses.margin(LOGITS, INDEX, False), [2 - 4, 3 - 2.5])
    assert np.allclose(losses.margin(LOGITS, INDEX, True), [4 - 2, 2.5 - 3])


def test_cross_entropy_of_a_target_is_that_of_a_label_turned_round() -> None:
    away = losses.cross_entropy(LOGITS, INDEX, False)
    expected = -np.log(np.exp([4, 2.5]) / np.exp(LOGITS).sum(1))
    assert np.allclose(away, expected, rtol=1e-5)
    assert np.allclose(losses.cross_entropy(LOGITS, INDEX, True), -away)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("classes", [3, 4, 9])
def test_dlr_does_not_change_with_scale_or_shift(targeted: bool, classes: int) -> None:
    rng = np.random.default_rng(classes)
    logits = tf.constant(rng.normal(size=(5, classes)), tf.float32)
    index = tf.constant(rng.integers(classes, size=5), tf.int32)
    outcome = losses.dlr(logits, index, targeted)
    assert np.allclose(losses.dlr(50 * logits + 3, index, targeted), outcome, atol=1e-4)


def test_dlr_of_two_classes_is_their_margin() -> None:
    two = LOGITS[:, :2]
    index = tf.constant([0, 1])
    assert np.allclose(losses.dlr(two, index, False), losses.margin(two, index, False))


def test_a_loss_is_above_nought_where_the_network_is_fooled() -> None:
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=(50, 6)), tf.float32)
    index = tf.constant(rng.integers(6, size=50), tf.int32)
    for targeted in (False, True):
        fooled = np.asarray(losses.fooled(logits, index, targeted))
        for loss in (losses.margin, losses.dlr):
            assert np.array_equal(np.asarray(loss(logits, index, targeted)) > 0, fooled)


def test_what_is_no_number_is_no_success() -> None:
    logits = tf.constant([[np.nan, 1.0], [np.inf, 0.0], [0.0, 1.0]])
    index = tf.constant([0, 1, 0])
    assert np.array_equal(losses.fooled(logits, index, False), [False, False, True])


def test_confidence_asks_for_a_distance() -> None:
    for confidence, expected in ((0.4, True), (0.6, False)):
        outcome = losses.fooled(LOGITS[1:], INDEX[1:], False, confidence)
        assert bool(outcome[0]) is expected


def test_rivals_are_the_wrong_classes_from_the_best_one_down() -> None:
    for turn, expected in ((0, 2), (1, 0), (2, 3), (3, 2)):
        outcome = losses.rivals(LOGITS[:1], INDEX[:1], tf.constant([turn]))
        assert int(outcome[0]) == expected


def test_towards_rises_with_the_rival_alone() -> None:
    logits = tf.Variable(LOGITS[:1])
    with tf.GradientTape() as tape:
        outcome = losses.towards(logits, INDEX[:1], tf.constant([2]))
    gradient = np.asarray(tape.gradient(outcome, logits))[0]
    assert gradient[2] > 0 > gradient[1]
