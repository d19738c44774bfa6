"""The training pictures nearest to those on a page, by the features of the run."""

from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline.core import run_dir
from tfpipeline.metrics import nearest
from tfpipeline.models import reference
from tfpipeline.report import gallery, second_process
from tfpipeline.report.diagnosis import Measured

# Beside each picture, and their height and width.
COUNT, PIXELS = 3, 96


def draw(
    run: run_dir.RunFolder,
    measured: Measured,
    rows: Sequence[dict[str, Any]],
    folder: str,
) -> Callable[[list[dict[str, Any]]], None]:
    """Draw the nearest training pictures of some pictures, in the second process.

    Args:
        run: Where its features are, if it has kept any.
        measured: The examples of the run.
        rows: As `Answers.row` has them.
        folder: For the pictures, in the figures of the run.

    Returns:
        What waits for them. Of the same rows it gives those whose features are kept
        their `neighbours`: `id`, `label`, the cosine `distance`, and a `picture`,
        nearest first.
    """
    kept = reference.read(run) if run.reference.is_dir() else None
    if kept is None or not len(trained := kept.rows("train")):
        return lambda _: None
    place = {name: i for i, name in enumerate(kept.id)}
    known = [i for i, row in enumerate(rows) if row["id"] in place]
    features = kept.features[[place[rows[i]["id"]] for i in known]]
    # One more, for a training picture finds itself.
    near, far = nearest.nearest(features, kept.features[trained], COUNT + 1)
    index = {name: i for i, name in enumerate(measured.examples.source.ids)}
    found: list[list[dict[str, Any]]] = []
    pictures, drawn = [], []
    for number, (i, own, apart) in enumerate(zip(known, trained[near], far), 1):
        found.append(
            [
                {"id": kept.id[k], "label": kept.label[k], "distance": float(distance)}
                for k, distance in zip(own.tolist(), apart)
                if kept.id[k] != rows[i]["id"]
            ][:COUNT]
        )
        for k, one in enumerate(found[-1], 1):
            if one["id"] in index:
                name = f"{folder}/{number:02d}_nearest_{k}.png"
                given = measured, index[one["id"]], (PIXELS, PIXELS)
                pictures.append(gallery.picture(run.figures / name, *given))
                drawn.append((one, f"{run.figures.name}/{name}"))
    written = second_process.call(gallery.draw, pictures)

    def add(same: list[dict[str, Any]]) -> None:
        for (one, name), there in zip(drawn, written()):
            if there:
                one["picture"] = name
        for i, own in zip(known, found):
            same[i]["neighbours"] = own

    return add
