"""Every optimizer of the table is built, named, and refuses nonsense."""

import keras
import numpy as np
import pytest

from tfpipeline.config import TrainSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train.optimizers import (
    OPTIMIZERS,
    build_optimizer,
    class_weights,
    set_multipliers,
)


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


def test_adamw_decays_where_nothing_is_said_and_adam_does_not() -> None:
    for name, expected in (("adamw", 1 - 0.1 * 0.004), ("adam", 1.0)):
        kernel = keras.Variable(np.ones((2, 2), np.float32))
        settings = TrainSettings(optimizer=name, learning_rate=0.1)
        optimizer = build_optimizer(settings, [kernel])
        optimizer.apply([keras.ops.zeros((2, 2))])
        np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_each_is_that_of_keras_where_nothing_differs(name: str) -> None:
    kind, options = OPTIMIZERS[name]
    more = {"weight_decay": 0.01} if name == "adamw" else {}
    theirs = kind(0.05, **options, **more)
    settings = TrainSettings(optimizer=name, learning_rate=0.05, **more)
    x, y = (keras.Variable(np.arange(4, dtype=np.float32).reshape(2, 2)) for _ in "xy")
    ours = build_optimizer(settings, [x])
    for k in range(5):
        for optimizer, variable in ((ours, x), (theirs, y)):
            gradient = 2 * variable.value + k
            optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_multiplier_is_a_learning_rate_of_its_own(name: str) -> None:
    """With decay, which shrinks with the rate."""
    settings = TrainSettings(optimizer=name, learning_rate=0.1, weight_decay=0.1)
    slow = TrainSettings(optimizer=name, learning_rate=0.025, weight_decay=0.1)
    x, y, z = (keras.Variable(np.full((2, 2), 3.0, np.float32)) for _ in "xyz")
    both = build_optimizer(settings, [x, y], [1.0, 0.25])
    alone = build_optimizer(slow, [z])
    for _ in range(4):
        both.apply([2 * x.value, 2 * y.value])
        alone.apply([2 * z.value])
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5)
    assert (x.numpy() < y.numpy()).all()
    later = build_optimizer(settings, [x, z], [1.0, 0.0])
    before = z.numpy().copy()
    later.apply([2 * x.value, 2 * z.value])
    np.testing.assert_array_equal(z.numpy(), before)
    set_multipliers(later, [1.0, 1.0])
    later.apply([2 * x.value, 2 * z.value])
    assert (z.numpy() < before).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (TrainSettings(optimizer="adan"), "Did you mean 'adam'"),
        (TrainSettings(learning_rate=0.0), "positive"),
        (TrainSettings(learning_rate=float("nan")), "positive"),
        (TrainSettings(clip_norm=0.0), "clip_norm"),
        (TrainSettings(clip_value=-1.0), "clip_value"),
        (TrainSettings(weight_decay=-1.0), "weight_decay"),
        (TrainSettings(averaging="sma"), "Did you mean 'swa'"),
        (TrainSettings(ema_momentum=1.0), "ema_momentum"),
        (TrainSettings(on_nan="rollback"), "Did you mean 'roll_back'"),
        (TrainSettings(schedule="cosin"), "cosine"),
    ],
)
def test_nonsense_is_refused(settings: TrainSettings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_optimizer(settings, [])


def test_balanced_classes_weigh_the_same_and_one_without_examples_nothing() -> None:
    counts = np.array([0, 2, 6])
    weights = class_weights("balanced", counts)
    np.testing.assert_allclose(weights * counts, [0, 4, 4], rtol=1e-6)
    np.testing.assert_array_equal(class_weights("balanced", np.zeros(2)), [0, 0])
    assert class_weights("none", counts) is None
