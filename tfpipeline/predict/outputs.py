"""What `predict` writes: a table for a terminal, CSV, JSON lines, a contact sheet."""

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tfpipeline.core import console, disk, file_io, remote, result_dir, text_table
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.predict import target_rows

Rows = Sequence[Mapping[str, Any]]

# Rows of a model that tells strange images have three columns more.
HEADER = (
    *("id", "label", "probability", "accepted", "accepted_reason", "top_k", "error"),
)

# Of a first line, which names one file and some classes.
_MOST_BYTES = 2**16

_ACCEPTED = {True: "yes", False: "no", None: "?"}


class _Kind(NamedTuple):
    """How rows are written into a file, and how such a file is known again."""

    write: Callable[[Path, Rows, str, Ranges | None], None]
    is_own: Callable[[Path], bool]


def check(output: str | None) -> Path | None:
    """Return the file of `--output`, if predictions may be written there.

    Raises:
        UserError: Its ending is of no known kind, or another file stands there.
    """
    if output is None:
        return None
    remote.check_local("--output", output)
    file = Path(output)
    if file.suffix.lower() not in _KINDS:
        raise UserError(
            f"--output {output}: expected a name in .csv, .jsonl or .html, or a folder "
            f"for shards, without an ending. Received: {file.suffix}."
        )
    result_dir.check_file("--output", file, _KINDS[file.suffix.lower()].is_own)
    file_io.check_writable(file.parent)
    return file


def write(file: Path, rows: Rows, model: str, ranges: Ranges | None = None) -> None:
    """Write the predictions of a model into a file, of the kind that its name says.

    A page shows deep pictures by the model's `ranges`, where they are known.
    """
    _KINDS[file.suffix.lower()].write(file, rows, model, ranges)


def show(rows: Rows) -> None:
    """Print predictions to stdout: a table where that is a terminal, else CSV."""
    if console.is_terminal():
        console.product(table(rows, text_table.terminal_width()))
        return
    text = io.StringIO()
    file_io.write_rows(text, [_header(rows), *cells(rows)])
    console.product(text.getvalue())


def table(rows: Rows, most: int) -> str:
    """Return predictions as a table of at most so many columns of a terminal.

    A file without an answer has the reason in its row. Where names are long, the folder
    that all files are in is said once, above the table.
    """
    more = ("known",) if rows and "known" in rows[0] else ()
    header = target_rows.table_header(rows) or (
        *("file", "class", "probability", "second", "accepted"),
    )
    header = (*header, *more)
    names, above = [str(row["id"]) for row in rows], ""
    if max(map(len, names)) > most // 4 and (folder := _common_folder(names)):
        names = [os.path.relpath(name, folder) for name in names]
        above = f"{text_table.shorten(text_table.printable(f'in {folder}'), most)}\n"
    lines = [
        ((name, row["error"]) if row["error"] else (name, *_answer(row)))
        for name, row in zip(names, rows)
    ]
    right = ("probability", "value")
    return above + text_table.table(header, lines, most, right=right)


def _common_folder(names: Sequence[str]) -> str:
    """Return the folder that all files are in; nothing where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(name) for name in names])
    except ValueError:  # Of some the whole path is known, of others not.
        return ""


def _answer(row: Mapping[str, Any]) -> tuple[str, ...]:
    words = [_ACCEPTED[row[key]] for key in ("accepted", "known") if key in row]
    if own := target_rows.words(row):
        return (*own, *words)
    second = [f"{label} {share:.3f}" for label, share in row["top_k"][1:2]]
    return row["label"], f"{row['probability']:.3f}", "".join(second), *words


def counts(rows: Rows) -> dict[str, Any]:
    """Return what the closing words count, from one look at each row."""
    bad: list[dict[str, Any]] = []
    accepts: Counter[object] = Counter()
    known: Counter[object] = Counter()
    why: tuple[dict[str, None], dict[str, None]] = {}, {}
    for row in rows:
        if row["error"]:
            bad.append({"id": row["id"], "error": row["error"]})
        else:
            accepts[row.get("accepted")] += 1
            known[row.get("known")] += 1
        for kept, name in zip(why, ("accepted_reason", "known_reason")):
            if reason := row.get(name):
                kept[reason] = None
    return {
        **{"bad": bad, "images": len(rows), "accepts": accepts, "known": known},
        **{"unknown": list(why[0]), "known_reasons": list(why[1])},
    }


def _header(rows: Rows) -> list[str]:
    return target_rows.header(rows) or (list(rows[0]) if rows else [*HEADER])


def cells(rows: Rows) -> Iterator[list[Any]]:
    """Yield the cells of each row of a CSV."""
    if target_rows.header(rows):
        yield from target_rows.cells(rows)
        return
    for row in rows:
        yield [
            json.dumps(v, ensure_ascii=False) if isinstance(v, bool | list) else v
            for v in row.values()
        ]


def _write_csv(file: Path, rows: Rows, *_: object) -> None:
    with _replacing(file) as text:
        file_io.write_rows(text, [_header(rows)])
        file_io.write_rows(text, cells(rows))


def _write_lines(file: Path, rows: Rows, *_: object) -> None:
    with _replacing(file) as text:
        text.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


@contextlib.contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """Write a file of any length whole or not at all."""
    how: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        with open(temporary, "w", newline="", **how) as text:
            yield text


def _write_page(file: Path, rows: Rows, model: str, ranges: Ranges | None) -> None:
    from tfpipeline.predict import contact_sheet

    contact_sheet.write(file, rows, model, ranges)


def _is_own_csv(file: Path) -> bool:
    first = _first_line(file)
    return not first or _is_header(first.decode("utf-8", "replace"))


def _is_own_lines(file: Path) -> bool:
    first = _first_line(file)
    try:
        return not first or _is_header(",".join(json.loads(first)))
    except (ValueError, TypeError):
        return False


def _first_line(file: Path) -> bytes:
    with open(file, "rb") as lines:
        return lines.readline(_MOST_BYTES)


def _is_header(text: str) -> bool:
    """Tell whether these are the columns of predictions, of any version."""
    names = text.strip().split(",")
    if target_rows.is_header(names):
        return True
    return names[:3] == [*HEADER[:3]] and names[-2:] == [*HEADER[-2:]]


_KINDS = {
    ".csv": _Kind(_write_csv, _is_own_csv),
    ".jsonl": _Kind(_write_lines, _is_own_lines),
    ".html": _Kind(_write_page, result_dir.is_stamped),
}
