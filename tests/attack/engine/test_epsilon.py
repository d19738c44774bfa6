"""Epsilon: as people write it, as pictures can have it, and what lies in its ball."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine.epsilon import GREY_LEVEL, Epsilon, whole_steps
from tfpipeline.core.errors import UserError


@pytest.mark.parametrize(
    ("word", "value"),
    [("4/255", 4 / 255), ("0.5", 0.5), (0.25, 0.25), (" 1 / 2 ", 0.5), ("1e-2", 0.01)],
)
def test_numbers_and_fractions_are_read(word: str | float, value: float) -> None:
    assert Epsilon.read(word, "--epsilon").value == pytest.approx(value)


@pytest.mark.parametrize(
    "word", ["-1", "4/0", "4//255", "a", "", "nan", "inf", "1/2/3"]
)
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="--epsilon: expected a number or a fraction"):
        Epsilon.parse(word, "--epsilon")


@pytest.mark.parametrize(
    ("word", "norm", "grid", "told"),
    [
        ("0", "l2", False, "--robust 0: expected more than 0"),
        ("4", "linf", False, "--robust 4: .* write 4/255"),
        ("0.5/255", "linf", True, "--robust 0.5/255: less than one step"),
    ],
)
def test_what_no_picture_or_every_one_lies_in_is_refused(
    word: str, norm: str, grid: bool, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        Epsilon.read(word, "--robust", norm, grid=grid)


def test_what_pictures_can_have_is_not_refused() -> None:
    assert Epsilon.read("4", "--epsilon", "l2").value == 4
    assert Epsilon.read("0.5/255", "--epsilon").value == 0.5 / 255
    assert Epsilon.read("0.9995/255", "--epsilon", grid=True).whole().value


def test_several_are_parted_by_commas_and_rise() -> None:
    radii = Epsilon.read_all("2/255, 1/255,2/255", "--robust", grid=True)
    assert [epsilon.value for epsilon in radii] == [1 / 255, 2 / 255]


def test_a_radius_is_written_as_it_is_read() -> None:
    assert str(Epsilon(4 / 255)) == "4/255" and str(Epsilon(0.5, "l2")) == "0.5"


def test_whole_steps_are_those_below_but_for_rounding() -> None:
    steps = np.array([0.5, 0.9995, 2, 2.7, 255])
    expected = np.array([0, 1, 2, 2, 255])
    for kind in (np.float32, np.float64):
        radii = (steps / 255).astype(kind)
        assert np.allclose(whole_steps(radii) / GREY_LEVEL, expected, rtol=1e-6)
        assert np.allclose(whole_steps(tf.constant(radii)), whole_steps(radii))
    assert Epsilon(2.7 / 255, "l2", True).whole().value == 2.7 / 255


def test_what_float32_rounds_is_still_in_the_ball() -> None:
    inside = Epsilon(4 / 255).holds(np.array([4 / 255 + 1e-7, 4 / 255 + 1e-5]))
    assert inside.tolist() == [True, False]
