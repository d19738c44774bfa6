"""The chart of an ideal image: what the network makes of it, and how it came about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.report.figures import INKS, figure, pixels, styled

# Classes that have their names below their bars, at most.
MOST_NAMED = 12


@styled
def ideal(
    picture: np.ndarray,
    title: str,
    probabilities: np.ndarray,
    labels: Sequence[str],
    curve: np.ndarray,
) -> np.ndarray:
    """Return an ideal image beside its probabilities and its score by step, as pixels.

    Args:
        picture: uint8, shape (height, width, 3).
        title: Above it.
        probabilities: Of all classes, shape (classes,).
        labels: Class names.
        curve: Score of the transformed copies at each step.
    """
    drawn = figure(13, 3.8, layout="constrained")
    left, bars, right = drawn.subplots(1, 3, width_ratios=(1, 1.5, 1.2))
    left.imshow(picture, interpolation="nearest")
    left.set_axis_off()
    left.set_title(title)
    count = len(probabilities)
    best = np.argsort(-probabilities, kind="stable")[: min(5, count)]
    bars.bar(
        np.arange(count), probabilities, width=max(0.8, count / 250), color=INKS.blue
    )
    bars.set(xlim=(-0.02 * count - 0.5, 1.02 * count - 0.5), ylim=(0, 1.02))
    bars.set(xlabel="class number", title="probability")
    if count <= MOST_NAMED:
        names = [name if len(name) <= 12 else f"{name[:11]}\u2026" for name in labels]
        bars.set_xticks(range(count), names, rotation=90 if count > 4 else 0)
        bars.set_xlabel("class")
    x, side = (0.03, "left") if best[0] > count / 2 else (0.97, "right")
    bars.text(
        *(x, 0.96, "\n".join(f"{probabilities[i]:.3f}  {labels[i]}" for i in best)),
        **dict(transform=bars.transAxes, ha=side, va="top"),
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none"},
    )
    right.plot(np.arange(len(curve)), curve, color=INKS.blue, linewidth=1)
    right.set(xlabel="step", title="score of the transformed image")
    return pixels(drawn)


@styled
def natural_path(items: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return how ideal images go through the layers, a line each, and their mean.

    Args:
        items: Of `synthesis.json`; those without photographs are left out.
    """
    each = [item["natural_path"] for item in items if "natural_path" in item]
    layers = list(each[0])
    parts = ("ideal", "same", "other")
    drawn = figure(8, 3.8, layout="constrained")
    axes = drawn.subplots()
    places = np.arange(len(layers))
    for one in each:
        values = [one[name]["normalized"] for name in layers]
        line = [np.nan if value is None else value for value in values]
        axes.plot(places, line, color=INKS.blue, linewidth=0.7, alpha=0.35)
    together = []
    for name in layers:
        ideal, same, other = (sum(one[name][part] for one in each) for part in parts)
        span = same - other
        together.append((ideal - other) / span if span > 0 else np.nan)
    axes.plot(places, together, color=INKS.blue, linewidth=2, label="all images")
    for height, words in ((0, "as another class"), (1, "as the same class")):
        axes.axhline(height, color="0.5", linewidth=1, linestyle=":")
        axes.text(places[-1], height, words, ha="right", va="bottom", color="0.4")
    axes.set_xticks(places, layers, rotation=30, ha="right")
    # Where photographs hardly tell classes apart, a line goes anywhere.
    axes.set(ylim=(-2, 2), title="similarity of activations to photographs")
    axes.legend(loc="lower left")
    return pixels(drawn)
