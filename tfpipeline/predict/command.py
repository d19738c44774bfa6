"""From a run, a SavedModel or a server, and images, to predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline.config import PredictSettings
from tfpipeline.core import console, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import Incomplete, UserError
from tfpipeline.data.sources import pictures
from tfpipeline.models.engines import names
from tfpipeline.predict import outputs, sharded, sorting
from tfpipeline.report.closing import closing

if TYPE_CHECKING:
    from tfpipeline.data.scan_cache import Row
    from tfpipeline.export.protocol import Answer
    from tfpipeline.predict.answers import Ask


def predict(settings: PredictSettings) -> Sequence[dict[str, Any]] | dict[str, Any]:
    """Classify pictures with a run, a SavedModel or a server."""
    names.check(settings.engine, "--engine")
    _check_target(settings)
    if sharded.is_folder(settings.output):
        return sharded.predict(settings, _open)
    sharded.check_unused(settings)
    output = outputs.check(settings.output)
    folder = sorting.check(settings.sort_into, settings.images)
    is_shown = output is None and folder is None
    if folder is not None or output is not None and output.suffix.lower() == ".html":
        pictures.check_files("--sort_into" if folder else "--output", settings.images)
    rows, stopped = _rows(settings)
    if output is not None:
        outputs.write(output, rows, str(settings.model), _ranges(settings, rows))
    if is_shown:
        outputs.show(rows)
    copies = None if folder is None else sorting.sort(rows, folder)
    for name, reason in copies.failed if copies else ():
        console.warn(f"Not copied: {name}: {reason}")
    words: dict[str, Any] = {
        **outputs.counts(rows),
        "is_named": is_shown and console.is_terminal(),
        "sorted": copies,
        "folder": folder,
        "apart": {"unknown": sorting.UNKNOWN, "unsure": sorting.UNSURE},
    }
    where = output.name if output else ""
    summary = closing("predict", output or folder, where, **words)
    console.close(summary, beside=is_shown)
    if stopped is not None:
        console.answer(rows)
        raise stopped
    if copies and copies.failed:
        console.answer(rows)
        raise Incomplete(
            f"--sort_into {folder}: expected to copy every classified picture. "
            f"Not copied: {len(copies.failed)}, each named above. Repeat the "
            "command when they can be read.",
            rows,
        )
    return rows


def _check_target(settings: PredictSettings) -> None:
    """Refuse outputs that only single classes have; a server is asked first."""
    from tfpipeline.predict import answers, client

    if settings.model is None or client.is_address(settings.model):
        return
    if _needs_classes(settings):
        _expect_classes(settings, answers.target_of(_folder(settings.model)))


def _needs_classes(settings: PredictSettings) -> list[str]:
    """Return flags of outputs that only single classes have."""
    output = settings.output or ""
    flags = [f"--sort_into {settings.sort_into}"] if settings.sort_into else []
    if sharded.is_folder(output) or output.lower().endswith(".html"):
        flags.append(f"--output {output}")
    return flags


def _expect_classes(settings: PredictSettings, target: str) -> None:
    for flag in _needs_classes(settings):
        targets.expect(target, flag, "Give --output a name in .csv or .jsonl.")


def _checked(ask: Ask, settings: PredictSettings) -> Ask:
    """Return what asks a server, whose first answers tell of which target it is."""
    from tfpipeline.predict import batching, target_rows

    def check(given: Sequence[Answer]) -> None:
        other = next(filter(target_rows.is_other, given), None)
        if other is not None:
            is_number = other.value is not None
            _expect_classes(settings, targets.NUMBER if is_number else targets.MULTI)

    def checked(files: Sequence[Row]) -> list[Answer]:
        try:
            given = ask(files)
        except batching.Incomplete as error:
            check(error.results)
            raise
        check(given)
        return given

    return checked


def answer(settings: PredictSettings) -> Sequence[dict[str, Any]]:
    """Return what is said of each picture, and write nothing."""
    rows, stopped = _rows(settings)
    if stopped is not None:
        raise stopped
    return rows


def _rows(
    settings: PredictSettings,
) -> tuple[Sequence[dict[str, Any]], BaseException | None]:
    """Return a row a picture, and why some have no answer where a server went away."""
    from tfpipeline.predict import answers, streaming
    from tfpipeline.predict.batching import Lazy

    ask, top_k = _open(settings), settings.top_k
    answers.check_top_k(top_k)
    pictures.check(settings.images)
    return streaming.rows(
        pictures.walk(settings.images),
        lambda given, files: answers.rows_of(given, files, ask, top_k),
        settings.max_pixels,
        Path(settings.output).parent if settings.output else None,
        ask.open if isinstance(ask, Lazy) else None,
    )


def _open(settings: PredictSettings) -> Ask:
    """Return what answers: a run, a SavedModel, or a server."""
    if settings.model is None:
        raise UserError(
            "--model: expected the folder of a finished run, an exported SavedModel, "
            "or the address of a server."
        )
    from tfpipeline.predict import answers, client

    if client.is_address(settings.model):
        return _checked(answers.of_server(settings.model, settings.server), settings)
    path = _folder(settings.model)
    if (version := answers.version_of(path)) is not None:
        return answers.of_saved_model(version, settings.server)
    if not path.exists():
        raise UserError(
            f"--model {settings.model}: found nothing there. Expected the folder of a "
            "finished run, an exported SavedModel, or the address of a server."
        )
    run = run_dir.RunFolder(path).existing()
    return answers.of_run(run, settings.top_k, settings.engine)


def _folder(model: str) -> Path:
    path = Path(model)
    return path.parent if path.name == "model.keras" else path


def _ranges(
    settings: PredictSettings, rows: Sequence[Mapping[str, Any]]
) -> Ranges | None:
    """Return what is black and white for what answered; None of a server."""
    from tfpipeline.predict import answers, client

    model = str(settings.model)
    if client.is_address(model) or all(row["error"] for row in rows):
        return None
    return answers.ranges_of(_folder(model))
