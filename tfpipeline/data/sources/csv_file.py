"""A CSV file of path and label as a source."""

from collections.abc import Sequence
from pathlib import Path

from tfpipeline.core import file_io, image_formats
from tfpipeline.core.errors import UserError, suggest
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
) -> Source:
    """Return the examples of a CSV file."""
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
    for flag, column in (("path", path_column), ("label", label_column)):
        if column not in rows[0] and any(";" in name for name in rows[0]):
            raise UserError(
                f"{file}: expected values between commas, found semicolons in its "
                "first line. Save it with commas."
            )
        if column not in rows[0]:
            raise UserError(
                f"{file}: expected a column {column!r}, found "
                f"{', '.join(rows[0])}.{suggest(column, rows[0])} Rename it, or say "
                f"--data.{flag}_column NAME."
            )
    for line, row in enumerate(rows, 2):
        if not row[label_column]:
            raise UserError(f"{file}: line {line} has no {label_column}.")
        if row.get("split", "").lower() not in ("", *SPLIT_NAMES):
            raise UserError(
                f"{file}: line {line}: expected a split of {', '.join(SPLITS)}, or "
                f"none. Received: {row['split']!r}."
            )
    if labels is None:
        labels = sorted({row[label_column] for row in rows})
    check_labels(str(file), labels, lambda: "no label")
    index = {name: i for i, name in enumerate(labels)}
    examples = [
        (
            file.parent / row[path_column],
            row.get("id") or row[path_column],
            index[row[label_column]],
            SPLIT_NAMES.get(row.get("split", "").lower(), ""),
        )
        for row in rows
    ]
    return from_rows(str(file), labels, examples)
