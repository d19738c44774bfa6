"""What files of predictions say of pictures, and what a run says of its own."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.sources.base import BETWEEN
from tfpipeline.export import versions
from tfpipeline.monitor.drift import Seen
from tfpipeline.predict import target_rows

# Files that `predict` writes; all others may be request logs.
ENDINGS = (".csv", ".jsonl")

# Held-out splits, the one that nothing was chosen by first.
HELD_OUT = ("test", "validation")

# What `predict` writes of a picture.
_COLUMNS = {
    targets.MULTI: "id, labels and the probability of each class",
    targets.NUMBER: "id, quantity and value",
}


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


def arrived(
    files: Sequence[Path], labels: Sequence[str], target: str = targets.SINGLE
) -> Told:
    """Return what files that `predict` wrote say, of a model with a target.

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
                answers.append(_answer(row, index, where, target))
                known.append(str(row.get("known")).lower())
            except (KeyError, TypeError, ValueError):
                columns = _COLUMNS.get(target, "id, label and probability")
                raise UserError(
                    f"{where}: expected {columns}, as `predict` writes "
                    f"them. Received: {', '.join(map(str, row)) or 'nothing'}."
                ) from None
    if not answers:
        raise UserError(
            f"--predictions {files[0]}: expected predictions, found none in it."
        )
    label, chance, novelty = map(np.array, zip(*answers))
    probability = None if target == targets.NUMBER else chance
    all_known = set(known) <= {"true", "false"}
    return Told(
        Seen(label, probability, None, None if np.isnan(novelty).any() else novelty),
        known.count("false") / len(known) if all_known else None,
        bad,
    )


def _answer(
    row: Mapping[str, Any], index: Mapping[str, int], where: str, target: str
) -> tuple[Any, float, float]:
    """Return class, probability and novelty of a row; the last is NaN if not there."""
    given = row.get("novelty")
    # Numbers of JSON lines come as such: 0 is one.
    novelty = float("nan" if given in (None, "") else given)
    if target == targets.NUMBER:
        if not math.isfinite(value := float(row["value"])):
            raise ValueError
        return value, float("nan"), novelty
    if target == targets.MULTI:
        names, chance = _names(row["labels"]), _highest(row, index)
    else:
        names, chance = [str(row["label"])], float(row["probability"])
    for called in names:
        if called not in index:
            raise UserError(
                f"{where}: expected a prediction of this run. Received the class "
                f"{called!r}, which it does not know.{suggest(called, index)}"
            )
    if not 0 <= chance <= 1:
        raise UserError(
            f"{where}: expected a probability from 0 to 1. Received: {chance:g}."
        )
    if target == targets.MULTI:
        return _flags(names, index), chance, novelty
    return index[names[0]], chance, novelty


def _names(given: Any) -> list[str]:
    """Return labels that stand in JSON as a list, in a CSV as `cat|dog`."""
    names = given if isinstance(given, list) else str(given).split(BETWEEN)
    return [*filter(None, names)]


def _flags(names: Sequence[str], index: Mapping[str, int]) -> np.ndarray:
    flags = np.zeros(len(index), bool)
    flags[[index[name] for name in names]] = True
    return flags


def _highest(row: Mapping[str, Any], index: Mapping[str, int]) -> float:
    """Return the highest probability of a row of several labels, however written."""
    if "probability" in row:
        return float(row["probability"])
    own = row.get("probabilities")
    if own is None:
        # `predict` and `train` have a column for each class.
        columns = target_rows.COLUMN.format, str
        name = next((of for of in columns if of(next(iter(index))) in row), str)
        own = {label: row[name(label)] for label in index}
    return max(float(own[label]) for label in index)


def held_out(
    run: RunFolder, labels: Sequence[str], target: str = targets.SINGLE
) -> tuple[Seen, str]:
    """Return what a run predicted for its held-out pictures, and of which split."""
    # An exported version has the same of the features that its run kept.
    files = run.predictions, run.path / versions.HELD_OUT
    file = next((file for file in files if file.is_file()), None)
    rows = [] if file is None else file_io.read_csv(file)
    for split in HELD_OUT:
        own = [row for row in rows if row["split"] == split]
        if own:
            return seen(own, labels, "predicted", target), split
    raise no_held_out(run)


def seen(
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    column: str,
    target: str = targets.SINGLE,
) -> Seen:
    """Return what rows say, whose predictions are in a column."""
    index = {label: number for number, label in enumerate(labels)}
    novelty = None
    if all(row.get("novelty") not in (None, "") for row in rows):
        novelty = np.array([float(row["novelty"]) for row in rows])
    if target == targets.NUMBER:
        numbers = np.array([float(row[column]) for row in rows])
        return Seen(numbers, None, None, novelty)
    if target == targets.MULTI:
        label = np.array([_flags(_names(row[column]), index) for row in rows])
        chance = [_highest(row, index) for row in rows]
    else:
        label = np.array([index[row[column]] for row in rows])
        chance = [float(row["probability"]) for row in rows]
    return Seen(label, np.array(chance), None, novelty)


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
