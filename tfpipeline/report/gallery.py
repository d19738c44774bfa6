"""Pictures of single examples, as the network is shown them, for the page of a run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import image_formats, image_io, run_dir
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data.scan_cache import Row
from tfpipeline.report import charts, second_process
from tfpipeline.report.diagnosis import Measured

# Pictures of a batch on its sheet; see `charts.batch`.
SHOWN = 32


class Picture(NamedTuple):
    """A picture to be written into `file`: of which example, and how it is shown."""

    file: Path
    row: Row
    height: int
    width: int
    resize: str
    ranges: Ranges


def picture(
    file: Path, measured: Measured, place: int, size: tuple[int, int]
) -> Picture:
    """Return the picture of an example, by its index, at a height and width."""
    examples = measured.examples
    given = examples.files[place], *size, measured.resize, examples.brightness.ranges
    return Picture(file, *given)


def draw(pictures: Sequence[Picture]) -> list[bool]:
    """Write pictures; return of each whether its example was still there."""
    return [_draw(*wanted) for wanted in pictures]


def _draw(
    file: Path, row: Row, height: int, width: int, how: str, ranges: Ranges
) -> bool:
    try:
        data = image_io.content(row.path, row.offset, row.length)
        # What was not looked at before has no size yet.
        most = row.height * row.width or image_formats.MAX_PIXELS
        shown = image_io.read(data, height, width, how, ranges, most)
    except (ImageError, OSError):
        return False  # It is gone since it was trained on.
    image_io.save_png(file, shown)
    return True


def draw_batch(
    file: Path,
    pictures: np.ndarray,
    targets: np.ndarray,
    labels: Sequence[str],
    target: str,
) -> None:
    """Write the sheet of a batch; see `charts.batch`."""
    image_io.save_png(file, charts.batch(pictures, targets, labels, target))


def pictured(
    run: run_dir.RunFolder,
    measured: Measured,
    rows: Sequence[dict[str, Any]],
    index: np.ndarray,
    folder: str,
) -> Callable[[], list[dict[str, Any]]]:
    """Write a picture of each example into `figures`, in the second process.

    Args:
        run: Its folder.
        measured: By whose size and ranges pictures are shown.
        rows: What is told of each example.
        index: Of each, into the examples, shape (n,).
        folder: Below `figures`.

    Returns:
        What waits for them, and returns the rows, each with the name of its picture.
    """
    size = measured.model.input_shape[1:3]
    names = [f"{folder}/{number:02d}.png" for number in range(1, len(rows) + 1)]
    drawn = second_process.call(
        draw,
        [
            picture(run.figures / name, measured, place, size)
            for name, place in zip(names, index.tolist())
        ],
    )

    def shown() -> list[dict[str, Any]]:
        return [
            row | {"picture": f"{run.figures.name}/{name}"} if there else row
            for row, name, there in zip(rows, names, drawn())
        ]

    return shown
