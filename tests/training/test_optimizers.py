"""Every optimizer of the table is built, named, and refuses nonsense."""

import keras
import numpy as np
import pytest

from tfpipeline.config import TrainSettings
from tfpipeline.errors import UserError
from tfpipeline.training.optimizers import OPTIMIZERS, build_optimizer


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_step_against_the_gradient_lowers_a_parabola(name: str) -> None:
    x = keras.Variable(np.full((2, 2), 3.0, np.float32))
    optimizer = build_optimizer(TrainSettings(optimizer=name, learning_rate=0.1), [x])
    for _ in range(5):
        optimizer.apply([2 * x.value])
    assert float(keras.ops.max(x)) < 3


def test_weight_decay_spares_biases() -> None:
    kernel = keras.Variable(np.ones((2, 2), np.float32))
    bias = keras.Variable(np.ones(2, np.float32))
    settings = TrainSettings(optimizer="sgd", learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(settings, [kernel, bias])
    optimizer.apply([keras.ops.zeros((2, 2)), keras.ops.zeros(2)])
    np.testing.assert_allclose(kernel.numpy(), 0.95, rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (TrainSettings(optimizer="adan"), "Did you mean 'adam'"),
        (TrainSettings(learning_rate=0.0), "positive"),
        (TrainSettings(learning_rate=float("nan")), "positive"),
    ],
)
def test_nonsense_is_refused(settings: TrainSettings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_optimizer(settings, [])
