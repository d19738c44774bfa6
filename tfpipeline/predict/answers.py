"""What a run, a SavedModel or a server says of audited files: labels, probabilities."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfpipeline.config.serving import ServerSettings
from tfpipeline.core import image_formats, image_io, run_dir, startup
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import image_folder
from tfpipeline.export import versions
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import batching, client

if TYPE_CHECKING:
    from tfpipeline.evaluate.run_inputs import Ready
    from tfpipeline.metrics.calibration import Calibration

# From audited files to an answer each.
Ask = Callable[[Sequence[Row]], list[Answer]]

# Files that every server reads as this package does; others are sent as PNG.
_SENT = ("jpeg", "png")


def of_run(run: run_dir.RunFolder, top_k: int) -> Ask:
    """Return what asks the classifier of a run; its probabilities are calibrated.

    Args:
        run: Its folder.
        top_k: Classes to name.
    """
    return functools.partial(_ask_run, run, top_k)


def _ask_run(run: run_dir.RunFolder, top_k: int, files: Sequence[Row]) -> list[Answer]:
    with startup.quiet_start():
        from tfpipeline.evaluate import run_inputs
    ready, fitted = run_inputs.ready(run), run_inputs.calibration_of(run)
    return of_ready(ready, fitted, top_k)(files)


def of_ready(ready: Ready, fitted: Calibration, top_k: int) -> Ask:
    """Return what asks a classifier that is in memory already.

    Args:
        ready: The run.
        fitted: Its calibration.
        top_k: Classes to name.
    """

    def ask(files: Sequence[Row]) -> list[Answer]:
        from tfpipeline.metrics import classification

        labels = ready.labels
        logits = ready.predictor.all(ready.batches(files), len(files), "predict")
        chance = classification.probabilities(logits / fitted.temperature)
        best = classification.top_k(logits, top_k)
        accepted = fitted.accepts(chance.max(axis=1))
        sure = [None] * len(files) if accepted is None else accepted.tolist()
        return [
            Answer(
                [labels[k] for k in row],
                [float(p[k]) for k in row],
                "",
                enough,
                fitted.reason,
            )
            for row, p, enough in zip(best, chance, sure)
        ]

    return ask


class Unfinished(Exception):
    """Not every picture could be asked about.

    Args:
        rows: Of all; those that were not asked about say so.
        cause: Why.
    """

    def __init__(self, rows: list[dict[str, Any]], cause: BaseException) -> None:
        super().__init__(str(cause))
        self.rows, self.cause = rows, cause


def rows(words: Sequence[str], ask: Ask, top_k: int) -> list[dict[str, Any]]:
    """Return what is said of the pictures that some words mean, a row a file.

    Args:
        words: Files, folders, or globs.
        ask: What answers; it is not asked where no picture can be read.
        top_k: Classes to name, at most.

    Returns:
        `id`, `label`, `probability`, `accepted`, `accepted_reason` (why that is null),
        `top_k` (pairs, best first), `error`.

    Raises:
        UserError: A word means no file, or `top_k` is not positive.
        Unfinished: A server went away meanwhile.
    """
    if top_k < 1:
        raise UserError(f"--top_k: expected a positive number. Received: {top_k}.")
    paths = image_folder.named_files(words)
    files = scan.audit(paths, cache=None)
    good = [row for row in files if not row.reason]
    stopped: batching.Incomplete | None = None
    try:
        found = ask(good) if good else []
    except batching.Incomplete as error:
        found, stopped = error.answers, error
    answers = iter(found)
    told = [
        _row(path, next(answers) if not file.reason else None, file.reason, top_k)
        for path, file in zip(paths, files)
    ]
    if stopped is not None:
        raise Unfinished(told, stopped.cause)
    return told


def _row(path: Path, answer: Answer | None, reason: str, top_k: int) -> dict[str, Any]:
    """Return the row of a file."""
    row: dict[str, Any] = {"id": str(path), "label": "", "probability": None}
    row |= {"accepted": None, "accepted_reason": "", "top_k": [], "error": reason}
    if answer is None:
        return row
    if answer.error:
        return row | {"error": answer.error}
    ranked = [list(pair) for pair in zip(answer.labels, answer.probabilities)][:top_k]
    row |= {"accepted": answer.accepted, "accepted_reason": answer.reason}
    row |= {"top_k": ranked}
    return row | {"label": ranked[0][0], "probability": ranked[0][1]}


def version_of(path: Path) -> Path | None:
    """Return the SavedModel that a folder is, or the one of its versions that is live.

    Args:
        path: Any folder; nothing is loaded.
    """
    if (path / "saved_model.pb").is_file():
        return path
    there = versions.versions(path)
    if not there:
        return None
    return path / str(versions.read_labels(path).get(versions.STABLE, there[-1]))


def of_saved_model(folder: Path, settings: ServerSettings) -> Ask:
    """Return what asks a SavedModel in this process.

    Args:
        folder: Of a version.
        settings: How many images are asked about together.
    """

    def ask(files: Sequence[Row]) -> list[Answer]:
        with startup.quiet_start():
            from tfpipeline.export.signatures import Loaded

            try:
                model = Loaded(folder)
                # What TensorFlow says of its first step is no concern of the user's.
                model.answer([image_io.to_png(np.zeros((1, 1, 3), np.uint8))])
            except (OSError, KeyError, ValueError) as error:
                raise UserError(
                    f"--model {folder}: expected a SavedModel that `python -m "
                    f"tfpipeline.export` wrote, but it cannot be read ({error})."
                ) from None
        return _ask(model.answer, files, settings)

    return ask


def of_server(address: str, settings: ServerSettings) -> Ask:
    """Return what asks a server.

    Args:
        address: See `client.open_server`.
        settings: How it is asked.

    Raises:
        UserError: No such address, or a package is missing.
    """
    with startup.quiet_start(keras=False):
        send = client.open_server(address, settings)
    return lambda files: _ask(send, files, settings)


def _ask(
    send: client.Send, files: Sequence[Row], settings: ServerSettings
) -> list[Answer]:
    """Ask about files as they are; what is not read, though it is good, asks again."""
    contents = [functools.partial(_content, row) for row in files]
    answers = batching.ask(send, contents, settings)
    # All of these were opened here. Some are only of a kind that is not known there,
    # and some had too much beside them.
    refused = [i for i, answer in enumerate(answers) if answer.error]
    crowded = [i for i in refused if answers[i].error.endswith(image_formats.TOGETHER)]
    alone = dataclasses.replace(settings, batch_size=1)
    again = [
        (crowded, _content, alone),
        ([i for i in refused if _is_of_a_kind(answers[i])], _as_png, settings),
    ]
    for places, read, how in again:
        contents = [functools.partial(read, files[i]) for i in places]
        try:
            found = batching.ask(send, contents, how) if places else []
        except (UserError, batching.Incomplete, KeyboardInterrupt) as error:
            # What was answered before is kept.
            if not any(answer.labels for answer in answers):
                raise
            kept = error.answers if isinstance(error, batching.Incomplete) else []
            _fill(answers, places, kept)
            cause = error.cause if isinstance(error, batching.Incomplete) else error
            raise batching.Incomplete(answers, cause) from None
        _fill(answers, places, found)
    return answers


def _fill(
    answers: list[Answer], places: Sequence[int], found: Sequence[Answer]
) -> None:
    for place, answer in zip(places, found):
        answers[place] = answer


def _is_of_a_kind(answer: Answer) -> bool:
    """Tell whether an image may be read if it is sent as PNG."""
    crowded = answer.error.endswith(image_formats.TOGETHER)
    return not (crowded or image_formats.is_too_large(answer.error))


def _content(row: Row) -> bytes:
    if row.format not in _SENT:
        return _as_png(row)
    try:
        return image_io.content(Path(row.path), row.offset, row.length)
    except image_formats.ImageError:
        return b""


def _as_png(row: Row) -> bytes:
    try:
        content = image_io.content(Path(row.path), row.offset, row.length)
        return image_io.to_png(image_io.decode(content))
    except image_formats.ImageError:
        return b""
