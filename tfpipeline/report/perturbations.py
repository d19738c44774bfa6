"""Figures of attacks: what was changed, and what a network makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.report import charts

# The first five of a network: name and probability of each.
Top = Sequence[tuple[str, float]]


def amplified(changed: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a perturbation that can be seen, around grey, and by how much it is more.

    Args:
        changed: uint8, shape (height, width, 3).
        clean: Likewise.
    """
    delta = (changed.astype(np.float64) - clean) / 255
    largest = float(np.abs(delta).max())
    factor = 0.5 / largest if largest else 1.0
    shown = np.clip(0.5 + factor * delta, 0, 1) * 255 + 0.5
    return shown.astype(np.uint8), factor


def attacked(
    clean: np.ndarray,
    changed: np.ndarray,
    tops: tuple[Top, Top],
    words: tuple[str, str],
) -> np.ndarray:
    """Return a photograph, its perturbation, and the result, with what is seen on both.

    Args:
        clean: uint8, shape (height, width, 3).
        changed: Likewise.
        tops: What the network sees before and after.
        words: Above the perturbation, and above the result.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    noise, factor = amplified(changed, clean)
    figure = Figure(figsize=(11, 5.2), dpi=100, layout="constrained")
    panels: Any = figure.subplots(2, 3, height_ratios=(3, 1))
    times = f"{words[0]}, shown {factor:.3g} times as strong"
    for axes, picture, title in zip(
        panels[0],
        (clean, noise, changed),
        ("photograph", times, words[1]),
    ):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(charts.plain(title), fontsize=10)
        axes.set_axis_off()
    panels[1][1].set_axis_off()
    for axes, top in ((panels[1][0], tops[0]), (panels[1][2], tops[1])):
        _bars(axes, top)
    return charts.drawn(figure)


def _bars(axes: Any, top: Top) -> None:
    """Draw the first five, each name inside or beside its bar."""
    places = np.arange(len(top))[::-1]
    axes.barh(places, [share for _, share in top], color="tab:blue", alpha=0.35)
    for place, (name, share) in zip(places, top):
        axes.text(0.01, place, f"{charts.plain(name)}  {share:.3f}", va="center")
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    axes.set_xlabel("probability", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


def summary(
    curve: Sequence[tuple[float, float]],
    least: Sequence[float],
    matrix: Mapping[str, Mapping[str, float]],
    unit: str,
) -> np.ndarray:
    """Return what is true of many photographs, side by side.

    Args:
        curve: Radii and the accuracy at each, rising; 0 is without an attack.
        least: The smallest perturbation of each; empty if they were not looked for.
        matrix: Of each network that was attacked, which share of its pictures fools
            each network.
        unit: Of the radii.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    many = 1 + bool(least) + bool(matrix)
    figure = Figure(figsize=(4.6 * many, 3.8), dpi=100, layout="constrained")
    panels: list[Any] = list(np.atleast_1d(figure.subplots(1, many)))
    axes = panels.pop(0)
    axes.plot(*zip(*curve), marker="o", color="tab:blue")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(f"epsilon ({unit})")
    axes.set_ylabel("accuracy that is left")
    if least:
        axes = panels.pop(0)
        axes.hist(least, bins=min(20, max(5, len(least) // 2)), color="tab:blue")
        middle = float(np.median(least))
        axes.axvline(
            middle, color="tab:orange", linestyle="--", label=f"median {middle:.3g}"
        )
        axes.legend(frameon=False)
        axes.set_xlabel(f"smallest perturbation ({unit})")
        axes.set_ylabel("photographs")
    if matrix:
        _matrix(figure, panels.pop(0), matrix)
    for axes in figure.axes[: many - bool(matrix)]:
        axes.spines[["top", "right"]].set_visible(False)
    return charts.drawn(figure)


def _matrix(figure: Any, axes: Any, matrix: Mapping[str, Mapping[str, float]]) -> None:
    columns = list(next(iter(matrix.values())))
    values = np.array([[row[name] for name in columns] for row in matrix.values()])
    axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
    for (row, column), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(columns)), map(charts.plain, columns), rotation=20)
    axes.set_yticks(range(len(matrix)), map(charts.plain, matrix))
    axes.set_xlabel("share that fools")
    axes.set_ylabel("made of")
