"""What files of predictions say of pictures, and what a run says of its own."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.monitor.drift import Seen

# Files that `predict` writes; all others may be request logs.
ENDINGS = (".csv", ".jsonl")

# Held-out splits, the one that nothing was chosen by first.
HELD_OUT = ("test", "validation")


def arrived(
    files: Sequence[Path], labels: Sequence[str]
) -> tuple[Seen, list[str], list[dict[str, str]]]:
    """Return what files that `predict` wrote say.

    Returns:
        Classes and probabilities; the name of each picture; name and reason of those
        without an answer.
    """
    index = {label: number for number, label in enumerate(labels)}
    label, probability, names, bad = [], [], [], []
    for file in files:
        for number, row in enumerate(_rows(file), 1):
            try:
                name, error = str(row["id"]), row.get("error") or ""
                if error:
                    bad.append({"image": name, "error": str(error)})
                    continue
                called, chance = str(row["label"]), float(row["probability"])
            except (KeyError, TypeError, ValueError):
                raise UserError(
                    f"--predictions {file}: expected rows with id, label and "
                    f"probability, as `predict` writes them. Number {number} has "
                    f"{', '.join(row) or 'none'}."
                ) from None
            if called not in index:
                raise UserError(
                    f"--predictions {file}: expected predictions of this run. Received "
                    f"the class {called!r}, which it does not know."
                    f"{suggest(called, index)}"
                )
            if not 0 <= chance <= 1:
                raise UserError(
                    f"--predictions {file}: expected a probability from 0 to 1. "
                    f"Received: {chance:g}, in row {number}."
                )
            names.append(name)
            label.append(index[called])
            probability.append(chance)
    if not names:
        raise UserError(
            f"--predictions {files[0]}: expected predictions, found none in it."
        )
    return Seen(np.array(label), np.array(probability)), names, bad


def held_out(run: RunFolder, labels: Sequence[str]) -> tuple[Seen, str]:
    """Return what a run predicted for its held-out pictures, and of which split."""
    index = {label: number for number, label in enumerate(labels)}
    rows = file_io.read_csv(run.predictions) if run.predictions.is_file() else []
    for split in HELD_OUT:
        own = [row for row in rows if row["split"] == split]
        if own:
            label = np.array([index[row["predicted"]] for row in own])
            return Seen(label, np.array([float(r["probability"]) for r in own])), split
    raise no_held_out(run)


def no_held_out(run: RunFolder) -> UserError:
    """Return the error for a run without pictures to compare with."""
    return UserError(
        f"{run.path}: expected a run with test or validation pictures to compare with, "
        "found none. Train it again with a part of the pictures held out."
    )


def _rows(file: Path) -> Iterable[Mapping[str, Any]]:
    if file.suffix.lower() == ".csv":
        return file_io.read_csv(file)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise UserError(f"--predictions {file}: expected JSON lines, but {error}.")
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"--predictions {file}: expected an object in each line.")
    return rows
