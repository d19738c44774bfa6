"""Epsilon, as people write it."""

import pytest

from tfpipeline.config.adversary import epsilon, epsilons, written
from tfpipeline.core.errors import UserError


@pytest.mark.parametrize(
    ("word", "value"),
    [("4/255", 4 / 255), ("0.5", 0.5), (0.25, 0.25), (" 1 / 2 ", 0.5), ("1e-2", 0.01)],
)
def test_numbers_and_fractions_are_read(word: str | float, value: float) -> None:
    assert epsilon(word, "--epsilon") == pytest.approx(value)


@pytest.mark.parametrize(
    "word", ["-1", "4/0", "4//255", "a", "", "nan", "inf", "1/2/3"]
)
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="--epsilon: expected a number or a fraction"):
        epsilon(word, "--epsilon")


def test_several_are_parted_by_commas_and_rise() -> None:
    assert epsilons("2/255, 1/255,2/255", "--robust") == [1 / 255, 2 / 255]


def test_a_radius_is_written_as_it_is_read() -> None:
    assert written(4 / 255, "linf") == "4/255" and written(0.5, "l2") == "0.5"
