"""One file of what is in all shards, read and written shard by shard."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import disk, file_io, progress, stores
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place
from tfpipeline.shards import parquet, work
from tfpipeline.shards.plan import Plan

_ROW = "row"

# Of a first line, which names some columns.
_MOST_BYTES = 2**16


def write(plan: Plan, file: Path | Place) -> None:
    """Write the rows of all shards into a CSV, or their vectors into a `.npy`.

    Of shards in Parquet, rows with their vectors go into one file of that kind.

    Raises:
        UserError: A shard has been changed since it was written.
    """
    ways = {".npy": _write_vectors, ".csv": _write_rows, ".parquet": _write_parquet}
    join = ways[file.suffix.lower()]
    if isinstance(file, Place):
        with stores.replacing(file) as temporary:
            join(plan, temporary)
        return
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        join(plan, temporary)


def tables(plan: Plan, title: str = "merge") -> Iterator[tuple[list[str], Any]]:
    """Yield the header and the rows of each shard, once its checksum is right.

    Raises:
        UserError: A shard has been changed since it was written.
    """
    for _, data in _whole(plan, "csv", title):
        yield _table(data)


def _table(data: bytes) -> tuple[list[str], Any]:
    text = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    rows = csv.reader(text)
    return next(rows), rows


def _whole(
    plan: Plan, ending: str, title: str = "merge"
) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Yield what each shard says of itself, and its file, after its checksum."""
    for done in progress.over(work.finished(plan), title, "shard", plan.shards):
        file = plan.file(done["shard"], ending)
        if ending not in done["sha256"]:
            there = ", ".join(f".{name}" for name in done["sha256"])
            raise UserError(
                f"--output: expected a name in one of {there}, which {plan.folder} "
                f"has. Received: .{ending}."
            )
        (data,) = stores.contents([file])
        if data is None or _digest(data) != done["sha256"][ending]:
            what = "is missing" if data is None else "was changed since it was written"
            raise UserError(
                f"{file}: it {what}. Remove "
                f"{plan.done(done['shard']).name} beside it, and give the command that "
                "writes the shards again."
            )
        yield done, data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_own(plan: Plan, file: Path | Place) -> bool:
    """Tell whether a file is what `write` made, of these shards or of such as these."""
    ending = file.suffix.lower().removeprefix(".")
    if ending == parquet.ENDING:
        return parquet.is_own(file)
    if ending == "npy":
        text = _header(plan)
        with stores.opened(file) as content:
            return content.read(len(text)) == text
    done = next(work.finished(plan), None)
    if done is None:  # Nothing is going to be written.
        return True
    try:
        return _first_line(file) == _first_line(plan.file(done["shard"], ending))
    except FileNotFoundError:
        return False


def _first_line(file: Path | Place) -> bytes:
    with stores.opened(file) as content:
        # Files of stores have no `readline` that takes how many.
        return content.read(_MOST_BYTES).partition(b"\n")[0]


def _write_rows(plan: Plan, target: Path) -> None:
    vectors, header = 0, None
    with open(target, "w", encoding="utf-8", newline="", errors="surrogateescape") as f:
        for done, data in _whole(plan, "csv"):
            names, rows = _table(data)
            if header is None:
                file_io.write_rows(f, [header := names])
            place = names.index(_ROW) if _ROW in names else None
            file_io.write_rows(f, _moved(rows, place, vectors))
            vectors += done["images"] - done["errors"]


def _moved(
    rows: Iterable[list[str]], place: int | None, vectors: int
) -> Iterator[list[str]]:
    """Yield rows whose vectors stand behind so many others."""
    for row in rows:
        if place is not None and row[place]:
            row[place] = str(int(row[place]) + vectors)
        yield row


def _write_parquet(plan: Plan, target: Path) -> None:
    parquet.join((data for _, data in _whole(plan, parquet.ENDING)), target)


def _write_vectors(plan: Plan, target: Path) -> None:
    with open(target, "wb") as file:
        file.write(_header(plan))
        for _, data in _whole(plan, "npy"):
            file.write(np.ascontiguousarray(np.load(io.BytesIO(data))).tobytes())


def _header(plan: Plan) -> bytes:
    """Return how the file of all vectors begins."""
    request = plan.request
    count = sum(d["images"] - d["errors"] for d in work.finished(plan))
    shape = (count, int(request.get("width", 0)))
    dtype = np.dtype(str(request.get("dtype", "float32")))
    about = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, about)
    return text.getvalue()
