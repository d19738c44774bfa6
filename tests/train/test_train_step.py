"""The loop: closed forms, one device like two, padding counts for nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import DistributeSettings, TrainSettings
from tfpipeline.train import optimizers, train_step
from tfpipeline.train.targets.objective import Criterion


def linear(
    strategy: tf.distribute.Strategy,
    rate: float,
    class_weights: np.ndarray | None = None,
    **changes,
):
    """Return a linear classifier of zeros with its trainer."""
    settings = TrainSettings(**{"optimizer": "sgd", "learning_rate": rate, **changes})
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")]
        )
        optimizer = optimizers.build_optimizer(settings, model.trainable_variables)
    trainer = train_step.Trainer(
        lambda x, draws: model(x, training=True),
        [model],
        optimizer,
        Criterion(2, class_weights=class_weights),
        strategy,
        settings,
    )
    return model, trainer


def run(
    trainer: train_step.Trainer, steps: train_step.Steps, first: int = 0
) -> train_step.Sums:
    """Train at the rate of the settings."""
    rates = np.full(len(steps.labels), trainer.settings.learning_rate, np.float32)
    return train_step.Sums.read(trainer.run(steps, 0, first, rates))


def some(steps: int, batch: int, seed: int = 0) -> train_step.Steps:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (steps, batch)).astype(np.int32)
    x = rng.normal(size=(steps, batch, 3)).astype(np.float32) + label[..., None]
    return train_step.Steps(x, label, np.ones((steps, batch), np.float32))


def test_one_step_of_sgd_is_the_closed_form(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    steps = some(1, 8)
    sums = run(trainer, steps)
    x, hot = steps.inputs[0], np.eye(2)[steps.labels[0]]
    gradient = x.T @ (0.5 - hot) / 8
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, -0.5 * gradient, atol=1e-6)
    np.testing.assert_allclose(bias, -0.5 * (0.5 - hot).mean(0), atol=1e-6)
    assert sums.loss == pytest.approx(8 * np.log(2), rel=1e-5) and sums.weight == 8


def test_examples_of_weight_zero_count_for_nothing(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    steps = some(1, 8)
    steps.weights[0, 5:] = 0
    spoiled = steps.inputs.copy()
    spoiled[0, 5:] = 1e3
    sums = run(trainer, train_step.Steps(spoiled, steps.labels, steps.weights))
    x, hot = steps.inputs[0, :5], np.eye(2)[steps.labels[0, :5]]
    np.testing.assert_allclose(
        model.get_weights()[0], -0.5 * x.T @ (0.5 - hot) / 5, atol=1e-6
    )
    assert sums.weight == 5


def test_class_weights_scale_each_example_in_a_weighted_mean(strategy) -> None:
    """The closed form of one step of SGD from zero."""
    weigh = np.array([1.0, 3.0], np.float32)
    model, trainer = linear(strategy, 0.5, class_weights=weigh)
    steps = some(1, 8)
    sums = run(trainer, steps)
    x, hot = steps.inputs[0], np.eye(2)[steps.labels[0]]
    each = weigh[steps.labels[0]]
    gradient = x.T @ (each[:, None] * (0.5 - hot)) / each.sum()
    np.testing.assert_allclose(model.get_weights()[0], -0.5 * gradient, atol=1e-6)
    assert sums.weight == pytest.approx(each.sum())
    assert sums.loss / sums.weight == pytest.approx(np.log(2), rel=1e-5)


def test_targets_in_shares_train_like_the_labels_they_stand_for(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    other, same = linear(strategy, 0.5)
    steps = some(2, 8)
    run(trainer, steps)
    shares = np.eye(2, dtype=np.float32)[steps.labels]
    run(same, train_step.Steps(steps.inputs, shares, steps.weights))
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_two_replicas_train_like_one_device(name: str) -> None:
    results = []
    for kind in ("one_device", "mirrored"):
        strategy = distribute.choose(
            DistributeSettings(kind, None if kind == "one_device" else 2)
        )
        model, trainer = linear(strategy, 0.05, optimizer=name)
        sums = run(trainer, some(6, 8))
        results.append((*model.get_weights(), [sums.loss, sums.correct]))
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_many_steps_in_a_call_are_like_single_calls() -> None:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    model, trainer = linear(strategy, 0.1, optimizer="adam")
    other, single = linear(strategy, 0.1, optimizer="adam")
    steps = some(5, 4)
    run(trainer, steps)
    for k in range(5):
        part = slice(k, k + 1)
        one = train_step.Steps(
            steps.inputs[part], steps.labels[part], steps.weights[part]
        )
        run(single, one, k)
    np.testing.assert_allclose(
        model.get_weights()[0], other.get_weights()[0], atol=1e-6
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_norm": 0.1},
        {"clip_value": 0.05},
        {"clip_norm": 0.2, "clip_value": 0.1, "optimizer": "adam"},
        {"weight_decay": 0.5, "optimizer": "adamw"},
        {"averaging": "ema", "ema_momentum": 0.9},
    ],
)
def test_every_switch_gives_two_replicas_what_it_gives_one(changes: dict) -> None:
    results = []
    for kind in ("one_device", "mirrored"):
        strategy = distribute.choose(
            DistributeSettings(kind, None if kind == "one_device" else 2)
        )
        model, trainer = linear(strategy, 0.1, **changes)
        steps = some(5, 8)
        steps.weights[-1, 3:] = 0
        run(trainer, steps)
        results.append(
            [*model.get_weights(), *map(np.asarray, trainer.optimizer.variables)]
        )
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_clipped_step_has_the_norm_that_was_asked_for(strategy) -> None:
    model, trainer = linear(strategy, 1.0, clip_norm=0.01)
    run(trainer, some(1, 8))
    moved = np.sqrt(sum((weight**2).sum() for weight in model.get_weights()))
    assert moved == pytest.approx(0.01, rel=1e-5)


def test_no_element_of_a_step_is_above_the_value_that_was_asked_for(strategy) -> None:
    model, trainer = linear(strategy, 1.0, clip_value=0.01)
    run(trainer, some(1, 8))
    assert max(abs(w).max() for w in model.get_weights()) == pytest.approx(0.01)


def test_the_first_bad_step_is_told_and_so_is_a_wish_to_stop(strategy) -> None:
    model, trainer = linear(strategy, 0.1)
    steps = some(4, 8)
    steps.inputs[2, 0] = np.nan
    assert run(trainer, steps).bad_step == 2
    rates = np.full(4, 0.1, np.float32)
    model, trainer = linear(strategy, 0.1)
    sums = train_step.Sums.read(trainer.run(some(4, 8), 0, 0, rates, True))
    assert sums.stops and sums.bad_step == -1
    assert not run(trainer, some(4, 8)).stops


def test_a_change_of_what_is_trainable_is_not_passed_over(strategy) -> None:
    """Keras would go on and not train the rest."""
    model, trainer = linear(strategy, 0.1)
    run(trainer, some(1, 8))
    model.layers[0].trainable = False
    with pytest.raises(RuntimeError, match="Build a new one"):
        run(trainer, some(1, 8))


def test_compiled_gradients_are_the_same() -> None:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    model, trainer = linear(strategy, 0.1)
    other, compiled = linear(strategy, 0.1, jit_compile=True)
    run(trainer, some(3, 8))
    run(compiled, some(3, 8))
    for one, two in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_float16_scales_the_loss_and_not_the_step(strategy) -> None:
    settings = TrainSettings(optimizer="sgd", learning_rate=0.5, clip_norm=0.02)
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")]
        )
        optimizer = optimizers.build_optimizer(
            settings, model.trainable_variables, scale_loss=True
        )
    trainer = train_step.Trainer(
        lambda x, draws: model(x, training=True),
        [model],
        optimizer,
        Criterion(2),
        strategy,
        settings,
    )
    plain, other = linear(strategy, 0.5, clip_norm=0.02)
    run(trainer, some(2, 8))
    run(other, some(2, 8))
    for one, two in zip(model.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(one, two, atol=1e-6)
    steps = some(1, 8)
    steps.inputs[0, 0] = np.inf
    before = model.get_weights()[0].copy()
    run(trainer, steps)
    np.testing.assert_array_equal(model.get_weights()[0], before)
