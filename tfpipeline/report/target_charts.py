"""Charts of numbers: what was predicted against what is true."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.report import charts
from tfpipeline.report.figures import INKS, figure, styled


@styled
def scatter(points: Sequence[Sequence[float]], name: str) -> Any:
    """Return a chart of predicted numbers against true ones, and the line between.

    Args:
        points: Pairs of true and predicted, at least one.
        name: Of the quantity, with its unit.
    """
    pairs = np.asarray(points, float)
    drawn = figure(4.6, 4.6)
    axes = drawn.add_axes((0.15, 0.12, 0.82, 0.82))
    low, high = float(pairs.min()), float(pairs.max())
    room = 0.04 * (high - low) or 1.0
    ends = low - room, high + room
    axes.plot(ends, ends, color=INKS.soft, linestyle=":", linewidth=1, gid="right")
    axes.plot(
        *(pairs[:, 0], pairs[:, 1], "o"),
        **dict(markersize=3.5, alpha=0.55, color=INKS.blue, gid="points"),
    )
    short = charts.cut(name, 40)
    axes.set(xlim=ends, ylim=ends, xlabel=f"true {short}", ylabel=f"predicted {short}")
    axes.locator_params(nbins=5)
    return drawn
