"""The training pictures nearest to those on a page, by the features of the run."""

import contextlib
from pathlib import Path
from typing import Any

from tfpipeline.core import image_io, run_dir
from tfpipeline.core.image_formats import MAX_PIXELS, ImageError
from tfpipeline.metrics import nearest
from tfpipeline.models import reference
from tfpipeline.report.diagnosis import Measured

# Beside each picture, and their height and width.
COUNT, PIXELS = 3, 96


def add(
    run: run_dir.RunFolder, measured: Measured, rows: list[dict[str, Any]], folder: str
) -> None:
    """Give rows of pictures their nearest training pictures, and write those.

    Args:
        run: Where its features are, if it has kept any.
        measured: The examples of the run.
        rows: As `Answers.row` has them; those whose features are kept get `neighbours`:
            `id`, `label`, the cosine `distance`, and a `picture`, nearest first.
        folder: For the pictures, in the figures of the run.
    """
    kept = reference.read(run) if run.reference.is_dir() else None
    if kept is None or not len(trained := kept.rows("train")):
        return
    place = {name: i for i, name in enumerate(kept.id)}
    shown = [row for row in rows if row["id"] in place]
    features = kept.features[[place[row["id"]] for row in shown]]
    # One more, for a training picture finds itself.
    near, far = nearest.nearest(features, kept.features[trained], COUNT + 1)
    index = {name: i for i, name in enumerate(measured.examples.source.ids)}
    for number, (row, own, apart) in enumerate(zip(shown, trained[near], far), 1):
        found: list[dict[str, Any]] = [
            {"id": kept.id[i], "label": kept.label[i], "distance": float(distance)}
            for i, distance in zip(own.tolist(), apart)
            if kept.id[i] != row["id"]
        ][:COUNT]
        for k, one in enumerate(found, 1):
            name = f"{folder}/{number:02d}_nearest_{k}.png"
            if _draw(run.figures / name, measured, index.get(one["id"])):
                one["picture"] = f"{run.figures.name}/{name}"
        row["neighbours"] = found


def _draw(file: Path, measured: Measured, index: int | None) -> bool:
    """Write a small copy of an example; tell whether it was still there."""
    if index is None:
        return False
    row = measured.examples.files[index]
    with contextlib.suppress(ImageError, OSError):
        data = image_io.content(row.path, row.offset, row.length)
        given = PIXELS, PIXELS, measured.resize, measured.examples.brightness.ranges
        most = row.height * row.width or MAX_PIXELS
        image_io.save_png(file, image_io.read(data, *given, most))
        return True
    return False
