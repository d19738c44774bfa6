"""Attacks on photographs: of networks of several sizes, and what is asked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.tiffs import Page, tiff
from tfpipeline.attack import experiment
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.load_network import Network


@dataclasses.dataclass
class Mirror:
    """A network that answers with what it sees.

    Args:
        side: Of its input.
        variables: It has none.
        layers: Nor any of these.
    """

    side: int
    variables: tuple[()] = ()
    layers: tuple[()] = ()

    @property
    def input_shape(self) -> tuple[None, int, int, int]:
        return None, self.side, self.side, 3

    def __call__(self, image: tf.Tensor, training: bool) -> tf.Tensor:
        return tf.reshape(image, [-1, self.side * self.side * 3])


def mirror(side: int) -> Network:
    return Network(f"mirror {side}", Mirror(side), ClassNames(("a", "b")))


@pytest.mark.parametrize("side", [20, 32, 33, 47, 64])
def test_an_attack_sees_of_another_size_what_a_file_will_show(side: int) -> None:
    """Up and down, to the last of the 8 bits."""
    rng = np.random.default_rng(side)
    pictures = rng.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    other = mirror(side)
    _, answer = experiment.models([mirror(32), other], (32, 32))
    outcome = np.asarray(answer(tf.constant(pictures / np.float32(255))))
    assert np.array_equal(outcome, other.logits(pictures))
    small = image_io.resize(pictures[0], side, side, "squash")
    assert np.array_equal((outcome[0] * 255 + 0.5).astype(np.uint8), small.ravel())


def test_gradients_pass_from_one_size_to_the_other() -> None:
    _, answer = experiment.models([mirror(32), mirror(8)], (32, 32))
    image = tf.fill((1, 32, 32, 3), 0.5)
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(answer(image))
    # Each value of the small picture is the mean of 16.
    assert np.allclose(tape.gradient(score, image), 1 / 16, atol=1e-5)


def radii(count: int = 1, **given) -> list[float]:
    _, outcome = experiment.radii(AttackSettings(**given), count)
    return [round(255 * epsilon.value, 3) for epsilon in outcome]


def test_radii_between_8_bit_steps_are_kept_as_they_were_written() -> None:
    assert radii(epsilon="2/255", epsilons=["2.6/255"]) == [2, 2.6]


def test_half_and_twice_epsilon_are_whole_steps_of_8_bits_and_not_over_1() -> None:
    assert radii(4, epsilon="5/255") == [2, 5, 10]
    assert radii(4, epsilon="65/255") == [32, 65, 130]
    assert radii(4, epsilon="1/255") == [1, 2]
    assert max(radii(4, epsilon=0.7)) == 255
    free = AdversarySettings(eight_bit=False)
    assert radii(4, epsilon="5/255", adversary=free) == [2.5, 5, 10]


def test_networks_that_read_photographs_by_another_range_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep, shallow = tmp_path / "a.tif", tmp_path / "b.png"
    deep.write_bytes(tiff(Page(np.arange(64, dtype=np.uint16).reshape(8, 8))))
    image_io.save_png(shallow, np.zeros((8, 8, 3), np.uint8))
    spans = (("uint16", 0, 4095),), (("uint16", 0, 255),), (("float32", 0, 1),)
    networks = [
        dataclasses.replace(mirror(8 + i), ranges=Ranges(span))
        for i, span in enumerate((*spans, spans[0]))
    ]
    experiment.compare_ranges(networks, [shallow], 100)
    assert not capsys.readouterr().err
    experiment.compare_ranges(networks, [shallow, deep], 100)
    said = capsys.readouterr().err
    assert "mirror 9" in said and "0 255" in said and "0 4095" in said
    # It has seen no such picture, or sees them alike.
    assert "mirror 10" not in said and "mirror 11" not in said
