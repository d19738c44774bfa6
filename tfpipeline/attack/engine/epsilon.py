"""Epsilon, the radius of a perturbation: read, checked, compared and printed here."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.core.errors import UserError

# A step of an 8-bit picture, in [0, 1].
GREY_LEVEL = 1 / 255

# What the float32 of an image may add to the size of its perturbation.
TOLERANCE = 1e-6

# Of a step: a radius that is so little below a whole number of steps is that number.
_SLACK = 1e-3


def within(size: Any, radius: Any) -> np.ndarray:
    """Tell which sizes lie in a ball: of one radius, or of one each."""
    return np.asarray(size <= np.asarray(radius, np.float64) + TOLERANCE)


def whole_steps(radius: Any) -> Any:
    """Return radii (a number, an array or a tensor) less what is no step of 8 bits."""
    return (radius / GREY_LEVEL + _SLACK) // 1 * GREY_LEVEL


@dataclass(frozen=True, order=True)
class Epsilon:
    """How large a perturbation may be; printed as people write it."""

    # Of pixel values in [0, 1]: 4/255 is four steps of an 8-bit picture.
    value: float
    norm: str = "linf"
    # Whether the perturbed images are 8-bit ones.
    grid: bool = False

    @classmethod
    def parse(
        cls, word: str | float, flag: str, norm: str = "linf", *, grid: bool = False
    ) -> "Epsilon":
        """Return a radius that was written as a number or a fraction, e.g. `4/255`."""
        number = r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*"
        match = re.fullmatch(rf"{number}(?:/{number})?", str(word))
        below = float(match[2]) if match and match[2] else 1.0
        if match is None or not below:
            raise UserError(
                f"{flag}: expected a number or a fraction from 0, of values in [0, 1], "
                f"e.g. 4/255 or 0.5. Received: {word}."
            )
        return cls(float(match[1]) / below, norm, grid)

    @classmethod
    def read(
        cls, word: str | float, flag: str, norm: str = "linf", *, grid: bool = False
    ) -> "Epsilon":
        """Do what `parse` does, and refuse what no picture, or every one, lies in."""
        epsilon, given = cls.parse(word, flag, norm, grid=grid), f"{flag} {word}"
        if not epsilon.value:
            raise UserError(f"{given}: expected more than 0: no pixel could change.")
        if norm != "linf":
            return epsilon
        if epsilon.value > 1:
            raise UserError(
                f"{given}: expected at most 1: pixels are in [0, 1]. If you meant "
                f"steps of 8 bits, write {word}/255."
            )
        if grid and not epsilon.whole().value:
            raise UserError(
                f"{given}: less than one step of an 8-bit picture, 1/255: a saved "
                f"file could not differ from the photograph. Raise it, or use "
                f"--adversary.eight_bit "
                "false."
            )
        return epsilon

    @classmethod
    def read_all(
        cls, words: str | Sequence[str], flag: str, norm: str = "linf", *, grid: bool
    ) -> list["Epsilon"]:
        """Return radii, rising and each once; of one text, what commas part."""
        parts = words.split(",") if isinstance(words, str) else words
        return sorted({cls.read(part.strip(), flag, norm, grid=grid) for part in parts})

    @property
    def unit(self) -> tuple[str, float]:
        """What it is printed in, and how many of them 1 has."""
        return ("1/255", 255.0) if self.norm == "linf" else (self.norm, 1.0)

    def __str__(self) -> str:
        end = "/255" if self.norm == "linf" else ""
        return f"{self.value * self.unit[1]:.3g}{end}"

    def holds(self, size: Any) -> np.ndarray:
        """Tell which sizes of perturbations are in the ball."""
        return within(size, self.value)

    def whole(self) -> "Epsilon":
        """Return it, less what is no step of 8 bits where pictures have such."""
        if self.norm != "linf" or not self.grid:
            return self
        return dataclasses.replace(self, value=whole_steps(self.value))

    def around(self) -> list["Epsilon"]:
        """Return half of it, itself, and twice: those that pictures can have."""
        most = 1.0 if self.norm == "linf" else np.inf
        values = (self.value / 2, self.value * 2)
        others = [dataclasses.replace(self, value=min(v, most)).whole() for v in values]
        return sorted({self, *(other for other in others if other.value)})
