"""What a run, a SavedModel or a server says of audited files: labels, probabilities."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfpipeline.config.serving import ExportSettings, ServerSettings
from tfpipeline.core import (
    brightness,
    console,
    image_formats,
    image_io,
    run_dir,
    startup,
)
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.data import sample_ranges
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage, pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.export import versions
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import batching, client, sent_images, target_rows
from tfpipeline.predict.batching import Lazy

if TYPE_CHECKING:
    from tfpipeline.evaluate.run_inputs import Ready
    from tfpipeline.metrics.calibration import Calibration
    from tfpipeline.metrics.novelty import Novelty

# From audited files to an answer each.
Ask = Callable[[Sequence[Row]], list[Answer]]

# What a version says of itself.
_ABOUT = "export.json"

# Files that every server reads as this package does; others are sent as PNG.
_SENT = ("jpeg", "png")


def of_run(run: run_dir.RunFolder, top_k: int, engine: str = "auto") -> Ask:
    """Return what asks the classifier of a run; its probabilities are calibrated."""

    def opened() -> Ask:
        with startup.quiet_start():
            from tfpipeline.evaluate import run_inputs
        ready, calibration = run_inputs.ready(run), run_inputs.calibration_of(run)
        return of_ready(ready, calibration, top_k, engine)

    return Lazy(opened)


def of_ready(
    ready: Ready, calibration: Calibration, top_k: int, engine: str = "auto"
) -> Ask:
    """Return what asks a classifier that is in memory already, for `top_k` classes."""

    def ask(files: Sequence[Row]) -> list[Answer]:
        from tfpipeline.metrics import classification

        sample_ranges.report(files, ready.ranges)
        logits, novelty = ready.predict(files, engine)
        strange = _strange(ready.novelty, novelty, len(files))
        if ready.decision.target not in targets.CLASSES:
            return target_rows.answers(ready.decision, logits, strange)
        chance = classification.probabilities(logits / calibration.temperature)
        best = classification.top_k(logits, top_k)
        accepted = calibration.accepts(chance.max(axis=1))
        sure = [None] * len(files) if accepted is None else accepted.tolist()
        columns = best, np.take_along_axis(chance, best, axis=1).tolist(), sure
        return [
            Answer([ready.labels[k] for k in row], p, "", enough, why, *more)
            for row, p, enough, why, more in zip(
                *columns, [calibration.reason] * len(files), strange
            )
        ]

    return ask


def _strange(
    score: Novelty | None, values: np.ndarray | None, count: int
) -> list[tuple[Any, ...]]:
    """Return novelty, whether it is known, and why that is not known, an image each."""
    if score is None or values is None:
        return [()] * count
    knows = score.knows(values)
    known = [None] * count if knows is None else knows.tolist()
    return list(zip(values.tolist(), known, [score.reason] * count))


def of_saved_model(folder: Path, settings: ServerSettings) -> Ask:
    """Return what asks a SavedModel in this process."""

    def opened() -> Ask:
        with startup.quiet_start():
            from tfpipeline.export.signatures import Loaded

            try:
                model = Loaded(folder)
                # What TensorFlow says of its first step is no concern of the user's.
                model.answer([image_io.to_png(np.zeros((1, 1, 3), np.uint8))])
                return of_loaded(model.answer, saved_ranges(folder), settings)
            except (OSError, KeyError, ValueError) as error:
                raise UserError(
                    f"--model {folder}: expected a SavedModel that `python -m "
                    f"tfpipeline.export` wrote, but it cannot be read ({error})."
                ) from None

    return Lazy(opened)


def of_loaded(send: client.Send, ranges: Ranges, settings: ServerSettings) -> Ask:
    """Return what asks a SavedModel that is in memory already."""

    def ask(files: Sequence[Row]) -> list[Answer]:
        sample_ranges.report(files, ranges)
        return _ask(send, files, settings, ranges)

    return ask


def saved_ranges(folder: Path) -> Ranges:
    """Return what is black and white for a SavedModel, as its `export.json` says."""
    file = folder / _ABOUT
    if not file.is_file():
        return WHOLE
    about = json.loads(file.read_text(encoding="utf-8"))
    return brightness.parse(str(about.get("range", "full"))) or WHOLE


def max_images(folder: Path) -> int:
    """Return how many images a SavedModel takes in a request."""
    file = folder / _ABOUT
    about = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return max(1, int(about.get("max_images", ExportSettings.max_images)))


def target_of(path: Path) -> str:
    """Return what the run or the SavedModel in a folder answers."""
    if (version := version_of(path)) is not None:
        file = version / _ABOUT
        about = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return str(about.get("target", {}).get("target", targets.SINGLE))
    from tfpipeline.models import saving

    file = run_dir.RunFolder(path).model
    return saving.load_decision(file).target if file.is_file() else targets.SINGLE


def ranges_of(path: Path) -> Ranges:
    """Return what is black and white for the run or the SavedModel in a folder."""
    if (version := version_of(path)) is not None:
        return saved_ranges(version)
    from tfpipeline.models import saving

    return saving.load_ranges(run_dir.RunFolder(path).model)


def of_server(address: str, settings: ServerSettings) -> Ask:
    """Return what asks a server, at an address as `client.open_server` has it."""
    with startup.quiet_start(keras=False):
        send = client.open_server(address, settings)

    def ask(files: Sequence[Row]) -> list[Answer]:
        if deep := [row for row in files if row.samples == "uint16"]:
            console.note(
                f"{len(deep)} pictures have uint16 samples (e.g. {deep[0].path}): they "
                "are read by the range of the server's model, which is not known here"
            )
        return _ask(send, files, settings)

    return ask


def version_of(path: Path) -> Path | None:
    """Return the SavedModel that a folder is, or that of its live version."""
    if (path / "saved_model.pb").is_file():
        return path
    live = versions.live(path)
    return None if live is None else path / str(live)


def rows(
    words: Sequence[str],
    ask: Ask,
    top_k: int,
    max_pixels: int = image_formats.MAX_PIXELS,
) -> list[dict[str, Any]]:
    """Return what is said of the pictures that some words mean, a row a picture.

    Args:
        words: As `data.sources.pictures` knows them.
        ask: What answers; it is not asked where no picture can be read.
        top_k: Classes to name, at most.
        max_pixels: Height times width of a picture, at most.

    Returns:
        `id`, `label`, `probability`, `accepted`, `accepted_reason` (why that is null),
        `novelty`, `known`, `known_reason` (all three only where the model tells), and
        `top_k` (pairs, best first), `error`.

    Raises:
        UserError: A word means no file, or `top_k` is not positive.
        Incomplete: A server went away meanwhile; it has the rows of all files.
    """
    check_top_k(top_k)
    named = pictures.named(words)
    return rows_of(named, pictures.audit(named, max_pixels), ask, top_k)


def check_top_k(top_k: int) -> None:
    """Refuse to name no class."""
    if top_k < 1:
        raise UserError(f"--top_k: expected a positive number. Received: {top_k}.")


def rows_of(
    given: Sequence[Picture], files: Sequence[Row], ask: Ask, top_k: int
) -> list[dict[str, Any]]:
    """Return the same of pictures that were audited."""
    good = [row for row in files if not row.reason]
    stopped: batching.Incomplete | None = None
    try:
        with jpeg_damage.named(good):
            answers = iter(ask(good) if good else [])
    except batching.Incomplete as error:
        answers, stopped = iter(error.results), error
    each = [
        Answer((), (), file.reason) if file.reason else next(answers) for file in files
    ]
    if any(target_rows.is_other(answer) for answer in each):
        table = target_rows.rows([picture.id for picture in given], each)
        if stopped is not None:
            raise batching.Incomplete(table, stopped.cause)
        return table
    tells = any(answer.novelty is not None for answer in each)
    table = [_row(p.id, answer, top_k, tells) for p, answer in zip(given, each)]
    if stopped is not None:
        raise batching.Incomplete(table, stopped.cause)
    return table


def without(name: str, reason: str) -> dict[str, Any]:
    """Return the row of a picture without an answer."""
    return _row(name, Answer((), (), reason), 0, False)


def _row(name: str, answer: Answer, top_k: int, tells: bool) -> dict[str, Any]:
    """Return the row of a picture; all but `error` is empty where that is not."""
    ranked = [list(pair) for pair in zip(answer.labels, answer.probabilities)][:top_k]
    label, probability = ranked[0] if ranked else ("", None)
    strange = {
        "novelty": answer.novelty,
        "known": answer.known,
        "known_reason": answer.known_reason,
    }
    return {
        "id": name,
        "label": label,
        "probability": probability,
        "accepted": answer.accepted,
        "accepted_reason": answer.reason,
        **(strange if tells else {}),
        "top_k": ranked,
        "error": answer.error,
    }


def _ask(
    send: client.Send,
    files: Sequence[Row],
    settings: ServerSettings,
    ranges: Ranges | None = None,
) -> list[Answer]:
    """Ask about files as they are; what is not read, though it is good, asks again."""
    unread: dict[int, str] = {}

    def content(place: int, as_png: bool = False) -> bytes:
        try:
            return sent(files[place], as_png, ranges)
        except image_formats.ImageError as error:
            unread[place] = str(error)
            return b""

    contents = [functools.partial(content, place) for place in range(len(files))]
    answers = batching.ask(send, contents, settings)
    # All of these were opened here. Some are only of a kind that is not known there,
    # and some had too much beside them.
    refused = [i for i, answer in enumerate(answers) if answer.error]
    crowded = [i for i in refused if answers[i].error.endswith(image_formats.TOGETHER)]
    others = sorted(set(refused) - set(crowded))
    odd = [i for i in others if not image_formats.is_too_large(answers[i].error)]
    alone = dataclasses.replace(settings, batch_size=1)
    for places, as_png, how in ((crowded, False, alone), (odd, True, settings)):
        contents = [functools.partial(content, place, as_png) for place in places]
        stopped: BaseException | None = None
        try:
            replies = batching.ask(send, contents, how) if places else []
        except batching.Incomplete as error:
            replies, stopped = error.results, error.cause
        except (UserError, KeyboardInterrupt) as error:
            replies, stopped = [], error
        # What was answered before is kept.
        for place, answer in zip(places, replies):
            answers[place] = answer
        if stopped is not None:
            answered = any(answer.labels for answer in answers)
            raise batching.Incomplete(answers, stopped) if answered else stopped
    for place, reason in unread.items():
        answers[place] = Answer((), (), reason)
    return answers


def sent(row: Row, as_png: bool, ranges: Ranges | None) -> bytes:
    """Return the bytes by which a model is asked about a picture, perhaps as PNG."""
    content = image_io.content(row.path, row.offset, row.length)
    if as_png or row.format not in _SENT:
        return sent_images.as_png(content, ranges, row.height * row.width)
    return content
