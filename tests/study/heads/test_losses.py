"""Gradients that are written out are those of the losses that `train` has."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config.train import TrainSettings
from tfpipeline.study.heads import losses
from tfpipeline.train.targets import losses as of_train


@pytest.mark.parametrize("target", ["single", "multi", "number"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_slope_is_the_gradient_of_the_loss(target: str, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    outputs = 1 if target == "number" else 4
    answers = tf.constant(rng.normal(0, 3, (20, outputs)), tf.float32)
    wanted = np.eye(4, dtype=np.float32)[np.arange(20) % 4]
    if target == "multi":
        wanted = (rng.uniform(size=(20, 4)) < 0.4).astype(np.float32)
    if target == "number":
        wanted, smoothing = rng.normal(size=(20, 1)).astype(np.float32), 0.0
    loss = of_train.choose(TrainSettings(), target, 1.0)
    of_each = of_train.function(loss, smoothing, None)
    with tf.GradientTape() as tape:
        tape.watch(answers)
        total = tf.reduce_sum(of_each(wanted, answers))
    # That of several labels is a mean over them in `train`, and a sum here.
    expected = tape.gradient(total, answers) * (4 if target == "multi" else 1)
    # Classes stand before the examples here.
    given = tf.transpose(answers), wanted.T, np.float32(smoothing)
    found = losses.slope(target, *given, 0)
    np.testing.assert_allclose(tf.transpose(found), expected, atol=1e-6)


def test_the_unit_of_numbers_is_their_deviation_or_one_where_all_are_equal() -> None:
    assert losses.unit(np.array([[1.0], [5.0]])) == (3.0, 2.0)
    assert losses.unit(np.full((3, 1), 7, np.float32)) == (7.0, 1.0)
