"""What files of predictions say of pictures, and what a run says of its own."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.export import versions
from tfpipeline.monitor.drift import Seen

# Files that `predict` writes; all others may be request logs.
ENDINGS = (".csv", ".jsonl")

# Held-out splits, the one that nothing was chosen by first.
HELD_OUT = ("test", "validation")


class Told(NamedTuple):
    """What files of predictions say.

    Args:
        seen: Of each picture with an answer, its class and probability, and its
            novelty, where that is known of all of them.
        unknown: The share of pictures that are unknown; None where that is not known.
        bad: `image` and `error` of those without an answer.
    """

    seen: Seen
    unknown: float | None
    bad: list[dict[str, str]]


def arrived(files: Sequence[Path], labels: Sequence[str]) -> Told:
    """Return what files that `predict` wrote say.

    Raises:
        UserError: They are of another kind, of other classes, or empty.
    """
    index = {label: number for number, label in enumerate(labels)}
    answers, known, bad = [], [], []
    for file in files:
        for number, row in enumerate(_rows(file), 1):
            where = f"--predictions {file}, row {number}"
            try:
                if error := row.get("error"):
                    bad.append({"image": str(row["id"]), "error": str(error)})
                    continue
                answers.append(_answer(row, index, where))
                known.append(str(row.get("known")).lower())
            except (KeyError, TypeError, ValueError):
                raise UserError(
                    f"{where}: expected id, label and probability, as `predict` writes "
                    f"them. Received: {', '.join(map(str, row)) or 'nothing'}."
                ) from None
    if not answers:
        raise UserError(
            f"--predictions {files[0]}: expected predictions, found none in it."
        )
    label, probability, novelty = map(np.array, zip(*answers))
    all_known = set(known) <= {"true", "false"}
    return Told(
        Seen(label, probability, None, None if np.isnan(novelty).any() else novelty),
        known.count("false") / len(known) if all_known else None,
        bad,
    )


def _answer(
    row: Mapping[str, Any], index: Mapping[str, int], where: str
) -> tuple[int, float, float]:
    """Return class, probability and novelty of a row; the last is NaN if not there."""
    called, chance = str(row["label"]), float(row["probability"])
    if called not in index:
        raise UserError(
            f"{where}: expected a prediction of this run. Received the class "
            f"{called!r}, which it does not know.{suggest(called, index)}"
        )
    if not 0 <= chance <= 1:
        raise UserError(
            f"{where}: expected a probability from 0 to 1. Received: {chance:g}."
        )
    return index[called], chance, float(row.get("novelty") or "nan")


def held_out(run: RunFolder, labels: Sequence[str]) -> tuple[Seen, str]:
    """Return what a run predicted for its held-out pictures, and of which split."""
    # An exported version has the same of the features that its run kept.
    files = run.predictions, run.path / versions.HELD_OUT
    file = next((file for file in files if file.is_file()), None)
    rows = [] if file is None else file_io.read_csv(file)
    for split in HELD_OUT:
        own = [row for row in rows if row["split"] == split]
        if own:
            return seen(own, labels, "predicted"), split
    raise no_held_out(run)


def seen(rows: Sequence[Mapping[str, Any]], labels: Sequence[str], column: str) -> Seen:
    """Return what rows say, whose predicted classes are in a column."""
    index = {label: number for number, label in enumerate(labels)}
    novelty = None
    if all(row.get("novelty") not in (None, "") for row in rows):
        novelty = np.array([float(row["novelty"]) for row in rows])
    return Seen(
        np.array([index[row[column]] for row in rows]),
        np.array([float(row["probability"]) for row in rows]),
        None,
        novelty,
    )


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
        raise UserError(
            f"--predictions {file}: expected JSON lines, but {error}."
        ) from None
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"--predictions {file}: expected an object in each line.")
    return rows
