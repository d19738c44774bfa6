"""VERB: from a run and images to predictions."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import atomic, cli, runs
from tfpipeline.config import DistributeSettings, PredictSettings, RunSettings
from tfpipeline.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from tfpipeline.data.audit import Row

HEADER = ("id", "label", "probability", "top_k", "error")


def predict(settings: PredictSettings) -> list[dict[str, Any]]:
    """Say what a trained classifier sees on pictures: files, folders, or globs."""
    run = _run(settings)
    output = Path(settings.output) if settings.output else None
    if output is not None:
        _check_output(output)
    if settings.top_k < 1:
        raise UserError(
            f"--top_k: expected a positive number. Received: {settings.top_k}."
        )
    from tfpipeline.data import audit, folders

    paths = folders.named_files(settings.images)

    files = audit.audit(paths, cache=None)
    good = [i for i, row in enumerate(files) if not row.reason]
    labels, logits = _logits(run, [files[i] for i in good])
    rows: list[dict[str, Any]] = [
        {
            "id": str(path),
            "label": "",
            "probability": "",
            "top_k": [],
            "error": file.reason,
        }
        for path, file in zip(paths, files)
    ]
    from tfpipeline.evaluation import metrics

    if good:
        best = metrics.top_k(logits, settings.top_k)
        chance = metrics.probabilities(logits)
        for number, position in enumerate(good):
            ranked = [[labels[k], float(chance[number, k])] for k in best[number]]
            rows[position].update(
                label=ranked[0][0], probability=ranked[0][1], top_k=ranked
            )
    _write(rows, output)
    bad = len(rows) - len(good)
    where = output if output is not None else "above"
    errors = f"; {bad} could not be read, see the column error" if bad else ""
    print(
        f"{len(good)} of {len(rows)} images predicted: {where}{errors}.",
        file=sys.stderr,
    )
    return rows


def _run(settings: PredictSettings) -> runs.RunFolder:
    if settings.model is None:
        raise UserError("--model: expected the folder of a finished run.")
    path = Path(settings.model)
    if path.name == "model.keras":
        path = path.parent
    if (
        settings.model.startswith(("http://", "https://"))
        or (path / "saved_model.pb").exists()
    ):
        raise UserError(
            f"--model {settings.model}: servers and SavedModels are not supported yet. "
            "Name the folder of the run."
        )
    return runs.RunFolder(path).existing()


def _check_output(output: Path) -> None:
    if output.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"--output {output}: expected a name in .csv or .jsonl.")
    atomic.check_writable(output.parent)


def _logits(
    run: runs.RunFolder, files: list[Row]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the class names of a run, and the logits of some audited files."""
    argv = ["--config", str(run.config)]
    trained = cli.parse(RunSettings, argv, prog="train", description="")
    with cli.quiet_start():
        import numpy as np

        from tfpipeline import distribution
        from tfpipeline.data import pipeline
        from tfpipeline.models import saving
        from tfpipeline.training.predictor import Predictor

        strategy = distribution.start(
            DistributeSettings(strategy="one_device"), trained.train.precision, 0
        )
    model, labels = saving.load_classifier(run.model)
    if not files:
        return labels, np.zeros((0, len(labels)))
    height, width = model.input_shape[1:3]
    size = min(int(trained.data.batch_size), len(files))
    reading = pipeline.Reading(height, width, trained.data.resize, size)
    unknown = np.zeros(len(files), np.int32)
    batches = pipeline.Batches(files, unknown, reading).plain(np.arange(len(files)))
    predictor = Predictor(lambda x: model(x, training=False), strategy)
    return labels, predictor.all(batches, len(files), "predict")


def _write(rows: list[dict[str, Any]], output: Path | None) -> None:
    """Write CSV, or JSON lines where the file is called so; to the screen as CSV."""
    if output is not None and output.suffix.lower() == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        atomic.write_text(output, "".join(f"{line}\n" for line in lines))
        return
    cells = [
        [
            json.dumps(v, ensure_ascii=False) if k == "top_k" else v
            for k, v in row.items()
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
    print(text.getvalue(), end="")


if __name__ == "__main__":
    sys.exit(cli.main(predict, PredictSettings))
