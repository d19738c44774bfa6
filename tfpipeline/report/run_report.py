"""What a finished run tells of itself: tables, pictures, and its page."""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpipeline.core import console, file_io, image_io, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.metrics import saliency
from tfpipeline.models import layer_outputs
from tfpipeline.models.engines import bfloat16
from tfpipeline.report import (
    diagnosis,
    gallery,
    heatmaps,
    neighbours,
    run_page,
    second_process,
    target_report,
)
from tfpipeline.report.diagnosis import Answers, Measured

LOSSES, SUSPECTS = 12, 12

# From images in [0, 1] and the index of a class of each to maps of their size.
Seer = Callable[[tf.Tensor, tf.Tensor], Any]

# Pictures whose activations are in memory at a time.
_TOGETHER = 4

# Of logits that are looked through before a run is saved: it takes memory.
_MOST_LOGITS = 2**27

# Of weights that become constants of the graph. With the 59 MB of VGG16, tracing and
# optimizing it took longer than its way through all the pictures that are shown.
_MOST_BYTES = 2**24


class Begun(NamedTuple):
    """What a page was begun with.

    Args:
        answers: That it tells of; None where there are none.
        pictured: Waits for the pictures of each group, and returns its rows.
        explained: How many pictures Grad-CAM will be asked about.
    """

    answers: Answers | None
    pictured: Callable[[], dict[str, list[dict[str, Any]]]]
    explained: int = 0


def begin(staged: run_dir.RunFolder, measured: Measured) -> Begun | None:
    """Let the second process draw the pictures of a page, while a run is being saved.

    Returns:
        What `attempt` goes on from; None where it begins.
    """
    is_single = measured.examples.source.target in targets.CLASSES
    size = sum(logits.nbytes for logits in measured.logits.values())
    if not is_single or not second_process.is_there() or size > _MOST_LOGITS:
        return None
    # Whatever is wrong is said by the page: nothing is saved yet.
    with contextlib.suppress(Exception):
        return _begin(staged, measured)
    return None


def settled(begun: Begun | None, drawn: Callable[[], None]) -> Begun | None:
    """Wait for pictures: the folder that they lie in is about to become the run's.

    Args:
        begun: What `begin` returned.
        drawn: Waits for the sheet of a batch. What is wrong with it is said: the run is
            whole without it.
    """
    try:
        drawn()
    except (UserError, OSError) as error:
        console.warn(f"The sheet of the first batch could not be drawn: {error}")
    try:
        if begun is not None:
            shown = begun.pictured()
            begun = begun._replace(pictured=lambda: shown)
    except Exception:  # The page is drawn anew, and says why.
        begun = None
    # Whatever else was asked for is over too.
    second_process.call(os.getpid)()
    return begun


def _begin(run: run_dir.RunFolder, measured: Measured) -> Begun:
    answers = diagnosis.answers(measured)
    if answers is None:
        return Begun(None, dict)
    return _gallery(run, measured, answers)


def attempt(
    run: run_dir.RunFolder, measured: Measured, begun: Begun | None = None
) -> Path | None:
    """Write predictions, tables, pictures and the page of a finished run.

    Where that fails, it is said, for the run itself is whole.

    Args:
        run: Its folder.
        measured: What it was measured on.
        begun: What there is of it.

    Returns:
        The page; None where it could not be made.
    """
    try:
        write(run, measured, begun)
    except Exception as error:  # Nothing that goes wrong here may cost the training.
        console.warn(
            f"The page {run.report} could not be made ({type(error).__name__}: "
            f"{error}). The run is complete and can be used."
        )
        return None
    return run.report


def write(
    run: run_dir.RunFolder, measured: Measured, begun: Begun | None = None
) -> None:
    """Write the predictions, what they come to, and the page."""
    if measured.examples.source.target not in targets.CLASSES:
        target_report.write(run, measured, measured.decision)
        return
    begun = begun or _begin(run, measured)
    answers = begun.answers
    content: dict[str, Any] = {"data": diagnosis.data(measured.examples)}
    if answers is None:
        # That of the run that stood here before.
        run.cleaning.unlink(missing_ok=True)
    else:
        content |= diagnosis.diagnosis(answers, measured)
        drawn = second_process.call(run_page.draw, run, file_io.as_json(content))
        rows = diagnosis.predictions(answers)
        file_io.write_csv(run.predictions, diagnosis.PREDICTIONS, rows)
        rows = diagnosis.cleaning(answers)
        file_io.write_csv(run.cleaning, diagnosis.CLEANING, rows)
        content |= _told(run, measured, begun)
    file_io.write_json(run.diagnosis, content)
    charts = {} if answers is None else drawn()
    second_process.call(run_page.write, run, None, charts)()


def _gallery(run: run_dir.RunFolder, measured: Measured, answers: Answers) -> Begun:
    """Draw the worst errors and suspects, in the second process."""
    judged = answers.judged
    held_out = answers.of("test", "validation")
    chosen = held_out if len(held_out) else answers.of("train")
    worst = chosen[np.argsort(-judged.loss[chosen], kind="stable")][:LOSSES]
    order = diagnosis.suspicious(judged)
    suspects = order[judged.suspicion[order] > 0][:SUSPECTS]
    named = {"top_losses": worst, "suspects": suspects}
    rows = {name: [answers.row(p) for p in own.tolist()] for name, own in named.items()}
    pictured = {
        name: gallery.pictured(run, measured, rows[name], answers.index[own], name)
        for name, own in named.items()
    }
    near = {name: neighbours.draw(run, measured, rows[name], name) for name in named}

    def shown() -> dict[str, list[dict[str, Any]]]:
        found = {name: wait() for name, wait in pictured.items()}
        for name, add in near.items():
            add(found[name])
        return found

    files = (measured.examples.files[i].path for i in answers.index[worst].tolist())
    return Begun(answers, shown, sum(Path(file).is_file() for file in files))


def _told(run: run_dir.RunFolder, measured: Measured, begun: Begun) -> dict[str, Any]:
    """Return what is told of single examples; draw where the network sees them."""
    explain = _explainer(run, measured, begun.explained)
    shown = begun.pictured()
    explain(shown["top_losses"])
    return {"top_losses": shown["top_losses"], "suspected": shown["suspects"]}


def _explainer(
    run: run_dir.RunFolder, measured: Measured, count: int
) -> Callable[[list[dict[str, Any]]], None]:
    """Return what writes where the network sees the predicted class, beside pictures.

    It is traced meanwhile for so many pictures; without any, once they are there.
    """
    model = measured.model
    names = layer_outputs.last_maps(model)
    if not names:
        console.note("no Grad-CAM: no layer returns maps with a height and a width")
        return lambda _: None
    maps = None
    if layer_outputs.pools(model, names):
        with contextlib.suppress(Exception):  # The model itself can do it as well.
            maps = measured.maps()
    if maps is not None:
        forward = layer_outputs.after_maps(model, maps)
        see: Seer = functools.partial(saliency.seen_by_all, [forward])
        together = LOSSES
    else:
        together = _TOGETHER
        see = _traced(model, names, count, measured.in_bfloat16)
    labels = measured.examples.source.labels
    index = {label: number for number, label in enumerate(labels)}

    def explain(rows: list[dict[str, Any]]) -> None:
        shown = [row for row in rows if "picture" in row]
        written = []
        for start in range(0, len(shown), together):
            batch = shown[start : start + together]
            pictures = [image_io.decode(run.path / row["picture"]) for row in batch]
            maps = see(
                tf.constant(np.stack(pictures).astype(np.float32) / 255),
                tf.constant([index[row["predicted"]] for row in batch]),
            )
            for row, picture, values in zip(batch, pictures, np.asarray(maps)):
                file = row["picture"].replace(".png", "_grad_cam.png")
                given = run.path / file, picture, values
                written.append(second_process.call(heatmaps.write_over, *given))
                row |= {"grad_cam": file, "grad_cam_layer": ", ".join(names)}
        for wait in written:
            wait()

    return explain


def _traced(model: Any, names: Sequence[str], count: int, in_bfloat16: bool) -> Seer:
    """Return Grad-CAM of some layers by the whole network, traced for `count` images.

    Traced, the backbone's activations are not kept for a gradient that is not asked
    for, and its layers run as few operations.
    """
    forwards = [
        layer_outputs.maps_and_logits(model, name, _MOST_BYTES) for name in names
    ]
    see = tf.function(
        lambda image, indices: saliency.seen_by_all(forwards, image, indices),
        autograph=False,
        reduce_retracing=True,
    )
    if together := min(count, _TOGETHER):
        see.get_concrete_function(
            tf.TensorSpec((together, *model.input_shape[1:]), tf.float32),
            tf.TensorSpec((together,), tf.int32),
        )
    return bfloat16.engine(see) if in_bfloat16 else see
