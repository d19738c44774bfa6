"""Maps of numbers as pictures: heat, heat over a photograph, sheets of channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets
from tfpipeline.report import charts

TILE = 112


def heat(values: np.ndarray) -> np.ndarray:
    """Return numbers as colours that also those see who are blind for some.

    Args:
        values: In [0, 1], any shape.

    Returns:
        uint8 RGB, shape (..., 3).
    """
    import matplotlib

    table = matplotlib.colormaps["viridis"](np.clip(values, 0, 1), bytes=True)
    return np.asarray(table)[..., :3]


def over(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a grey photograph that is coloured where numbers are high.

    Args:
        picture: uint8, shape (height, width, 3).
        values: In [0, 1], shape (height, width).
    """
    grey = picture.mean(-1, keepdims=True).repeat(3, axis=-1)
    share = 0.25 + 0.5 * np.clip(values, 0, 1)[..., None]
    return (grey * (1 - share) + heat(values) * share + 0.5).astype(np.uint8)


def channels(
    maps: np.ndarray, numbers: Sequence[int], strengths: Sequence[float], columns: int
) -> np.ndarray:
    """Return the maps of some channels on one sheet, each scaled by its own highest.

    Args:
        maps: Of one image, shape (height, width, channels).
        numbers: Of the channels to show.
        strengths: What to write below each.
        columns: Side by side.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    tiles = [tile(maps[..., number]) for number in numbers]
    words = [f"{n}: {_short(s)}" for n, s in zip(numbers, strengths)]
    return contact_sheets.contact_sheet(tiles, words, columns)


def tile(values: np.ndarray) -> np.ndarray:
    """Return one map as a tile of `TILE` pixels, every number a square of its own.

    Args:
        values: Shape (height, width), of any range.
    """
    least, most = float(values.min()), float(values.max())
    scaled = (values - least) / (most - least) if most > least else values * 0
    rows = np.arange(TILE) * scaled.shape[0] // TILE
    columns = np.arange(TILE) * scaled.shape[1] // TILE
    return heat(scaled[rows][:, columns])


def _short(number: float) -> str:
    return f"{number:.3g}"


def overview(
    picture: np.ndarray, rows: Sequence[tuple[str, Sequence[np.ndarray]]]
) -> np.ndarray:
    """Return a photograph beside what each layer extracts from it.

    Args:
        picture: uint8, shape (height, width, 3).
        rows: Of each layer its name and tiles of its strongest channels.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    columns = max(len(tiles) for _, tiles in rows)
    figure = Figure(figsize=(1.25 * columns + 4.2, 1.3 * len(rows)), dpi=100)
    widths = [2.0, 1.5, *[1.0] * columns]
    grid = figure.add_gridspec(len(rows), columns + 2, width_ratios=widths, wspace=0.05)
    photo = figure.add_subplot(grid[: min(2, len(rows)), 0])
    photo.imshow(picture)
    photo.set_axis_off()
    for number, (name, tiles) in enumerate(rows):
        label = figure.add_subplot(grid[number, 1])
        label.set_axis_off()
        label.text(
            0.95,
            0.5,
            name,
            ha="right",
            va="center",
            fontsize=8,
            transform=label.transAxes,
        )
        for column, one in enumerate(tiles):
            axes = figure.add_subplot(grid[number, column + 2])
            axes.imshow(one, interpolation="nearest")
            axes.set_axis_off()
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99, hspace=0.08)
    return charts.drawn(figure)


def _titled(words: str, values: np.ndarray) -> str:
    return (
        words if values.max() > 0 else f"{words.partition(':')[0]}: none speaks for it"
    )


def explained(
    picture: np.ndarray, rows: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return a photograph and, for some classes, what speaks for each of them.

    Args:
        picture: uint8, shape (height, width, 3).
        rows: Of each class a title, its Grad-CAM and its SmoothGrad, both in [0, 1] and
            of the size of the picture.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.5 * len(rows)), dpi=100, layout="constrained")
    panels: Any = figure.subplots(len(rows), 3, squeeze=False)
    for (photo, cam, smooth), (title, where, pixels) in zip(panels, rows):
        for axes, shown, words in (
            (photo, picture, title),
            (cam, over(picture, where), _titled("Grad-CAM: which parts", where)),
            (smooth, heat(pixels), _titled("SmoothGrad: which pixels", pixels)),
        ):
            axes.imshow(shown)
            axes.set_title(charts.plain(words), fontsize=10)
            axes.set_axis_off()
    return charts.drawn(figure)
