"""What is said of the pictures that an attack has made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tfpipeline.attack import outputs
from tfpipeline.attack.experiment import Strike
from tfpipeline.core import brightness, image_io


def answering(seen: int) -> Any:
    """Return a network that sees the same class on every picture."""
    logits = np.eye(2, dtype=np.float32)[seen]
    return SimpleNamespace(
        resize="squash",
        ranges=brightness.Ranges(),
        logits=lambda pictures: np.stack([logits] * len(pictures)),
    )


@pytest.mark.parametrize(("second", "fooled"), [(1, True), (0, False)])
def test_at_full_size_all_networks_together_are_asked(
    second: int, fooled: bool, tmp_path: Path
) -> None:
    clean = np.full((8, 8, 3), 100, np.uint8)
    image_io.save_png(tmp_path / "photograph.png", clean.repeat(3, 0).repeat(3, 1))
    subject = SimpleNamespace(path=tmp_path / "photograph.png", picture=clean, label=0)
    strike: Any = object.__new__(Strike)
    strike.settings = SimpleNamespace(resize=None, max_pixels=10**6)
    strike.target = None
    strike.networks, strike.subjects = [answering(1), answering(second)], [subject]
    items = [{"adversarial": "p.png"}]
    outputs._save_full_size(strike, np.stack([clean + 2]), items, tmp_path)
    assert items[0]["full_size"] == "full_size/p.png"
    assert items[0]["success_full_size"] is fooled
