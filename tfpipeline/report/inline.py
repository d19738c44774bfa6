"""Figures of a run for notebooks: Matplotlib's, shown where a cell ends with one."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfpipeline.report.charts import plain

# Of Okabe and Ito, told apart by colour-blind readers as well.
_BLUE, _ORANGE = "#0072B2", "#D55E00"

# Side by side in a gallery, and classes whose counts can be read.
_COLUMNS, _WRITTEN = 3, 20


class Inline(Figure):
    """A figure that shows itself without pyplot, which keeps figures open."""

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            self.savefig(file, format="png", bbox_inches="tight")
            return file.getvalue()


def curves(history: Sequence[Mapping[str, Any]], kept: int | None) -> Figure:
    """Return loss and accuracy of training and validation over all epochs.

    Args:
        history: A row an epoch.
        kept: The epoch whose weights were kept, from 1; None for the last.
    """
    figure = Inline(figsize=(9, 3.4), dpi=100, layout="constrained")
    x = np.arange(1, len(history) + 1)
    fine = [i for i, row in zip(x, history) if row.get("stage") == "fine_tune"]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        for key, words, colour, style in (
            (name, "training", _BLUE, "o-"),
            (f"val_{name}", "validation", _ORANGE, "s--"),
        ):
            y = [np.nan if row.get(key) is None else row[key] for row in history]
            if np.isfinite(y).any():
                axes.plot(x, y, style, color=colour, label=words, markersize=3)
        if fine and len(fine) < len(x):
            axes.axvspan(fine[0], x[-1], color="0.93", label="fine-tuning")
        if kept:
            axes.axvline(kept, color="0.4", linestyle=":", label=f"kept: {kept}")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss, nats" if name == "loss" else name)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def confusion(
    labels: Sequence[str], counts: Sequence[Sequence[int]], title: str
) -> Figure:
    """Return a confusion matrix: darker is a larger share of its row.

    Args:
        labels: Class names.
        counts: A row a true class; a last column for classes that are not shown.
        title: Above it.
    """
    numbers = np.array(counts, float).reshape(len(labels), -1)
    names = [*labels, "others"]
    if not numbers[:, len(labels) :].any():
        numbers = numbers[:, : len(labels)]
    shares = numbers / np.maximum(numbers.sum(1, keepdims=True), 1)
    side = 2.2 + 0.42 * min(len(labels), _WRITTEN + 5)
    figure = Inline(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(numbers.shape[1])
    axes.set_xticks(ticks, [plain(name) for name in names[: len(ticks)]], rotation=60)
    axes.set_yticks(range(len(labels)), [plain(name) for name in labels])
    for row, column in np.argwhere(numbers > 0) if len(labels) <= _WRITTEN else ():
        colour = "white" if shares[row, column] > 0.55 else "black"
        words = f"{numbers[row, column]:.0f}"
        axes.text(column, row, words, color=colour, ha="center", va="center")
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    axes.set_title(title)
    return figure


def gallery(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> Figure:
    """Return pictures side by side, each below its caption.

    Args:
        pictures: uint8, of shape (height, width, 3) each.
        captions: As many.
    """
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = pictures[0].shape[:2]
    across = 3.2 * columns
    size = (across, rows * (across / columns * height / width + 0.75))
    figure = Inline(figsize=size, dpi=100, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture, words in zip(grid, pictures, captions):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(plain(words), fontsize=9, loc="left")
    return figure
