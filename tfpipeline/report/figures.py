"""Figures of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tfpipeline.core import contact_sheets
from tfpipeline.report import charts, heatmaps

# Pixels of a square of a matrix: three figures fit in.
_SQUARE = 28


def batch(pictures: Any, targets: Any, labels: Sequence[str]) -> np.ndarray:
    """Return a batch as the network sees it, each picture above its class.

    Args:
        pictures: float in [0, 1], shape (batch, height, width, 3).
        targets: Class indices, shape (batch,), or shares, shape (batch, classes).
        labels: Class names.

    Returns:
        uint8 RGB, a sheet of at most 32 pictures, each at most 128 pixels high.
    """
    shown = np.asarray(pictures)[:32]
    step = max(1, shown.shape[1] // 128)
    small = [picture[::step, ::step] for picture in shown]
    captions = [_caption(target, labels) for target in np.asarray(targets)[:32]]
    return contact_sheets.contact_sheet(small, captions, columns=8)


def learning_rates(
    rates: Sequence[float], losses: Sequence[float], chosen: float
) -> np.ndarray:
    """Return the curve of a search for a learning rate.

    Args:
        rates: Of each step.
        losses: Of each step, smoothed.
        chosen: The rate that it found.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses, color="tab:blue")
    axes.axvline(chosen, color="tab:orange", linestyle="--", label=f"found: {chosen:g}")
    axes.set_xscale("log")
    least, first = min(losses), losses[0]
    axes.set_ylim(least - 0.1 * abs(first), first * 1.5)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return charts.drawn(figure)


def _caption(target: Any, labels: Sequence[str]) -> str:
    if np.ndim(target) == 0:
        return labels[int(target)]
    first, second = np.argsort(-target, kind="stable")[:2]
    share = round(100 * float(target[first]))
    if share == 100:
        return labels[first]
    return f"{labels[first]} {share} %, {labels[second]}"


def confusion(counts: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return a confusion matrix: a row a true class, a column what it was called.

    Args:
        counts: Shape (classes, classes).
        labels: Class names.

    Returns:
        uint8 RGB; the lighter a square, the larger its share of the row.
    """
    font, side = contact_sheets.font(), _SQUARE
    names = [name if len(name) <= 24 else f"{name[:23]}…" for name in labels]
    edge = 8 + max(int(font.getlength(name)) for name in names)
    inner = side * len(labels)
    picture = Image.new("RGB", (edge + inner, edge + inner), "white")
    # What stands above the columns is written as if beside them, and turned.
    above = Image.new("RGB", (edge, inner), "white")
    rows, columns = ImageDraw.Draw(picture), ImageDraw.Draw(above)
    for i, name in enumerate(names):
        middle = i * side + side / 2
        rows.text((4, edge + middle), name, "black", font, anchor="lm")
        columns.text((4, middle), name, "black", font, anchor="lm")
    picture.paste(above.rotate(90, expand=True), (edge, 0))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    heat = np.kron(heatmaps.heat(shares), np.ones((side, side, 1), np.uint8))
    picture.paste(Image.fromarray(heat), (edge, edge))
    for i, j in np.argwhere(counts):
        ink = "black" if shares[i, j] > 0.6 else "white"
        place = (edge + j * side + side / 2, edge + i * side + side / 2)
        rows.text(place, str(counts[i, j]), ink, font, anchor="mm")
    return np.asarray(picture)
