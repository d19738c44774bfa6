"""What is learned of each example that is no single class: several, shares, a number.

A CSV has it in the column of labels (`cat|dog`, `3.5`) or in one column a class. A
folder of class folders has several labels where a picture lies in several of them.
"""

import dataclasses
import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings
from tfpipeline.core import console, file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import csv_file
from tfpipeline.data.sources.base import BETWEEN, NO_LABEL, RESERVED, Source
from tfpipeline.data.sources.class_values import strata

COLUMNS = "--data.label_columns"

# Columns that mean something else in a CSV of examples.
_RESERVED = ("id", "path", "label", "split", "sha256", "group", "weight", "fold")

# By how much the shares of a row may miss 1: they are written with few digits.
_ROUNDING = 1e-3

# Of float32, in which numbers are learned.
_MOST = float(np.finfo(np.float32).max)

# Of the standard deviation: what is lost of a number may be so much.
_LOST = 1e-3

# Between labels in files of other programs.
_OTHERS = ",;"

_YES_NO = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "true": 1.0, "false": 0.0}

Rows = Sequence[Mapping[str, str]]


def with_values(source: Source, target: str, values: np.ndarray) -> Source:
    """Return a source whose examples have values, and the strata that these make."""
    if target == targets.MULTI and NO_LABEL in source.labels:
        raise UserError(
            f"{source.name}: {NO_LABEL!r} cannot be a class name with {targets.FLAG} "
            "multi: images without a label are called so. Leave their labels empty, "
            "or rename the class."
        )
    taken = sorted(set(source.labels) & set(RESERVED))
    if target == targets.MULTI and taken:
        raise UserError(
            f"{source.name}: expected no class with the name of a column of "
            f"predictions.csv, which has one for each class. Received: {taken[0]!r}. "
            f"Rename it in the source, such as {taken[0]!r} to 'a {taken[0]}'."
        )
    values = np.asarray(values, np.float32)
    label = strata(target, values)
    return dataclasses.replace(source, target=target, values=values, label=label)


def open_csv(file: Path, settings: DataSettings, weight_column: str | None) -> Source:
    """Return the examples of a CSV file whose target is not a single class."""
    target, labels = str(settings.target), tuple[str, ...]()
    if settings.label_columns is not None:
        names = _names(settings.label_columns)
        if target == targets.NUMBER:
            raise targets.undefined(
                *(target, COLUMNS), "A number is in one column: --data.label_column."
            )
        columns = dict[str, str]()
    else:
        if target == targets.SOFT:
            raise UserError(
                f"{targets.FLAG} soft: expected the columns that hold the share of "
                f"each class. Received none. Say {COLUMNS} NAME,NAME."
            )
        names, columns = (), {"label": settings.label_column}
    columns = {"path": settings.path_column, **columns}
    more = {"group": settings.group_column, "weight": weight_column}
    columns |= {flag: column for flag, column in more.items() if column is not None}
    rows = csv_file.read_rows(file, columns, names)
    csv_file.check_filled(file, rows, [settings.path_column])
    if target == targets.NUMBER:
        labels, values = (settings.label_column,), _numbers(file, rows, settings)
    elif not names:
        labels, values = _several(file, rows, settings.label_column)
    else:
        labels, values = names, _READERS[target](file, rows, names, settings)
    given = file, rows, settings.path_column, labels, [0] * len(rows)
    source = with_values(csv_file.of_rows(*given), target, values)
    own = settings.group_column, weight_column
    return csv_file.with_columns(source, file, rows, own)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    wrong = [name for name in names if name in _RESERVED or BETWEEN in name]
    if wrong or not names or len(set(names)) < len(names):
        raise UserError(
            f"{COLUMNS}: expected the names of columns, one a class, between commas; "
            f"none of them twice, with a {BETWEEN!r}, or called "
            f"{', '.join(_RESERVED)}. Received: {text!r}."
        )
    return names


def _number(text: str) -> float | None:
    """Return a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    if "_" in text:  # Python's own way to write 1_000.
        return None
    # NaN is not within anything.
    return value if abs(value) <= _MOST else None


def _numbers(file: Path, rows: Rows, settings: DataSettings) -> np.ndarray:
    column, found = settings.label_column, list[float]()
    for line, row in file_io.numbered(rows):
        value = _number(row[column])
        if value is None:
            raise UserError(
                f"{file}: line {line}: expected a finite number in the column "
                f"{column!r}. Received: {row[column]!r}. Mend it, or remove the row."
            )
        found.append(value)
    numbers = np.array(found)
    _check_digits(file, rows, column, numbers)
    return numbers.astype(np.float32)[:, None]


def _check_digits(file: Path, rows: Rows, column: str, numbers: np.ndarray) -> None:
    """Refuse numbers that differ by little of what they are: float32 loses that."""
    if np.ptp(numbers) <= 1e-12 * np.abs(numbers).max():
        return  # All are equal.
    lost = np.abs(numbers.astype(np.float32) - numbers)
    worst = int(lost.argmax())
    if lost[worst] <= _LOST * numbers.std():
        return
    line, row = list(file_io.numbered(rows))[worst]
    raise UserError(
        f"{file}: line {line}: expected numbers of which float32, with its seven "
        f"digits, keeps the differences. Received: {row[column]} in the column "
        f"{column!r}, which becomes {np.float32(numbers[worst]):.9g}, where the "
        f"standard deviation of all is {numbers.std():.3g}. Subtract a number such as "
        f"{numbers.min():.9g} from all of them."
    )


def _several(file: Path, rows: Rows, column: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names and values of labels that stand in one column, as `a|b`."""
    found = [
        [name.strip() for name in row[column].split(BETWEEN) if name.strip()]
        for row in rows
    ]
    labels = tuple(sorted({name for names in found for name in names}))
    if not labels:
        raise UserError(
            f"{file}: expected labels, such as a{BETWEEN}b, in the column {column!r}, "
            "but it is empty in every row. Fill it in, or say --data.label_column "
            "NAME, or --data.label_columns NAME,NAME for columns of 0 and 1."
        )
    _warn_of_commas(file, [row[column] for row in rows], labels)
    index = {name: place for place, name in enumerate(labels)}
    values = np.zeros((len(rows), len(labels)), np.float32)
    for place, names in enumerate(found):
        values[place, [index[name] for name in names]] = 1
    return labels, values


def _warn_of_commas(file: Path, cells: Sequence[str], labels: Sequence[str]) -> None:
    """Say that a cell has one label where other programs would write several."""
    parted = {
        text: [part.strip() for part in re.split(f"[{_OTHERS}]", text)]
        for text in cells
        if any(sign in text for sign in _OTHERS)
    }
    if not parted or any(BETWEEN in text for text in cells):
        return
    first, count = next(iter(parted)), sum(text in parted for text in cells)
    if count > 1 or set(parted[first]) & set(labels):
        console.warn_once(
            f"{file}: labels stand between {BETWEEN}, so that {first!r} ({count} "
            f"{'row has' if count == 1 else 'rows have'} such) is one class. Where it "
            f"is several, write {BETWEEN.join(parted[first])}"
        )


def _yes_or_no(
    file: Path, rows: Rows, names: Sequence[str], settings: DataSettings
) -> np.ndarray:
    values = np.zeros((len(rows), len(names)), np.float32)
    for place, (line, row) in enumerate(file_io.numbered(rows)):
        for k, name in enumerate(names):
            value = _YES_NO.get(row[name].strip().lower())
            if value is None:
                raise UserError(
                    f"{file}: line {line}: expected 0 or 1 in the column "
                    f"{name!r}. Received: {row[name]!r}. For shares, say "
                    f"{targets.FLAG} soft."
                )
            values[place, k] = value
    return values


def _shares(
    file: Path, rows: Rows, names: Sequence[str], settings: DataSettings
) -> np.ndarray:
    counts, values = settings.annotator_counts, np.zeros((len(rows), len(names)))
    kind = "a number of annotators" if counts else "a share"
    for place, (line, row) in enumerate(file_io.numbered(rows)):
        where = f"{file}: line {line}: expected"
        own = [_number(row[name]) for name in names]
        shown = ", ".join(row[name] for name in names[:8])
        for name, value in zip(names, own):
            if value is None or value < 0:
                raise UserError(
                    f"{where} {kind}, 0 or more, in the column {name!r}. Received: "
                    f"{row[name]!r}. Mend it, or remove the row."
                )
        sums = math.fsum(value for value in own if value is not None)
        fits = sums > 0 if counts else abs(sums - 1) <= _ROUNDING
        if not fits:
            words = f"shares with the sum 1 and not {sums:g}"
            advice = " If they count annotators, say --data.annotator_counts true."
            if counts:
                words = "how many annotators chose each class, not all 0"
                advice = " Mend it, or remove the row."
            raise UserError(f"{where} {words}. Received: {shown}.{advice}")
        values[place] = np.array(own, np.float64) / sums
    return values.astype(np.float32)


_READERS: dict[str, Callable[[Path, Rows, Sequence[str], DataSettings], np.ndarray]] = {
    targets.MULTI: _yes_or_no,
    targets.SOFT: _shares,
}


def merge_folders(source: Source) -> Source:
    """Return a source of class folders in which a picture is one example.

    What lies in the folders of several classes, as a copy or a link, has their labels.
    Of its copies the first stays; splits are not merged.
    """
    values = np.zeros((len(source), len(source.labels)), np.float32)
    values[np.arange(len(source)), source.label] = 1
    keep = np.ones(len(source), bool)
    for group in _equal(source):
        if (kinds := np.unique(source.label[group])).size > 1:
            values[group[0], kinds] = 1
            keep[group[1:]] = False
    left = np.flatnonzero(keep)
    return with_values(source.take(left), targets.MULTI, values[left])


def _equal(source: Source) -> Iterable[list[int]]:
    """Yield the places of files of one split with the same content, ascending."""
    by_size: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, (path, split) in enumerate(zip(source.paths, source.split)):
        by_size[split, _size(path)].append(place)
    for (_, size), places in by_size.items():
        if len(places) == 1 or size < 0:
            continue
        groups: dict[str, list[int]] = defaultdict(list)
        real: dict[str, str] = {}
        for place in places:
            name = os.path.realpath(source.paths[place])
            if name not in real:
                real[name] = _digest(Path(name))
            groups[real[name]].append(place)
        yield from (group for group in groups.values() if len(group) > 1)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # The audit says what is wrong with it.


def _digest(path: Path) -> str:
    try:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        return digest.hexdigest()
    except OSError:
        return f"unread {path}"
