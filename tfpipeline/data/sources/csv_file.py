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


def open_csv(
    file: Path,
    path_column: str = "path",
    label_column: str = "label",
    labels: Sequence[str] | None = None,
) -> Source:
    """Return the examples of a CSV file."""
    with open(file, "rb") as opened:
        start = opened.read(32)
    if kind := image_formats.sniff(start):
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
    found = sorted({row[label_column] for row in rows})
    if "" in found:
        line = next(i for i, row in enumerate(rows, 2) if not row[label_column])
        raise UserError(f"{file}: line {line} has no {label_column}.")
    names = tuple(labels) if labels is not None else tuple(found)
    check_labels(str(file), names, lambda: "no label")
    index = {name: i for i, name in enumerate(names)}
    return from_rows(
        str(file),
        names,
        [
            (
                file.parent / row[path_column],
                row.get("id") or row[path_column],
                index[row[label_column]],
                _split_name(file, line, row.get("split", "")),
            )
            for line, row in enumerate(rows, 2)
        ],
    )


def _split_name(file: Path, line: int, name: str) -> str:
    if name == "":
        return ""
    if name.lower() not in SPLIT_NAMES:
        raise UserError(
            f"{file}: line {line}: expected a split of {', '.join(SPLITS)}, or none. "
            f"Received: {name!r}."
        )
    return SPLIT_NAMES[name.lower()]
