"""What a finished run tells of itself: tables, pictures, and its page."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import console, file_io, image_io, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.image_formats import MAX_PIXELS, ImageError
from tfpipeline.metrics import saliency
from tfpipeline.models import layer_outputs
from tfpipeline.report import (
    diagnosis,
    heatmaps,
    neighbours,
    run_page,
    target_report,
)
from tfpipeline.report.diagnosis import Answers, Measured

LOSSES, SUSPECTS = 12, 12

# Pictures whose activations are in memory at a time.
_TOGETHER = 4


def attempt(run: run_dir.RunFolder, measured: Measured) -> Path | None:
    """Write predictions, tables, pictures and the page of a finished run.

    Where that fails, it is said, for the run itself is whole.

    Returns:
        The page; None where it could not be made.
    """
    try:
        write(run, measured)
    except Exception as error:  # Nothing that goes wrong here may cost the training.
        console.warn(
            f"The page {run.report} could not be made ({type(error).__name__}: "
            f"{error}). The run is complete and can be used."
        )
        return None
    return run.report


def write(run: run_dir.RunFolder, measured: Measured) -> None:
    """Write the predictions, what they come to, and the page."""
    if measured.examples.source.target not in targets.CLASSES:
        target_report.write(run, measured, measured.decision)
        return
    answers = diagnosis.answers(measured)
    content: dict[str, Any] = {"data": diagnosis.data(measured.examples)}
    if answers is None:
        # That of the run that stood here before.
        run.cleaning.unlink(missing_ok=True)
    else:
        rows = diagnosis.predictions(answers)
        file_io.write_csv(run.predictions, diagnosis.PREDICTIONS, rows)
        rows = diagnosis.cleaning(answers)
        file_io.write_csv(run.cleaning, diagnosis.CLEANING, rows)
        content |= diagnosis.diagnosis(answers, measured)
        content |= _gallery(run, measured, answers)
    file_io.write_json(run.diagnosis, content)
    run_page.write(run)


def _gallery(
    run: run_dir.RunFolder, measured: Measured, answers: Answers
) -> dict[str, Any]:
    """Write pictures of the worst errors and suspects, and return a row of each."""
    judged = answers.judged
    held_out = answers.of("test", "validation")
    chosen = held_out if len(held_out) else answers.of("train")
    worst = chosen[np.argsort(-judged.loss[chosen], kind="stable")][:LOSSES]
    order = diagnosis.suspicious(judged)
    suspects = order[judged.suspicion[order] > 0][:SUSPECTS]
    losses = _pictured(run, measured, answers, worst, "top_losses")
    _explain(run, measured, losses)
    suspected = _pictured(run, measured, answers, suspects, "suspects")
    neighbours.add(run, measured, losses, "top_losses")
    neighbours.add(run, measured, suspected, "suspects")
    return {"top_losses": losses, "suspected": suspected}


def _pictured(
    run: run_dir.RunFolder,
    measured: Measured,
    answers: Answers,
    positions: np.ndarray,
    folder: str,
) -> list[dict[str, Any]]:
    height, width = measured.model.input_shape[1:3]
    rows = []
    for number, position in enumerate(positions.tolist(), 1):
        row = answers.row(position)
        file = answers.examples.files[answers.index[position]]
        try:
            data = image_io.content(file.path, file.offset, file.length)
            given = height, width, measured.resize, measured.examples.brightness.ranges
            # What was not looked at before has no size yet.
            most = file.height * file.width or MAX_PIXELS
            picture = image_io.read(data, *given, most)
        except (ImageError, OSError):
            rows.append(row)  # It is gone since it was trained on.
            continue
        name = f"{folder}/{number:02d}.png"
        image_io.save_png(run.figures / name, picture)
        rows.append(row | {"picture": f"{run.figures.name}/{name}"})
    return rows


def _explain(
    run: run_dir.RunFolder, measured: Measured, rows: list[dict[str, Any]]
) -> None:
    """Write where the network sees the predicted class, beside each picture."""
    model = measured.model
    names = layer_outputs.last_maps(model)
    shown = [row for row in rows if "picture" in row]
    if not names:
        console.note("no Grad-CAM: no layer returns maps with a height and a width")
    if not names or not shown:
        return
    forwards = [layer_outputs.maps_and_logits(model, name) for name in names]
    # Traced: the backbone's activations are then not kept for a gradient that is not
    # asked for, which eager execution would do.
    explain = tf.function(
        lambda image, indices: saliency.seen_by_all(forwards, image, indices),
        autograph=False,
        reduce_retracing=True,
    )
    labels = measured.examples.source.labels
    index = {label: number for number, label in enumerate(labels)}
    for start in range(0, len(shown), _TOGETHER):
        batch = shown[start : start + _TOGETHER]
        pictures = [image_io.decode(run.path / row["picture"]) for row in batch]
        maps = explain(
            tf.constant(np.stack(pictures).astype(np.float32) / 255),
            tf.constant([index[row["predicted"]] for row in batch]),
        )
        for row, picture, values in zip(batch, pictures, np.asarray(maps)):
            file = row["picture"].replace(".png", "_grad_cam.png")
            image_io.save_png(run.path / file, heatmaps.over(picture, values))
            row |= {"grad_cam": file, "grad_cam_layer": ", ".join(names)}
