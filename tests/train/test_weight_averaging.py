"""Averaged weights are the averages that the papers define."""

import keras
import numpy as np
import pytest

from tfpipeline.config import TrainSettings
from tfpipeline.train.optimizers import build_optimizer
from tfpipeline.train.weight_averaging import Averages


def test_swa_is_the_mean_of_the_last_epochs_ends() -> None:
    settings = TrainSettings(epochs=8, averaging="swa", swa_from=0.5)
    x = keras.Variable(np.zeros(3, np.float32))
    averages = Averages(settings, build_optimizer(settings, [x]), [x], [x])
    averages.swap_in()
    np.testing.assert_array_equal(x.numpy(), 0)
    averages.swap_out()
    for epoch in range(8):
        x.assign(np.full(3, epoch**2, np.float32))
        averages.end_epoch(epoch)
    averages.swap_in()
    np.testing.assert_allclose(x.numpy(), np.mean([16, 25, 36, 49]))
    averages.swap_out()
    np.testing.assert_array_equal(x.numpy(), 49)


def test_ema_is_the_recursion_and_the_trained_weights_come_back() -> None:
    settings = TrainSettings(
        optimizer="sgd", learning_rate=1.0, averaging="ema", ema_momentum=0.9
    )
    x = keras.Variable(np.full(2, 5, np.float32))
    optimizer = build_optimizer(settings, [x])
    averages = Averages(settings, optimizer, [x], [x])
    averages.swap_in()
    np.testing.assert_array_equal(x.numpy(), 5, "there is nothing to average yet")
    averages.swap_out()
    expected = None
    for k in range(6):
        optimizer.apply([keras.ops.ones(2) * -k])
        now = x.numpy()[0]
        expected = now if expected is None else 0.9 * expected + 0.1 * now
    trained = x.numpy().copy()
    averages.swap_in()
    assert x.numpy()[0] == pytest.approx(expected, rel=1e-5)
    averages.swap_out()
    np.testing.assert_array_equal(x.numpy(), trained)
