"""Files that are written whole or not at all, and read back."""

import contextlib
import csv
import io
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, TypeVar

from tfpipeline.core import disk
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place

# Is given the temporary file and the name that it is about to take, and may refuse.
_Guard = Callable[[Path, Path], None]
_RowT = TypeVar("_RowT", bound=Mapping[str, str])
guard: ContextVar[_Guard | None] = ContextVar("guard", default=None)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when all went well.

    Readers see the old file or the new one, never a part, also after a power cut. After
    an error, Ctrl-C or a full disk the temporary file is removed and the old file still
    stands.

    Durable, it is on the disk before it gets its name. Only what carries a digest, or
    is synced with its folder later, can do without.
    """
    temporary = disk.temporary_name(path)
    with disk.telling(path, temporary), contextlib.ExitStack() as stack:
        stack.callback(_remove, temporary)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if (ask := guard.get()) is not None:
            ask(temporary, path)
        if durable:
            disk.sync(temporary)
        os.replace(temporary, path)
        if durable:
            disk.sync(path.parent)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()


def write_bytes(
    path: Path | Place, data: bytes | memoryview, *, durable: bool = True
) -> None:
    """Write a file whole or not at all; for `durable` see `replacing`."""
    if isinstance(path, Place):
        path.write_bytes(data)
        return
    with replacing(path, durable=durable) as temporary, disk.naming(temporary):
        temporary.write_bytes(data)


def write_text(path: Path | Place, text: str, *, durable: bool = True) -> None:
    """Write a text file whole or not at all; for `durable` see `replacing`."""
    # A file name that is no UTF-8 reaches us with surrogates and leaves with them.
    write_bytes(path, text.encode("utf-8", "surrogateescape"), durable=durable)


def write_lines(path: Path | Place, lines: Iterable[str]) -> None:
    """Write lines, without their ends and with none inside, whole or not at all."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_lines(path: Path | Place) -> list[str]:
    """Return the lines that `write_lines` wrote: only a line feed ends one."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    return text.split("\n")[:-1]


def write_json(path: Path | Place, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all; NaN becomes null."""
    write_text(path, as_json(value))


def as_json(value: Any, *, ascii_only: bool = False) -> str:
    """Return a value as indented JSON with a line feed at its end; NaN becomes null."""
    plain = _finite(value)
    text = json.dumps(plain, indent=2, ensure_ascii=ascii_only, allow_nan=False)
    return f"{text}\n"


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not know, by None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a CSV file whole or not at all."""
    # In memory first: rows that are made of files as they are read may fail to. As
    # bytes: a text that is written to takes four of them a letter.
    content = io.BytesIO()
    text = io.TextIOWrapper(content, "utf-8", "surrogateescape", newline="")
    write_rows(text, itertools.chain([header], rows))
    text.flush()
    write_bytes(path, content.getbuffer())


class Row(dict[str, str]):
    """The values of a row of a table, and the line in which it begins, from 1."""

    def __init__(self, values: dict[str, str], line: int) -> None:
        super().__init__(values)
        self.line = line


def numbered(rows: Iterable[_RowT]) -> Iterator[tuple[int, _RowT]]:
    """Yield rows of a table, each behind the line in which it begins.

    Empty lines are no rows, and a value in quotes may have several lines. Rows that are
    from no file are counted, below a header.
    """
    for place, row in enumerate(rows, 2):
        yield row.line if isinstance(row, Row) else place, row


def write_rows(file: IO[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows of a CSV into an open file, such that every reader finds them again.

    Before Python 3.13, `csv` leaves a carriage return without quotes, where a line
    ends for readers.
    """
    plain = csv.writer(file, lineterminator="\n")
    quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        ends = any("\r" in cell for cell in row if isinstance(cell, str))
        (quoted if ends else plain).writerow(row)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, every value a string; `numbered` has lines."""
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        _, *rows = csv_rows(path, file)
        return [row for _, row in rows]


def csv_rows(path: Path | str, file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of the last line of each row, and the row.

    The first is of number 0, and has the names of the columns.
    """
    reader = csv.DictReader(file)
    try:
        _check_header(path, reader.fieldnames or ())
        yield 0, {name: name for name in reader.fieldnames or ()}
        for row in reader:
            yield reader.line_num, _cells(path, reader, row)
    except csv.Error as error:
        raise UserError(
            f"{path}: expected a CSV file, but {error}. Is a closing quote missing?"
        ) from None


def _check_header(path: Path | str, names: Sequence[str]) -> None:
    """Refuse a first line that is no UTF-8 text, or names a column twice."""
    if any("\0" in name for name in names):
        raise UserError(
            f"{path}: expected text in UTF-8, found UTF-16 or binary data. Save it as "
            '"CSV UTF-8".'
        )
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise UserError(
            f"{path}: its first line names the column {twice[0]!r} twice. Rename one "
            "of them."
        )


def _cells(path: Path | str, reader: Any, row: dict[Any, Any]) -> dict[str, str]:
    """Return a row of a table; refuse one with more values than the header."""
    if any(more := row.pop(None, [])):
        raise UserError(
            f"{path}: line {reader.line_num} has more values than the first line has "
            f"names: the first line has no name for {', '.join(more)}. Put a value "
            f"with a comma in it "
            'in quotes: "great white shark, white shark".'
        )
    values = {key: value or "" for key, value in row.items()}
    # The reader stands at the last line of the row.
    within = sum(value.count("\n") for value in values.values())
    return Row(values, reader.line_num - within)


def check_writable(folder: Path) -> None:
    """Refuse a folder, which may not exist yet, that cannot be written into."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(f"{folder}: expected a folder, but {nearest} is a file.")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write into {nearest}: {error.strerror}. Choose another "
            "folder, or free some space there."
        ) from None
