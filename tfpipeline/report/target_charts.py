"""Charts of several labels an image and of numbers: what is true, what is said."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.report import charts
from tfpipeline.report.figures import INKS, figure, styled

# Bars that differ from full ones in more than their colour.
_HOLLOW = {"facecolor": f"{INKS.vermillion}2e", "edgecolor": INKS.vermillion}


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


@styled
def label_counts(true: Sequence[int], said: Sequence[int], last: str = "") -> Any:
    """Return a chart of how many images have no label, one, two and so on.

    Args:
        true: Images by their number of labels, from 0 on.
        said: Images by how many labels the network says; as many entries.
        last: What the last entry is called where it stands for more than one number.
    """
    drawn, axes = charts.one_chart()
    names = [str(number) for number in range(len(true))]
    names[-1] = last or names[-1]
    for name, left, values, look in (
        ("true", -0.42, true, {"facecolor": INKS.blue, "alpha": 0.78}),
        ("predicted", 0.02, said, _HOLLOW),
    ):
        bars = [
            (place + left, 0, 0.4, count, f"{_images(count)}, {label} {name}")
            for place, (label, count) in enumerate(zip(names, values))
        ]
        charts.draw_boxes(axes, name, bars, label=name, **look)
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 1.05 * max(*true, *said, 1)))
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="labels per image", ylabel="images")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1), ncols=2, borderpad=0)
    return drawn


@styled
def errors(edges: Sequence[float], counts: Sequence[int], name: str) -> Any:
    """Return a histogram of predicted minus true numbers.

    Args:
        edges: Of the bins, ascending, one more than there are.
        counts: Images in each.
        name: Of the quantity, with its unit.
    """
    drawn, axes = charts.one_chart()
    bars = [
        (low, 0, high - low, count, f"{_images(count)}, off by {low:.3g} to {high:.3g}")
        for low, high, count in zip(edges, edges[1:], counts)
    ]
    look = {"facecolor": INKS.blue, "alpha": 0.78, "edgecolor": INKS.paper}
    charts.draw_boxes(axes, "bar", bars, **look)
    axes.axvline(0, color=INKS.soft, linestyle=":", linewidth=1)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.05 * max(*counts, 1)))
    axes.set(xlabel=f"predicted minus true {charts.cut(name, 30)}", ylabel="images")
    return drawn


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
