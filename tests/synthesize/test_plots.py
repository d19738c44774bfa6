"""The chart of an ideal image names few classes, and numbers many."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tfpipeline.synthesize import plots


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Return the figures that are turned into pixels, as they are then."""
    figures: list[Figure] = []
    pixels = plots.pixels

    def keep(figure: Figure) -> np.ndarray:
        figures.append(figure)
        return pixels(figure)

    monkeypatch.setattr(plots, "pixels", keep)
    return figures


@pytest.mark.parametrize("count", [2, plots.MOST_NAMED, plots.MOST_NAMED + 1])
def test_few_classes_are_named_below_their_bars(count: int, drawn) -> None:
    labels = [f"a class with the number {i}" for i in range(count)]
    share = np.full(count, 1 / count)
    picture, curve = np.zeros((8, 8, 3), np.uint8), np.arange(5.0)
    image = plots.ideal(picture, "title", share, labels, curve)
    assert image.dtype == np.uint8 and image.ndim == 3
    bars = drawn[0].axes[1]
    named = count <= plots.MOST_NAMED
    assert bars.get_xlabel() == ("class" if named else "class number")
    if named:
        assert bars.get_xticks().tolist() == list(range(count))
        assert all(t.get_text()[:6] == "a clas" for t in bars.get_xticklabels())
