"""What each row of a CSV counts, by a column of it."""

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfpipeline.core import console, file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources.base import Source


def has_column(file: Path, column: str) -> bool:
    """Tell whether the first line of a CSV file names a column."""
    try:
        with open(file, newline="", encoding="utf-8-sig", errors="ignore") as opened:
            return column in next(csv.reader(opened), [])
    except (OSError, csv.Error):
        return False


def _weight(file: Path, line: int, row: dict[str, str], column: str) -> float:
    """Return what a row counts."""
    try:
        # Python reads 1_000, which no other program writes.
        value = -1.0 if "_" in row[column] else float(row[column])
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise UserError(
            f"{file}: line {line}: expected a weight, 0 or a positive number, in the "
            f"column {column!r}. Received: {row[column]!r}. If it is no weight, say "
            "--data.weight_column null."
        )
    return value


def weighed(
    source: Source, file: Path, rows: Sequence[dict[str, str]], column: str
) -> Source:
    """Return a source with weights, and without the examples of weight 0.

    Args:
        source: Its examples, in the order of the rows.
        file: Where these are from, for messages.
        rows: Of the file, the first one in its second line.
        column: That holds the weights.
    """
    lines = file_io.numbered(rows)
    values = [_weight(file, line, row, column) for line, row in lines]
    weight = np.array(values)
    none = np.flatnonzero(weight == 0)
    if len(none) == len(weight):
        raise UserError(
            f"{source.name}: every row has the weight 0 in the column {column!r}, so "
            "nothing is left. Give some a positive number."
        )
    if len(none):
        console.warn_once(
            f"{source.name}: {len(none)} of {len(weight)} rows have the weight 0 and "
            f"are left out, e.g. {source.ids[none[0]]}"
        )
        gone = frozenset(source.ids[i] for i in none.tolist())
        left = np.flatnonzero(weight)
        source = dataclasses.replace(source.take(left), dropped=source.dropped | gone)
        weight = weight[left]
    if (weight == 1).all():
        return source
    return dataclasses.replace(source, weight=tuple(weight.tolist()))
