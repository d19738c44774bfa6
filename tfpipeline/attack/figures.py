"""Which attacked photographs get a figure of their own, and what stands on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack import plots
from tfpipeline.attack.engine.epsilon import Epsilon
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
                drawn = plots.attacked(subject.picture, picture, _told(item))
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


def _told(item: Mapping[str, Any]) -> plots.Told:
    norm = item["norm"]
    size = Epsilon(item[norm], norm)
    result = item["final_class"] if item["success_8bit"] else "NOT FOOLED"
    return plots.Told(
        f"photograph: {item['label']}",
        f"perturbation, {norm} {size}",
        f"result: {result}",
        (item["clean_top"], item["top"]),
        item["label"],
        item["final_class"] if item["success_8bit"] else None,
        _facts(item),
    )


def _facts(item: Mapping[str, Any]) -> list[str]:
    """Return what else is true of a picture, in short lines."""
    alike = "" if item["psnr"] is None else f"PSNR {item['psnr']:.1f} dB, "
    steps = f"{item['steps']} step{'s' * (item['steps'] != 1)}"
    facts = [
        f"asked for: {item['norm']} at most {Epsilon(item['epsilon'], item['norm'])}",
        f"{steps}; {alike}SSIM {item['ssim']:.3f}",
    ]
    if item["success_jpeg"]:
        kept = [
            f"{word} {'yes' if fools else 'no'}"
            for word, fools in item["success_jpeg"].items()
        ]
        facts.append(f"fools after JPEG: {', '.join(kept)}")
    for name, verdict in list(item["judges"].items())[:2]:
        facts.append(f"{name}: {verdict['class']} {verdict['probability']:.3f}")
    return facts
