"""VERB: from a run, a SavedModel or a server, and images, to predictions."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import atomic, cli, runs, terminal
from tfpipeline.config import PredictSettings
from tfpipeline.errors import UserError

if TYPE_CHECKING:
    from tfpipeline.serving.client import Answer
    from tfpipeline.workflow.answering import Ask

HEADER = ("id", "label", "probability", "accepted", "top_k", "error")


def predict(settings: PredictSettings) -> list[dict[str, Any]]:
    """Say what a trained classifier sees on pictures: files, folders, or globs."""
    output = Path(settings.output) if settings.output else None
    ask = _asked(settings)
    if output is not None:
        _check_output(output)
    if settings.top_k < 1:
        raise UserError(
            f"--top_k: expected a positive number. Received: {settings.top_k}."
        )
    from tfpipeline.data import audit, folders
    from tfpipeline.serving import sending

    paths = folders.named_files(settings.images)
    files = audit.audit(paths, cache=None)
    good = [row for row in files if not row.reason]
    stopped: sending.Incomplete | None = None
    try:
        found = ask(good) if good else []
    except sending.Incomplete as error:
        found, stopped = error.answers, error
    answers = iter(found)
    rows = [
        _row(path, next(answers) if not file.reason else None, file.reason, settings)
        for path, file in zip(paths, files)
    ]
    _write(rows, output)
    bad = sum(bool(row["error"]) for row in rows)
    errors = f"{bad} have no answer, see the column error."
    closing = terminal.Closing(
        [f"{len(rows) - bad} of {len(rows)} images predicted."],
        careful=[errors] if bad else [],
        look=output,
    )
    terminal.close(closing, beside=output is None)
    if stopped is not None:
        raise stopped.cause
    return rows


def _asked(settings: PredictSettings) -> Ask:
    """Return what answers: a run, a SavedModel, or a server."""
    if settings.model is None:
        raise UserError(
            "--model: expected the folder of a finished run, an exported SavedModel, "
            "or the address of a server."
        )
    from tfpipeline.serving import client
    from tfpipeline.workflow import answering

    if client.is_address(settings.model):
        return answering.of_server(settings.model, settings.server)
    path = Path(settings.model)
    if path.name == "model.keras":
        path = path.parent
    if (version := answering.version_of(path)) is not None:
        return answering.of_saved_model(version, settings.server)
    if not path.exists():
        raise UserError(
            f"--model {settings.model}: found nothing there. Expected the folder of a "
            "finished run, an exported SavedModel, or the address of a server."
        )
    return answering.of_run(runs.RunFolder(path).existing(), settings.top_k)


def _row(
    path: Path, answer: Answer | None, reason: str, settings: PredictSettings
) -> dict[str, Any]:
    """Return the row of a file."""
    row: dict[str, Any] = {"id": str(path), "label": "", "probability": ""}
    row |= {"accepted": None, "top_k": [], "error": reason}
    if answer is None:
        return row
    if answer.error:
        return row | {"error": answer.error}
    pairs = zip(answer.labels, answer.probabilities)
    ranked = [[label, chance] for label, chance in pairs][: settings.top_k]
    row |= {"accepted": answer.accepted, "top_k": ranked}
    return row | {"label": ranked[0][0], "probability": ranked[0][1]}


def _check_output(output: Path) -> None:
    if output.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"--output {output}: expected a name in .csv or .jsonl.")
    atomic.check_writable(output.parent)


def _write(rows: list[dict[str, Any]], output: Path | None) -> None:
    """Write CSV, or JSON lines where the file is called so; to the screen as CSV."""
    if output is not None and output.suffix.lower() == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        atomic.write_text(output, "".join(f"{line}\n" for line in lines))
        return
    cells = [
        [
            json.dumps(v, ensure_ascii=False) if isinstance(v, bool | list) else v
            for v in row.values()
        ]
        for row in rows
    ]
    if output is not None:
        atomic.write_csv(output, HEADER, cells)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(cells)
    terminal.product(text.getvalue())


if __name__ == "__main__":
    sys.exit(cli.main(predict, PredictSettings))
