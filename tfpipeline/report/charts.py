"""Charts: what a network makes of one image, and how the image came about."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def drawn(figure: Any) -> np.ndarray:
    """Return a figure of Matplotlib as pixels.

    Args:
        figure: With everything on it.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def ideal(
    picture: np.ndarray,
    title: str,
    probabilities: np.ndarray,
    labels: Sequence[str],
    curve: np.ndarray,
) -> np.ndarray:
    """Return an ideal image beside its probabilities and the score of its steps.

    Args:
        picture: uint8, shape (height, width, 3).
        title: Above it.
        probabilities: Of all classes, shape (classes,).
        labels: Class names.
        curve: Score of the transformed copies at each step.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.8), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.5, 1.2))
    left.imshow(picture, interpolation="nearest")
    left.set_axis_off()
    left.set_title(plain(title))
    _bars(middle, probabilities, labels)
    right.plot(np.arange(len(curve)), curve, color="tab:blue", linewidth=1)
    right.set_title("score of what the network saw")
    right.set_xlabel("step")
    right.spines[["top", "right"]].set_visible(False)
    return drawn(figure)


def _bars(axes: Any, probabilities: np.ndarray, labels: Sequence[str]) -> None:
    """Draw one bar a class, and name the highest ones."""
    count = len(probabilities)
    best = np.argsort(-probabilities, kind="stable")[: min(5, count)]
    axes.bar(np.arange(count), probabilities, width=max(0.8, count / 250))
    axes.set_ylim(0, 1.02)
    axes.set_xlim(-0.02 * count - 0.5, 1.02 * count - 0.5)
    axes.set_xlabel("class number")
    axes.set_title("probability")
    axes.spines[["top", "right"]].set_visible(False)
    told = "\n".join(f"{probabilities[i]:.3f}  {plain(labels[i])}" for i in best)
    side = "left" if best[0] > count / 2 else "right"
    axes.text(
        0.03 if side == "left" else 0.97,
        0.96,
        told,
        transform=axes.transAxes,
        ha=side,
        va="top",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none"},
    )


def plain(text: str) -> str:
    """Return text in which Matplotlib sees no formula.

    Args:
        text: E.g. the name of a class.
    """
    return text.replace("$", r"\$")
