"""One file of what is in all shards, read and written shard by shard."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import disk, file_io, progress
from tfpipeline.core.errors import UserError
from tfpipeline.shards import parquet, work
from tfpipeline.shards.plan import Plan

_ROW = "row"

# Of a first line, which names some columns.
_MOST_BYTES = 2**16


def write(plan: Plan, file: Path) -> None:
    """Write the rows of all shards into a CSV, or their vectors into a `.npy`.

    Of shards in Parquet, rows with their vectors go into one file of that kind.

    Raises:
        UserError: A shard has been changed since it was written.
    """
    ways = {".npy": _write_vectors, ".csv": _write_rows, ".parquet": _write_parquet}
    join = ways[file.suffix.lower()]
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        join(plan, temporary)


def _whole(plan: Plan, ending: str) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Yield each shard and its file, after its checksum."""
    for done in progress.over(work.finished(plan), "merge", "shard", plan.shards):
        file = plan.file(done["shard"], ending)
        if ending not in done["sha256"]:
            there = ", ".join(f".{name}" for name in done["sha256"])
            raise UserError(
                f"--output: expected a name in one of {there}, which {plan.folder} "
                f"has. Received: .{ending}."
            )
        digest = _digest(file)
        if digest != done["sha256"][ending]:
            what = "was changed since it was written" if digest else "is missing"
            raise UserError(
                f"{file}: it {what}. Remove "
                f"{plan.done(done['shard']).name} beside it, and give the command that "
                "writes the shards again."
            )
        yield done, file


def _digest(file: Path) -> str:
    """Return the SHA-256 of a file, nothing where there is none."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def is_own(plan: Plan, file: Path) -> bool:
    """Tell whether a file is what `write` made, of these shards or of such as these."""
    ending = file.suffix.lower().removeprefix(".")
    if ending == parquet.ENDING:
        return parquet.is_own(file)
    if ending == "npy":
        text = _header(plan)
        with open(file, "rb") as content:
            return content.read(len(text)) == text
    done = next(work.finished(plan), None)
    if done is None:  # Nothing is going to be written.
        return True
    try:
        return _first_line(file) == _first_line(plan.file(done["shard"], ending))
    except FileNotFoundError:
        return False


def _first_line(file: Path) -> bytes:
    with open(file, "rb") as content:
        return content.readline(_MOST_BYTES)


def _write_rows(plan: Plan, target: Path) -> None:
    vectors, header = 0, None
    with open(target, "w", encoding="utf-8", newline="", errors="surrogateescape") as f:
        for done, file in _whole(plan, "csv"):
            with open(
                file, encoding="utf-8", newline="", errors="surrogateescape"
            ) as shard:
                rows = csv.reader(shard)
                names = next(rows)
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
    parquet.join((file for _, file in _whole(plan, parquet.ENDING)), target)


def _write_vectors(plan: Plan, target: Path) -> None:
    with open(target, "wb") as file:
        file.write(_header(plan))
        for _, shard in _whole(plan, "npy"):
            file.write(np.ascontiguousarray(np.load(shard)).tobytes())


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
