"""The checks fire where they should, and only there."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.adversarial import honesty
from tfpipeline.adversarial.attacks import Part
from tfpipeline.adversarial.campaign import Campaign
from tfpipeline.adversarial.iterative import Iterative
from tfpipeline.adversarial.loop import Wanted
from tfpipeline.adversarial.norms import NORMS
from tfpipeline.adversarial.square import Square
from tfpipeline.adversarial.victim import Victim, inspect


def told(network, pictures, part: Part, epsilon: float) -> dict[str, bool]:
    """Return which checks of an attack on a network passed."""
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(network(tf.constant(values))).argmax(-1)
    victim = Victim([network], False)
    one = Campaign(victim, NORMS["linf"], [part], tf.distribute.get_strategy())
    wanted = Wanted.of(pictures, label, epsilon)
    found = one.run(wanted)
    checks = {"valid": honesty.valid(one, found, wanted)}
    checks |= honesty.gradients(inspect(victim, values, label), found)
    checks |= honesty.stronger(one, found, wanted)
    return {name: check.passed for name, check in checks.items()}


STRONG = Part(Iterative(40), "margin")


def test_nothing_fires_for_a_strong_attack_on_an_open_network(small, pictures) -> None:
    found = told(small, pictures, STRONG, 6 / 255)
    assert all(found.values()), found


def test_a_network_that_rounds_its_input_is_found_out(small, pictures) -> None:
    found = told(lambda x: small(tf.round(48 * x) / 48), pictures, STRONG, 10 / 255)
    assert not found["gradients_not_zero"]
    assert not found["gradient_free_not_better"]
    assert not found["unbounded_succeeds"]


def test_a_network_with_huge_logits_is_found_out(small, pictures) -> None:
    part = Part(Iterative(40), "cross_entropy")
    found = told(lambda x: 1e4 * small(x), pictures, part, 3 / 255)
    assert not found["logits_not_saturated"]
    assert not found["gradients_not_zero"]


def test_squares_that_are_part_of_the_attack_are_found_out(small, pictures) -> None:
    """What only they have fooled is no success of gradients."""
    rounded = lambda x: small(tf.round(48 * x) / 48)  # noqa: E731
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(rounded(tf.constant(values))).argmax(-1)
    parts = [STRONG, Part(Square(400), "margin")]
    victim = Victim([rounded], False)
    one = Campaign(victim, NORMS["linf"], parts, tf.distribute.get_strategy())
    wanted = Wanted.of(pictures, label, 10 / 255)
    found = one.run(wanted)
    assert found.free.any()
    assert not honesty.stronger(one, found, wanted)["gradient_free_not_better"].passed


def test_too_few_steps_are_found_out(small, pictures) -> None:
    lame = Part(Iterative(2, 0.15), "margin")
    found = told(small, pictures, lame, 4 / 255)
    assert not (
        found["more_steps_change_nothing"] and found["iterated_beats_single_step"]
    )


def test_a_random_network_is_found_out(small, pictures) -> None:
    noisy = lambda x: small(x + 0.01 * tf.random.normal(tf.shape(x)))  # noqa: E731
    assert not told(noisy, pictures, STRONG, 2 / 255)["deterministic"]


def test_a_network_that_noise_fools_is_found_out(pictures) -> None:
    def shaky(image: tf.Tensor) -> tf.Tensor:
        """Tell two classes apart by digits far behind the point."""
        score = 1e3 * (tf.reduce_sum(image * image, [1, 2, 3]) % 0.2 - 0.1)
        return tf.stack([tf.zeros_like(score), score], 1)

    assert not told(shaky, pictures, STRONG, 4 / 255)["random_noise_fails"]


def test_success_that_falls_with_epsilon_is_found_out() -> None:
    assert honesty.monotone([0.1, 0.2, 0.3], [0.1, 0.5, 0.5]).passed
    assert not honesty.monotone([0.1, 0.2, 0.3], [0.1, 0.5, 0.4]).passed


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 3 / 255])
def test_levels_are_those_of_a_file(value: float) -> None:
    picture = honesty.levels(np.full((1, 2, 2, 3), value, np.float32))
    assert (picture == np.floor(value * 255 + 0.5)).all()
