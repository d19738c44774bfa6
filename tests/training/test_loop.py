"""The loop: closed forms, one device like two, padding counts for nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline import distribution
from tfpipeline.config import DistributeSettings, TrainSettings
from tfpipeline.errors import UserError
from tfpipeline.training import loop, optimizers


def linear(
    strategy: tf.distribute.Strategy,
    rate: float,
    name: str = "sgd",
    class_weights: np.ndarray | None = None,
):
    """Return a linear classifier of zeros with its trainer."""
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")]
        )
        settings = TrainSettings(optimizer=name, learning_rate=rate)
        optimizer = optimizers.build_optimizer(settings, model.trainable_variables)
    trainer = loop.Trainer(
        lambda x: model(x, training=True),
        model.trainable_variables,
        optimizer,
        loop.Criterion(2, class_weights=class_weights),
        strategy,
    )
    return model, trainer


def some(steps: int, batch: int, seed: int = 0) -> loop.Steps:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (steps, batch)).astype(np.int32)
    x = rng.normal(size=(steps, batch, 3)).astype(np.float32) + label[..., None]
    return loop.Steps(x, label, np.ones((steps, batch), np.float32))


def test_one_step_of_sgd_is_the_closed_form(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    steps = some(1, 8)
    sums = np.asarray(trainer.run(steps))
    x, hot = steps.inputs[0], np.eye(2)[steps.labels[0]]
    gradient = x.T @ (0.5 - hot) / 8
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, -0.5 * gradient, atol=1e-6)
    np.testing.assert_allclose(bias, -0.5 * (0.5 - hot).mean(0), atol=1e-6)
    assert sums[0] == pytest.approx(8 * np.log(2), rel=1e-5) and sums[2] == 8


def test_examples_of_weight_zero_count_for_nothing(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    steps = some(1, 8)
    steps.weights[0, 5:] = 0
    spoiled = steps.inputs.copy()
    spoiled[0, 5:] = 1e3
    sums = np.asarray(trainer.run(loop.Steps(spoiled, steps.labels, steps.weights)))
    x, hot = steps.inputs[0, :5], np.eye(2)[steps.labels[0, :5]]
    np.testing.assert_allclose(
        model.get_weights()[0], -0.5 * x.T @ (0.5 - hot) / 5, atol=1e-6
    )
    assert sums[2] == 5


def test_class_weights_scale_each_example_in_a_weighted_mean(strategy) -> None:
    """The closed form of one step of SGD from zero."""
    weigh = np.array([1.0, 3.0], np.float32)
    model, trainer = linear(strategy, 0.5, class_weights=weigh)
    steps = some(1, 8)
    sums = np.asarray(trainer.run(steps))
    x, hot = steps.inputs[0], np.eye(2)[steps.labels[0]]
    each = weigh[steps.labels[0]]
    gradient = x.T @ (each[:, None] * (0.5 - hot)) / each.sum()
    np.testing.assert_allclose(model.get_weights()[0], -0.5 * gradient, atol=1e-6)
    assert sums[2] == pytest.approx(each.sum())
    assert sums[0] / sums[2] == pytest.approx(np.log(2), rel=1e-5)


def test_targets_in_shares_train_like_the_labels_they_stand_for(strategy) -> None:
    model, trainer = linear(strategy, 0.5)
    other, same = linear(strategy, 0.5)
    steps = some(2, 8)
    trainer.run(steps)
    shares = np.eye(2, dtype=np.float32)[steps.labels]
    same.run(loop.Steps(steps.inputs, shares, steps.weights))
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_two_replicas_train_like_one_device(name: str) -> None:
    results = []
    for kind in ("one_device", "mirrored"):
        strategy = distribution.choose(DistributeSettings(kind, 2))
        model, trainer = linear(strategy, 0.05, name)
        sums = trainer.run(some(6, 8))
        results.append((*model.get_weights(), np.asarray(sums)))
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_many_steps_in_a_call_are_like_single_calls() -> None:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    model, trainer = linear(strategy, 0.1, "adam")
    other, single = linear(strategy, 0.1, "adam")
    steps = some(5, 4)
    trainer.run(steps)
    for k in range(5):
        part = slice(k, k + 1)
        single.run(
            loop.Steps(steps.inputs[part], steps.labels[part], steps.weights[part])
        )
    np.testing.assert_allclose(
        model.get_weights()[0], other.get_weights()[0], atol=1e-6
    )


def test_the_best_epoch_is_put_back_and_patience_ends_it(strategy) -> None:
    model, trainer = linear(strategy, 0.1)
    losses = iter([3.0, 1.0, 2.0, 2.5, 0.5])
    seen = []

    def validate() -> dict[str, float]:
        seen.append(model.get_weights()[0].copy())
        return {"loss": next(losses)}

    settings = TrainSettings(epochs=9, patience=2)
    history = loop.fit(
        trainer, model, lambda e: [some(2, 8, e)], validate, settings, steps_per_epoch=2
    )
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    np.testing.assert_array_equal(model.get_weights()[0], seen[1])


def test_without_patience_every_epoch_runs_and_the_best_is_kept() -> None:
    model, trainer = linear(tf.distribute.OneDeviceStrategy("/cpu:0"), 0.1)
    losses, seen = iter([1.0, 0.5, 2.0, 3.0]), []

    def validate() -> dict[str, float]:
        seen.append(model.get_weights()[0].copy())
        return {"loss": next(losses)}

    settings = TrainSettings(epochs=4, patience=None)
    history = loop.fit(
        trainer, model, lambda e: [some(1, 8)], validate, settings, steps_per_epoch=1
    )
    assert len(history) == 4
    np.testing.assert_array_equal(model.get_weights()[0], seen[1])


def test_training_learns_what_can_be_learnt(strategy) -> None:
    model, trainer = linear(strategy, 0.1, "adam")
    settings = TrainSettings(epochs=20)
    history = loop.fit(
        trainer, model, lambda e: [some(10, 16, e)], None, settings, steps_per_epoch=10
    )
    assert history[-1]["accuracy"] > 0.75 > history[0]["accuracy"] - 0.2
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_diverged_loss_is_told_with_what_to_do() -> None:
    model, trainer = linear(tf.distribute.OneDeviceStrategy("/cpu:0"), 0.1)
    steps = some(1, 8)
    steps.inputs[0, 0] = np.nan
    with pytest.raises(UserError, match="learning_rate"):
        loop.fit(
            trainer,
            model,
            lambda e: [steps],
            None,
            TrainSettings(epochs=1),
            steps_per_epoch=1,
        )
