"""Draws: of each image by the seed, its key and the step, whatever its batch mates."""

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import defences, random
from tfpipeline.attack.engine.base import Task
from tfpipeline.attack.engine.gradient import Iterative
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.losses import LOSSES
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sequence import Campaign

ONE = tf.distribute.get_strategy()


def shifts(state: dict[str, list[int]], seed: int = 0) -> np.ndarray:
    """Return what a random change draws for some images of an attack."""
    drawn = []

    def change(image: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        drawn.append(np.asarray(random.uniform(draw, 1))[:, 0])
        return image

    model = AttackedModel(
        [lambda x: x[:, 0, 0, :2]], False, changes=[change], samples=2
    )
    task = Task(model, NORMS["linf"], LOSSES["margin"], seed=seed)
    some = {name: tf.constant(value, tf.int32) for name, value in state.items()}
    count = len(state["key"])
    some["index"] = tf.zeros([count], tf.int32)
    task.judge(tf.zeros((count, 1, 1, 3)), some)
    return np.stack(drawn, 1)


def test_changes_are_drawn_anew_for_each_image_step_restart_and_sample() -> None:
    base = {"key": [1, 2], "number": [5, 5], "turn": [0, 0]}
    outcome = [
        shifts(base),
        shifts(base | {"number": [6, 6]}),
        shifts(base | {"turn": [1, 1]}),
        shifts(base, seed=1),
    ]
    assert len(np.unique(outcome)) == 2 * 2 * len(outcome)


def test_a_draw_depends_on_nothing_else() -> None:
    both = shifts({"key": [1, 2], "number": [5, 9], "turn": [0, 1]})
    alone = shifts({"key": [2], "number": [9], "turn": [1]})
    assert np.array_equal(both[1:], alone)


def test_an_attack_that_expects_beats_one_that_does_not(small, pictures) -> None:
    """Behind random noise, on draws that no attack has seen."""
    change = defences.find("noise:25")
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(small(values)).argmax(-1)
    judge = Campaign(AttackedModel([small], False, [change]), NORMS["linf"], [], ONE)
    rates = {}
    for name, changes, samples in (
        ("none", [], 1),
        ("once", [change], 1),
        ("often", [change], 8),
    ):
        model = AttackedModel([small], False, changes, samples)
        part = Part(Iterative(20), "margin")
        one = Campaign(model, NORMS["linf"], [part], ONE)
        image = one.run(Goals.of(pictures, label, 8 / 255)).image
        rates[name] = np.mean([judge.fooled(image, label, turn) for turn in range(12)])
    assert rates["often"] > max(rates["none"], rates["once"]) + 0.15
    assert rates["often"] > 0.8


def test_noise_and_smaller_pictures_let_gradients_pass(small, pictures) -> None:
    image = tf.constant(pictures / np.float32(255))
    draw = random.another(tf.zeros([7, 2], tf.int32), 3)
    for word in ("noise:4", "resize_pad:60"):
        with tf.GradientTape() as tape:
            tape.watch(image)
            seen = defences.find(word)(image, draw)
            score = tf.reduce_sum(small(seen)[:, 0])
        assert seen.shape == image.shape
        assert float(tf.reduce_min(seen)) >= 0 and float(tf.reduce_max(seen)) <= 1
        assert np.abs(tape.gradient(score, image)).max() > 0
    # Around a smaller picture there is black.
    dark = np.asarray(defences.find("resize_pad:50")(tf.ones_like(image), draw))
    assert 0.2 < dark.mean() < 1 and dark.max() == 1
