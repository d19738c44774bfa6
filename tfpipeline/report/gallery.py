"""Pictures of single examples, as the network is shown them, for the page of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfpipeline.core import disk, image_formats, image_io, run_dir
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.report import charts, html, second_process
from tfpipeline.report.diagnosis import Measured

if TYPE_CHECKING:
    from tfpipeline.data.pipeline import Reading

# Pictures of a batch on its sheet; see `charts.batch`.
SHOWN = 32


class Picture(NamedTuple):
    """A picture, to be written into `file`: of which example, and how it is shown."""

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


def of_files(files: Sequence[Row], reading: Reading) -> list[Picture]:
    """Return the pictures of files as a pipeline reads them, to be drawn on a sheet."""
    how = reading.height, reading.width, reading.resize, reading.ranges
    return [Picture(Path(), row, *how) for row in files]


def draw(pictures: Sequence[Picture]) -> list[bool]:
    """Write pictures; return of each whether its example was still there."""
    there = [_draw(wanted) for wanted in pictures]
    disk.sync_together([own.file for own, done in zip(pictures, there) if done])
    return there


def _draw(wanted: Picture) -> bool:
    try:
        shown = _read(wanted)
    except (ImageError, OSError):
        return False  # It is gone since it was trained on.
    html.save_picture(wanted.file, shown, durable=False)
    return True


def _read(wanted: Picture) -> np.ndarray:
    """Return the pixels of a picture, as the network is shown them: uint8."""
    _, row, height, width, how, ranges = wanted
    data = image_io.content(row.path, row.offset, row.length)
    # What was not looked at before has no size yet.
    most = row.height * row.width or image_formats.MAX_PIXELS
    return image_io.read(data, height, width, how, ranges, most)


def draw_batch(
    file: Path,
    pictures: np.ndarray | Sequence[Picture],
    targets: np.ndarray,
    labels: Sequence[str],
    target: str,
) -> None:
    """Write the sheet of a batch; see `charts.batch`.

    Its pictures are pixels, or those of files, unchanged. One that has gone bad since
    the audit is a UserError.
    """
    shown = [_of_file(each) if isinstance(each, Picture) else each for each in pictures]
    html.save_picture(file, charts.batch(np.stack(shown), targets, labels, target))


def _of_file(wanted: Picture) -> np.ndarray:
    try:
        return _read(wanted)
    except ImageError as error:
        raise scan.gone_bad(wanted.row.path, str(error)) from None


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
