"""Maps of numbers as pictures: heat, heat over a photograph, sheets of channels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfpipeline.core import contact_sheets
from tfpipeline.report import html
from tfpipeline.report.figures import figure, pixels, styled

TILE = 112


def heat(values: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1] as uint8 RGB, which the colour-blind can read too."""
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


def write_over(file: Path, picture: np.ndarray, values: np.ndarray) -> None:
    """Write what `over` returns, as PNG."""
    html.save_picture(file, over(picture, values))


def channels(
    maps: np.ndarray, numbers: Sequence[int], strengths: Sequence[float], columns: int
) -> np.ndarray:
    """Return the maps of some channels on one sheet, each scaled by its own highest.

    Args:
        maps: Of one image, shape (height, width, channels).
        numbers: Of the channels to show.
        strengths: What to write below each.
        columns: Side by side.
    """
    tiles = [tile(maps[..., number]) for number in numbers]
    words = [f"{n}: {strength:.3g}" for n, strength in zip(numbers, strengths)]
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


@styled
def overview(
    picture: np.ndarray, rows: Sequence[tuple[str, Sequence[np.ndarray]]]
) -> np.ndarray:
    """Return a photograph beside the strongest channels of each layer, as pixels.

    Args:
        picture: uint8, shape (height, width, 3).
        rows: Of each layer its name and tiles.
    """
    columns = max(len(tiles) for _, tiles in rows)
    drawn = figure(1.25 * columns + 4.2, 1.3 * len(rows))
    widths = [2.0, 1.5, *[1.0] * columns]
    grid = drawn.add_gridspec(len(rows), columns + 2, width_ratios=widths, wspace=0.05)
    drawn.add_subplot(grid[: min(2, len(rows)), 0]).imshow(picture)
    for number, (name, tiles) in enumerate(rows):
        label = drawn.add_subplot(grid[number, 1])
        label.text(0.95, 0.5, name, ha="right", va="center", fontsize=8)
        for column, image in enumerate(tiles, 2):
            axes = drawn.add_subplot(grid[number, column])
            axes.imshow(image, interpolation="nearest")
    for axes in drawn.axes:
        axes.set_axis_off()
    drawn.subplots_adjust(0.01, 0.01, 0.99, 0.99, hspace=0.08)
    return pixels(drawn)


@styled
def explained(
    picture: np.ndarray, rows: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return a photograph beside what speaks for some classes, as pixels.

    Args:
        picture: uint8, shape (height, width, 3).
        rows: Of each class a title, its Grad-CAM and its SmoothGrad, both in [0, 1] and
            of the size of the picture.
    """
    drawn = figure(9.6, 3.5 * len(rows), layout="constrained")
    panels = iter(drawn.subplots(len(rows), 3, squeeze=False).ravel())
    for title, where, pixelwise in rows:
        for image, name, question, values in (
            (picture, title, "", None),
            (over(picture, where), "Grad-CAM", ": which parts", where),
            (heat(pixelwise), "SmoothGrad", ": sensitivity", pixelwise),
        ):
            if values is not None and values.max() <= 0:
                question = ": none speaks for it"
            axes = next(panels)
            axes.imshow(image)
            axes.set_title(f"{name}{question}")
            axes.set_axis_off()
    return pixels(drawn)
