"""The loop: who is done leaves, and what becomes of an image depends on it alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine.base import Task
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.loop import Goals, Loop
from tfpipeline.attack.engine.losses import LOSSES
from tfpipeline.attack.engine.minimal import FastMinimumNorm
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.square import Square

ONE = tf.distribute.get_strategy()
KINDS = {
    "pgd": Iterative(6, random_start=True),
    "momentum": Iterative(6, momentum=1.0, diversity=0.7),
    "apgd": Apgd(12),
    "rivals": Apgd(12, rivals=True),
    "fmn": FastMinimumNorm(8),
    "square": Square(30),
}


def labels(network, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(network(pictures.astype(np.float32) / 255)).argmax(-1)


def alike(ours: np.ndarray, goals: np.ndarray) -> bool:
    """Tell whether the images are equal but for values that hang on the last bit.

    Convolutions round otherwise for another number of images or threads, which turns
    the sign of a gradient that is all but zero: one step of one value. What is drawn
    or joined wrongly changes nearly all of them.
    """
    return float((np.abs(ours - goals) > 1e-5).mean()) < 0.02


def loop(network, attack, strategy=ONE, batch_size=4, **more) -> Loop:
    task = Task(
        AttackedModel([network], False), NORMS["linf"], LOSSES["margin"], **more
    )
    return Loop(attack, task, strategy, batch_size=batch_size)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_alone_becomes_what_it_becomes_among_others(
    kind: str, small, pictures
) -> None:
    goals = Goals.of(pictures, labels(small, pictures), 2 / 255)
    attacker = loop(small, KINDS[kind])
    together = attacker.run(goals)
    for k in (0, 3, 6):
        alone = attacker.run(goals.take(np.array([k])))
        assert alike(alone.image[0], together.image[k])
        assert alone.success[0] == together.success[k]
        assert alone.steps[0] == together.steps[k]


@pytest.mark.parametrize("kind", KINDS)
def test_two_replicas_make_what_one_makes(kind: str, small, pictures, strategy) -> None:
    goals = Goals.of(pictures, labels(small, pictures), 2 / 255)
    one = loop(small, KINDS[kind]).run(goals)
    outcome = loop(small, KINDS[kind], strategy).run(goals)
    assert alike(outcome.image, one.image)
    assert np.array_equal(outcome.success, one.success)
    assert np.array_equal(outcome.steps, one.steps)


def test_who_is_wrong_already_leaves_at_once_and_unchanged(small, pictures) -> None:
    label = labels(small, pictures)
    wrong = (label + 1) % 5
    outcome = loop(small, Iterative(9)).run(Goals.of(pictures, wrong, 0.1))
    assert outcome.success.all() and (outcome.steps == 1).all()
    assert np.array_equal(outcome.image, pictures.astype(np.float32) / 255)


def test_no_step_is_made_for_those_that_are_done(small, pictures) -> None:
    """The network counts how many images it is asked about."""
    asked = []

    def counted(image: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda n: asked.append(int(n)), [tf.shape(image)[0]], [])
        return small(image)

    goals = Goals.of(pictures, labels(small, pictures), 3 / 255)
    outcome = loop(counted, Iterative(20)).run(goals)
    assert len(set(outcome.steps.tolist())) > 2
    # Each question once, and once more for each that has made all steps.
    assert sum(asked) <= outcome.steps.sum() + len(pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_and_the_inputs_stay(
    kind: str, small, pictures
) -> None:
    before = pictures.copy()
    goals = Goals.of(pictures, labels(small, pictures), 2 / 255)
    one, two = (loop(small, KINDS[kind], seed=5).run(goals) for _ in range(2))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(pictures, before)
    assert np.array_equal(goals.clean, before.astype(np.float32) / np.float32(255))


def test_another_seed_and_another_turn_begin_elsewhere(small, pictures) -> None:
    goals = Goals.of(pictures, labels(small, pictures), 2 / 255)
    attack = Iterative(1, 0.0, random_start=True)
    one = loop(small, attack, seed=5).run(goals).image
    assert not np.allclose(loop(small, attack, seed=6).run(goals).image, one)
    again = Goals(*vars(goals).values())
    again.turn[:] = 1
    assert not np.allclose(loop(small, attack, seed=5).run(again).image, one)


def test_nothing_to_attack_is_nothing_found(small, pictures) -> None:
    outcome = loop(small, Iterative(2)).run(Goals.of(pictures[:0], [], 0.1))
    assert outcome.image.shape == (0, 16, 16, 3)


def test_steps_without_a_gradient_are_counted(small, pictures) -> None:
    flat = lambda image: tf.stop_gradient(small(image))  # noqa: E731
    goals = Goals.of(pictures, labels(small, pictures), 2 / 255)
    outcome = loop(flat, Iterative(4)).run(goals)
    assert (outcome.flat == outcome.steps).all() and not outcome.success.any()
