"""Which attacked photographs get a figure of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack import plots
from tfpipeline.attack.experiment import Strike
from tfpipeline.core import image_io


@dataclass
class Figures:
    """Draws a bounded number: each takes about as long as a picture is attacked.

    Args:
        most: The first ones get a figure, and besides as many of those that withstood;
            None is all.
        drawn: Of the first ones.
        withstood: Of the others.
    """

    most: int | None
    drawn: int = 0
    withstood: int = 0

    def draw(
        self,
        strike: Strike,
        pictures: np.ndarray,
        items: Sequence[dict[str, Any]],
        output: Path,
    ) -> None:
        """Draw those of some photographs that are to have one, and name them.

        Args:
            strike: The attack on the photographs.
            pictures: As they were saved, uint8, shape (n, height, width, 3).
            items: What is true of each; `figure` is put in.
            output: The folder.
        """
        for subject, picture, item in zip(strike.subjects, pictures, items):
            if self._wanted(item):
                item["figure"] = f"figures/{item['adversarial']}"
                drawn = plots.attacked(subject.picture, picture, item)
                image_io.save_png(output / item["figure"], drawn)

    def _wanted(self, item: Mapping[str, Any]) -> bool:
        """Tell whether a photograph gets one, and count it."""
        if self.most is None or self.drawn < self.most:
            self.drawn += 1
            return True
        if not item["success_8bit"] and self.withstood < self.most:
            self.withstood += 1
            return True
        return False
