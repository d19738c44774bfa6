"""What a finished run tells of itself: tables, pictures, and its page."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import console, file_io, image_io, run_dir
from tfpipeline.core.image_formats import ImageError
from tfpipeline.metrics import saliency
from tfpipeline.models import layer_outputs
from tfpipeline.report import diagnosis
from tfpipeline.report import heatmaps as drawing
from tfpipeline.report import run_page
from tfpipeline.report.diagnosis import Answers
from tfpipeline.report.measured import Measured

LOSSES, SUSPECTS = 12, 12

# Pictures whose activations are in memory at a time.
_TOGETHER = 4


def attempt(run: run_dir.RunFolder, measured: Measured) -> Path | None:
    """Write all of it; where that fails, say so, for the run itself is whole.

    Args:
        run: A finished run, where it lies for good.
        measured: Its classifier.

    Returns:
        The page; None where it could not be made.
    """
    try:
        write(run, measured)
    except Exception as error:  # Nothing that goes wrong here may cost the training.
        console.warn(
            f"The page {run.report} could not be made ({type(error).__name__}: "
            f"{error}). The run is whole, and can be used."
        )
        return None
    return run.report


def write(run: run_dir.RunFolder, measured: Measured) -> None:
    """Write the predictions, what they come to, and the page.

    Args:
        run: A finished run, where it lies for good.
        measured: Its classifier.
    """
    found = diagnosis.answers(measured)
    told: dict[str, Any] = {"data": diagnosis.data(measured.examples)}
    if found is None:
        # That of the run that stood here before.
        run.cleaning.unlink(missing_ok=True)
    else:
        rows = diagnosis.predictions(found)
        file_io.write_csv(run.predictions, diagnosis.PREDICTIONS, rows)
        file_io.write_csv(run.cleaning, diagnosis.CLEANING, diagnosis.cleaning(found))
        told |= diagnosis.diagnosis(found, measured)
        told |= _gallery(run, measured, found)
    file_io.write_json(run.diagnosis, told)
    run_page.write(run)


def _gallery(
    run: run_dir.RunFolder, measured: Measured, found: Answers
) -> dict[str, Any]:
    """Write pictures of what went most wrong, and tell of each."""
    judged = found.judged
    held_out = found.of("test", "validation")
    chosen = held_out if len(held_out) else found.of("train")
    worst = chosen[np.argsort(-judged.loss[chosen], kind="stable")][:LOSSES]
    order = diagnosis.suspicious(judged)
    suspects = order[judged.suspicion[order] > 0][:SUSPECTS]
    losses = _pictured(run, measured, found, worst, "top_losses")
    _explain(run, measured, losses)
    return {
        "top_losses": losses,
        "suspected": _pictured(run, measured, found, suspects, "suspects"),
    }


def _pictured(
    run: run_dir.RunFolder,
    measured: Measured,
    found: Answers,
    positions: np.ndarray,
    folder: str,
) -> list[dict[str, Any]]:
    """Write the pictures of some answers, and tell of each."""
    height, width = measured.model.input_shape[1:3]
    told = []
    for number, position in enumerate(positions.tolist(), 1):
        one = found.one(position)
        row = found.examples.files[found.index[position]]
        try:
            data = image_io.content(Path(row.path), row.offset, row.length)
            picture = image_io.read(data, height, width, measured.resize)
        except (ImageError, OSError):
            told.append(one)  # It is gone since it was trained on.
            continue
        name = f"{folder}/{number:02d}.png"
        image_io.save_png(run.figures / name, picture)
        told.append(one | {"picture": f"{run.figures.name}/{name}"})
    return told


def _explain(
    run: run_dir.RunFolder, measured: Measured, told: list[dict[str, Any]]
) -> None:
    """Write where the network sees the class that it named, beside each picture."""
    model = measured.model
    names = layer_outputs.last_maps(model)
    shown = [one for one in told if "picture" in one]
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
        some = shown[start : start + _TOGETHER]
        pictures = [image_io.decode(run.path / one["picture"]) for one in some]
        heat = explain(
            tf.constant(np.stack(pictures).astype(np.float32) / 255),
            tf.constant([index[one["predicted"]] for one in some]),
        )
        for one, picture, values in zip(some, pictures, np.asarray(heat)):
            file = one["picture"].replace(".png", "_grad_cam.png")
            image_io.save_png(run.path / file, drawing.over(picture, values))
            one["grad_cam"] = file
            one["grad_cam_layer"] = ", ".join(names)
