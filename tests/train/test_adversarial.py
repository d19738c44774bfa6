"""Adversarial training: closed forms, one device like two, and what it is for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import TrainSettings
from tfpipeline.config.adversary import RobustSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train import adversarial, optimizers, train_step
from tfpipeline.train.targets.objective import Criterion

SHAPE = (6, 6, 3)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(keras.layers.Rescaling(2.0, -1.0)(image))
    return keras.Model(image, keras.layers.Dense(3)(x))


def trainer(
    strategy: tf.distribute.Strategy, method: str, epsilon: str, steps: int = 3
):
    """Return a small network and what trains it so that it resists."""
    settings = TrainSettings(optimizer="sgd", learning_rate=0.1)
    with strategy.scope():
        model = network()
        optimizer = optimizers.build_optimizer(settings, model.trainable_variables)
    chosen = adversarial.choose(RobustSettings(method, epsilon, steps))
    answer = lambda x: model(x, training=False)  # noqa: E731
    return model, train_step.Trainer(
        lambda x, draws: model(x, training=True),
        [model],
        optimizer,
        Criterion(3, hardening=None if chosen is None else (chosen, answer)),
        strategy,
        settings,
    )


def some() -> train_step.Steps:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.2, 0.8, (2, 8, *SHAPE)).astype(np.float32)
    label = rng.integers(0, 3, (2, 8)).astype(np.int32)
    return train_step.Steps(x, label, np.ones((2, 8), np.float32))


def trained(strategy: tf.distribute.Strategy, *how) -> list[np.ndarray]:
    model, one = trainer(strategy, *how)
    train_step.Sums.read(one.run(some(), 0, 0, np.full(2, 0.1, np.float32)))
    return [np.asarray(weight) for weight in model.weights]


@pytest.mark.parametrize("method", ["pgd", "trades", "free"])
def test_two_replicas_learn_what_one_learns(method: str, strategy) -> None:
    one = trained(tf.distribute.get_strategy(), method, "8/255")
    for here, there in zip(one, trained(strategy, method, "8/255")):
        np.testing.assert_allclose(here, there, atol=1e-5)


@pytest.mark.parametrize("method", ["pgd", "trades"])
def test_no_radius_is_plain_training(method: str, strategy) -> None:
    plain = trained(strategy, "none", "0")
    for here, there in zip(plain, trained(strategy, method, "0")):
        np.testing.assert_allclose(here, there, atol=1e-6)


def test_free_training_trains_on_each_batch_so_often(strategy) -> None:
    """Without a radius it is plain training, with every batch twice in a row."""
    model, plain = trainer(strategy, "none", "0")
    steps = some()
    twice = train_step.Steps(*(np.repeat(part, 2, 0) for part in vars(steps).values()))
    train_step.Sums.read(plain.run(twice, 0, 0, np.full(4, 0.1, np.float32)))
    found = trained(strategy, "free", "0", 2)
    for here, there in zip(model.weights, found):
        np.testing.assert_allclose(np.asarray(here), there, atol=1e-6)


def test_pgd_finds_the_worst_case_of_a_linear_network() -> None:
    """Of two classes: every value at the bound that its slope says."""
    slope = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)

    def answer(image: tf.Tensor) -> tf.Tensor:
        score = tf.reduce_sum(image * slope, [1, 2, 3])
        return tf.stack([tf.zeros_like(score), score], 1)

    image = tf.fill((2, *SHAPE), 0.5)
    target = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    noise = tf.zeros_like(image)
    moved = adversarial.Pgd(0.1, 4).perturb(answer, image, target, noise)
    signs = np.stack([np.sign(slope), -np.sign(slope)])
    np.testing.assert_allclose(moved, 0.5 + 0.1 * signs, atol=1e-5)


@pytest.mark.parametrize("method", ["pgd", "trades", "free"])
def test_attacked_images_stay_in_the_ball_and_in_range(method: str) -> None:
    chosen = adversarial.choose(RobustSettings(method, "0.1", 5))
    assert chosen is not None
    rng, model = np.random.default_rng(0), network()
    image = tf.constant(rng.uniform(size=(4, *SHAPE)), tf.float32)
    noise = tf.constant(rng.uniform(-1, 1, (4, *SHAPE)), tf.float32)
    moved = chosen.perturb(model, image, tf.one_hot([0, 1, 2, 0], 3), noise)
    assert np.abs(moved - image).max() <= 0.1 + 1e-6
    assert np.min(moved) >= 0 and np.max(moved) <= 1
    assert not np.allclose(moved, image)


def test_it_makes_a_network_resist() -> None:
    """One strong sign that a small change turns, and a weak one that none can turn."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 512).astype(np.int32)
    side = (2 * label - 1)[:, None, None, None]
    x = np.full((512, *SHAPE), 0.5, np.float32)
    # Most values tell the class by a hundredth; the first ones by a third, mostly.
    x += 0.01 * side
    mostly = np.where(rng.uniform(size=(512, 1, 1, 1)) < 0.9, side, -side)
    x[:, :2, :2] = 0.5 + 0.3 * mostly
    x = x.astype(np.float32)
    rates = {}
    for method in ("none", "pgd"):
        model, one = trainer(tf.distribute.get_strategy(), method, "0.05", 4)
        steps = train_step.Steps(
            *(p.reshape(16, 32, *p.shape[1:]) for p in (x, label)), 0
        )
        steps = train_step.Steps(
            steps.inputs, steps.labels, np.ones((16, 32), np.float32)
        )
        for epoch in range(12):
            each = np.full(16, 0.3, np.float32)
            train_step.Sums.read(one.run(steps, 0, 16 * epoch, each))
        moved = adversarial.Pgd(0.05, 10).perturb(
            lambda image: model(image), tf.constant(x), tf.one_hot(label, 3), 0.0
        )
        rates[method] = float((np.asarray(model(moved)).argmax(-1) == label).mean())
    assert rates["pgd"] > 0.85 > rates["none"] + 0.2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "pdg"}, "Did you mean 'pgd'"),
        ({"method": "pgd", "epsilon": "2:255"}, "--robust.epsilon: expected a number"),
        ({"method": "pgd", "epsilon": 2}, "expected at most 1"),
        ({"method": "free", "steps": 0}, "--robust.steps: expected at least 1"),
        ({"method": "trades", "weight": -1.0}, "--robust.weight"),
    ],
)
def test_what_means_nothing_is_refused(given: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        adversarial.choose(RobustSettings(**given))
