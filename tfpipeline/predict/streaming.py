"""Rows of any number of pictures: written to the disk as they come, read from there."""

import itertools
import json
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, overload

from tfpipeline.core import console, disk, progress
from tfpipeline.core.errors import UserError
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import pictures as sources
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.predict import batching, target_rows
from tfpipeline.report import second_process

# Pictures whose rows are made together: a multiple of every usual batch size, so that
# no batch has other pictures than if all were one; and too few for processes that look
# at files to be started again and again.
TOGETHER = 2048

# Of so many rows, the place of one is kept in memory.
_STEP = 1024

# Columns of a model that tells strange images stand before the first of these.
_STRANGE, _BEFORE = target_rows.STRANGE, ("top_k", "error")

# From so many pictures on, what answers is opened while they are audited.
_MANY = 128

# From pictures, and what the audit says of them, to a row each.
Rows = Callable[[Sequence[Picture], Sequence[Any]], list[dict[str, Any]]]


class Table(Sequence[dict[str, Any]]):
    """Rows in a temporary file without a name, which ends with the process.

    Args:
        folder: On whose disk it lies; None for the system's own place.
    """

    def __init__(self, folder: Path | None = None) -> None:
        while folder is not None and not folder.is_dir():
            folder = folder.absolute().parent
        self._folder = folder
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)
        weakref.finalize(self, self._file.close)
        self._count, self._places, self._tells = 0, list[int](), False
        # A row of several labels or of a number, whose keys all others have.
        self._kind: Mapping[str, Any] | None = None

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows behind the others."""
        self._file.seek(0, 2)
        self._tells |= any(_STRANGE[0] in row for row in rows)
        if self._kind is None and target_rows.header(rows[:1]):
            self._kind = rows[0]
        with disk.naming(self._folder or Path(tempfile.gettempdir())):
            for row in rows:
                if self._count % _STEP == 0:
                    self._places.append(self._file.tell())
                self._file.write(f"{json.dumps(row)}\n".encode())
                self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._from(0)

    def _from(self, first: int) -> Iterator[dict[str, Any]]:
        if first >= self._count:
            return
        place = self._places[first // _STEP]
        skipped = first % _STEP
        while True:
            # Others may read meanwhile.
            self._file.seek(place)
            lines = list(itertools.islice(self._file, _STEP))
            place = self._file.tell()
            for line in lines[skipped:]:
                yield self._whole(json.loads(line))
            skipped = 0
            if len(lines) < _STEP:
                return

    def _whole(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with the columns of all: another one may tell more."""
        if self._kind is not None and not target_rows.header([row]):
            row = target_rows.without(self._kind, row["id"], row["error"])
        if not self._tells or _STRANGE[0] in row:
            return row
        whole: dict[str, Any] = {}
        before = next(name for name in _BEFORE if name in row)
        for name, value in row.items():
            if name == before:
                whole |= dict.fromkeys(_STRANGE)
            whole[name] = value
        return whole

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            chosen = range(self._count)[place]
            return [self[number] for number in chosen]
        return next(self._from(range(self._count)[place]))


def rows(
    pictures: Iterator[Picture],
    rows_of: Rows,
    max_pixels: int,
    folder: Path | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> tuple[Sequence[dict[str, Any]], BaseException | None]:
    """Return a row a picture, in order; of many, a `Table`.

    Args:
        pictures: Any number of them.
        rows_of: Makes the rows of some.
        max_pixels: Height times width of a picture, at most.
        folder: On whose disk the rows of many lie.
        meanwhile: Is called while the first of many pictures are audited.

    Returns:
        The rows, and why some have no answer where a server went away.

    Raises:
        UserError: There is no picture, or not one was answered.
    """
    many = sources.parts(pictures, TOGETHER)
    first = next(many, None)
    if first is None:
        raise sources.nothing()
    table, stopped = _answered(first, rows_of, max_pixels, meanwhile)
    try:
        second = next(many, None)
    except (UserError, OSError, KeyboardInterrupt) as error:
        return table, stopped or error
    if second is None:
        return table, stopped
    spool = Table(folder)
    spool.add(table)
    part: list[Picture] | None = second
    while part is not None:
        if stopped is None:
            try:
                table, stopped = _answered(part, rows_of, max_pixels)
            except (UserError, KeyboardInterrupt) as error:
                # What was answered before is kept.
                table, stopped = _unasked(part, error), error
        else:
            table = _unasked(part, stopped)
        spool.add(table)
        try:
            part = next(many, None)
        except (UserError, OSError, KeyboardInterrupt) as error:
            # Those behind are not known, for whom there is no row.
            return spool, stopped or error
    return spool, stopped


def _answered(
    part: Sequence[Picture],
    rows_of: Rows,
    max_pixels: int,
    meanwhile: Callable[[], object] | None = None,
) -> tuple[list[dict[str, Any]], BaseException | None]:
    if meanwhile is None or len(part) < _MANY:
        files = sources.audit(part, max_pixels)
    else:
        files = _audited_beside(part, max_pixels, meanwhile)
    try:
        return rows_of(part, files), None
    except batching.Incomplete as error:
        return error.results, error.cause


def _audited_beside(
    part: Sequence[Picture], max_pixels: int, meanwhile: Callable[[], object]
) -> list[Row]:
    """Audit in a second process, where there is one; threads would be no quicker."""
    with second_process.started():
        if not second_process.is_there():
            return sources.audit(part, max_pixels)
        audited = second_process.call(_audit, part, max_pixels)
        meanwhile()
        with progress.waiting("audit"):
            return audited()


def _audit(part: Sequence[Picture], max_pixels: int) -> list[Row]:
    with console.set_mode(quiet=True):
        return sources.audit(part, max_pixels)


def _unasked(part: Sequence[Picture], cause: BaseException) -> list[dict[str, Any]]:
    from tfpipeline.predict import answers

    why = f"{batching.NOT_ASKED}: " + (str(cause) or "interrupted")
    return [answers.without(picture.id, why) for picture in part]
