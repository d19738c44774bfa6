"""A CSV file of path and label as a source."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

from tfpipeline.core import file_io, image_formats, remote
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources import weights
from tfpipeline.data.sources.base import (
    SPLIT_NAMES,
    SPLITS,
    Source,
    check_labels,
    from_rows,
)


def read_table(
    flag: str, file: Path, columns: Sequence[str], optional: str = "", *, like: str
) -> list[dict[str, str]]:
    """Return the rows of a CSV file that a run has written, and a flag names."""
    try:
        rows = file_io.read_csv(file)
    except OSError as error:
        raise UserError(f"{flag} {file}: {error.strerror}.") from None
    if not rows or not set(columns) <= set(rows[0]):
        names = ", ".join(filter(None, (*columns, optional)))
        raise UserError(
            f"{flag} {file}: expected a CSV with the columns {names}, as {like} of a "
            "run has them."
        )
    return rows


def open_csv(
    file: Path,
    path_column: str = "path",
    label_column: str = "label",
    labels: Sequence[str] | None = None,
    group_column: str | None = None,
    weight_column: str | None = None,
) -> Source:
    """Return the examples of a CSV file; those of weight 0 are left out."""
    columns = {"path": path_column, "label": label_column}
    more = {"group": group_column, "weight": weight_column}
    columns |= {flag: column for flag, column in more.items() if column is not None}
    rows = read_rows(file, columns)
    check_filled(file, rows, (path_column, label_column))
    if labels is None:
        labels = sorted({row[label_column] for row in rows})
    check_labels(str(file), labels, lambda: "no label")
    index = {name: i for i, name in enumerate(labels)}
    label = [index[row[label_column]] for row in rows]
    source = of_rows(file, rows, path_column, labels, label)
    return with_columns(source, file, rows, (group_column, weight_column))


def read_rows(
    file: Path, columns: Mapping[str, str], listed: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has the columns.

    Args:
        file: The CSV.
        columns: By the flag that names each: `path` of `--data.path_column`.
        listed: Columns that `--data.label_columns` names.
    """
    with open(file, "rb") as opened:
        kind = image_formats.sniff(opened.read(32))
    if kind is not None:
        raise UserError(
            f"{file}: expected a folder of class folders or a CSV file, found a "
            f"picture ({kind})."
        )
    try:
        rows = file_io.read_csv(file)
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{file}: expected a CSV file, but {error}.") from None
    if not rows:
        raise UserError(f"{file}: expected a header and rows, found no row.")
    named = [(f"{flag}_column NAME", column) for flag, column in columns.items()]
    named += [("label_columns NAME,NAME", column) for column in listed]
    for flag, column in named:
        first = "".join(rows[0])
        if column not in rows[0] and (";" in first or "\t" in first):
            found = "semicolons" if ";" in first else "tabs"
            raise UserError(
                f"{file}: expected values between commas, found {found} in its first "
                "line. Save it with commas."
            )
        if column not in rows[0]:
            raise UserError(
                f"{file}: expected a column {column!r}, found "
                f"{', '.join(rows[0])}.{suggest(column, rows[0])} The first line has "
                f"to name the columns: rename it, or say --data.{flag}."
            )
    return rows


def check_filled(
    file: Path, rows: Sequence[dict[str, str]], columns: Sequence[str]
) -> None:
    """Refuse rows without a value in some columns, or with a split of no known name."""
    for line, row in file_io.numbered(rows):
        for column in columns:
            if not row[column]:
                raise UserError(f"{file}: line {line} has no {column}.")
        if row.get("split", "").lower() not in ("", *SPLIT_NAMES):
            raise UserError(
                f"{file}: line {line}: expected a split of {', '.join(SPLITS)}, or "
                f"none. Received: {row['split']!r}."
            )


def of_rows(
    file: Path,
    rows: Sequence[dict[str, str]],
    path_column: str,
    labels: Sequence[str],
    label: Sequence[int],
) -> Source:
    """Return the examples of the rows of a file; `label` has an index for each."""
    examples = []
    for (line, row), index in zip(file_io.numbered(rows), label):
        path = _local(file, line, row[path_column])
        split = SPLIT_NAMES.get(row.get("split", "").lower(), "")
        place = Path(path) if remote.is_remote(path) else file.parent / path
        examples.append((place, row.get("id") or remote.shown(path), index, split))
    return from_rows(str(file), labels, examples)


def with_columns(
    source: Source,
    file: Path,
    rows: Sequence[dict[str, str]],
    columns: tuple[str | None, str | None],
) -> Source:
    """Return a source with what its columns of groups and of weights say."""
    group_column, weight_column = columns
    if group_column is not None:
        group = tuple(row[group_column].strip() for row in rows)
        source = dataclasses.replace(source, group=group)
    if weight_column is None:
        return source
    return weights.weighed(source, file, rows, weight_column)


def _local(file: Path, line: int, path: str) -> str:
    r"""Return a path as it is here, where Windows wrote `images\cats\1.jpg`."""
    windows = PureWindowsPath(path)
    if remote.is_remote(path):
        if remote.url(Path(path)) != path:
            raise UserError(
                f"{file}: line {line}: expected a URL with a host, or of files here, "
                f"and without empty parts. Received: {remote.shown(path)}. Write one "
                "slash between two names; hdfs://HOST:PORT/..., file:///..."
            )
        return path
    # Here, a backslash and a colon may be part of a name as well.
    if not ("\\" in path or windows.drive) or (file.parent / path).exists():
        return path
    if windows.drive or windows.root:
        raise UserError(
            f"{file}: line {line}: {path} is a path of another computer, one with "
            f"Windows. Write paths as they are from the folder of the CSV on, "
            f"{file.absolute().parent}, e.g. {'/'.join(windows.parts[-2:])}."
        )
    return windows.as_posix()
