"""From a run, a SavedModel or a server, and images, to predictions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline.config import PredictSettings
from tfpipeline.core import console, file_io, result_dir, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.report.closing import closing

if TYPE_CHECKING:
    from tfpipeline.predict.answers import Ask

# Of a first line, which names one file and some classes.
_MOST_BYTES = 2**16

HEADER = (
    *("id", "label", "probability", "accepted", "accepted_reason", "top_k", "error"),
)


def predict(settings: PredictSettings) -> list[dict[str, Any]]:
    """Say what a trained classifier sees on pictures: files, folders, or globs."""
    output = Path(settings.output) if settings.output else None
    if output is not None:
        if output.suffix.lower() not in (".csv", ".jsonl"):
            raise UserError(f"--output {output}: expected a name in .csv or .jsonl.")
        result_dir.check_file("--output", output, _is_own)
        file_io.check_writable(output.parent)
    rows, stopped = _rows(settings)
    _write(rows, output)
    bad = sum(bool(row["error"]) for row in rows)
    unknown = {row["accepted_reason"]: None for row in rows if row["accepted_reason"]}
    words: dict[str, Any] = {
        "answered": len(rows) - bad,
        "images": len(rows),
        "unknown": unknown,
    }
    console.close(closing("predict", output, **words), beside=output is None)
    if stopped is not None:
        console.answer(rows)
        raise stopped
    return rows


def answer(settings: PredictSettings) -> list[dict[str, Any]]:
    """Return what is said of each picture, and write nothing."""
    rows, stopped = _rows(settings)
    if stopped is not None:
        raise stopped
    return rows


def _rows(
    settings: PredictSettings,
) -> tuple[list[dict[str, Any]], BaseException | None]:
    """Return a row a file, and why some have no answer where a server went away."""
    from tfpipeline.predict import answers, batching

    try:
        limits = settings.top_k, settings.max_pixels
        return answers.rows(settings.images, _open(settings), *limits), None
    except batching.Incomplete as error:
        return error.results, error.cause


def _open(settings: PredictSettings) -> Ask:
    """Return what answers: a run, a SavedModel, or a server."""
    if settings.model is None:
        raise UserError(
            "--model: expected the folder of a finished run, an exported SavedModel, "
            "or the address of a server."
        )
    from tfpipeline.predict import answers, client

    if client.is_address(settings.model):
        return answers.of_server(settings.model, settings.server)
    path = Path(settings.model)
    if path.name == "model.keras":
        path = path.parent
    if (version := answers.version_of(path)) is not None:
        return answers.of_saved_model(version, settings.server)
    if not path.exists():
        raise UserError(
            f"--model {settings.model}: found nothing there. Expected the folder of a "
            "finished run, an exported SavedModel, or the address of a server."
        )
    return answers.of_run(run_dir.RunFolder(path).existing(), settings.top_k)


def _is_own(file: Path) -> bool:
    """Tell whether a file begins as one that `predict` wrote, or holds nothing."""
    with open(file, "rb") as lines:
        first = lines.readline(_MOST_BYTES)
    if file.suffix.lower() == ".csv":
        empty, text = not first.strip(), first.decode("utf-8", "replace")
    else:
        try:
            empty, text = not first, ",".join(json.loads(first or "[]"))
        except (ValueError, TypeError):
            return False
    # Columns of predictions, of any version.
    names = text.strip().split(",")
    return empty or (names[:3] == [*HEADER[:3]] and names[-2:] == [*HEADER[-2:]])


def _write(rows: list[dict[str, Any]], output: Path | None) -> None:
    """Write CSV, or JSON lines where the file is called so; to the screen as CSV."""
    if output is not None and output.suffix.lower() == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        file_io.write_text(output, "".join(f"{line}\n" for line in lines))
        return
    cells = [
        [
            json.dumps(v, ensure_ascii=False) if isinstance(v, bool | list) else v
            for v in row.values()
        ]
        for row in rows
    ]
    if output is not None:
        file_io.write_csv(output, HEADER, cells)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *cells])
    console.product(text.getvalue())
