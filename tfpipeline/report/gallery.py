"""Pictures of single examples, as the network is shown them, for the page of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.core import image_io, run_dir
from tfpipeline.core.image_formats import MAX_PIXELS, ImageError
from tfpipeline.report.diagnosis import Measured


def pictured(
    run: run_dir.RunFolder,
    measured: Measured,
    rows: Sequence[dict[str, Any]],
    index: np.ndarray,
    folder: str,
) -> list[dict[str, Any]]:
    """Write a picture of each example into `figures`; return its row with the name.

    Args:
        run: Its folder.
        measured: By whose size and ranges pictures are shown.
        rows: What is told of each example.
        index: Of each, into the examples, shape (n,).
        folder: Below `figures`.
    """
    shown = []
    for number, (row, place) in enumerate(zip(rows, index.tolist()), 1):
        file = measured.examples.files[place]
        height, width = measured.model.input_shape[1:3]
        try:
            data = image_io.content(file.path, file.offset, file.length)
            given = height, width, measured.resize, measured.examples.brightness.ranges
            # What was not looked at before has no size yet.
            most = file.height * file.width or MAX_PIXELS
            picture = image_io.read(data, *given, most)
        except (ImageError, OSError):
            shown.append(row)  # It is gone since it was trained on.
            continue
        name = f"{folder}/{number:02d}.png"
        image_io.save_png(run.figures / name, picture)
        shown.append(row | {"picture": f"{run.figures.name}/{name}"})
    return shown
