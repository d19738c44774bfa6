"""One file of what is in all shards, read and written shard by shard."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import disk, file_io, progress
from tfpipeline.core.errors import UserError
from tfpipeline.shards import parquet, work
from tfpipeline.shards.plan import Plan

_ROW = "row"


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
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != done["sha256"][ending]:
            raise UserError(
                f"{file}: it was changed since it was written. Remove "
                f"{plan.done(done['shard']).name} beside it, and give the command that "
                "writes the shards again."
            )
        yield done, file


def _write_rows(plan: Plan, target: Path) -> None:
    vectors, header = 0, None
    with open(target, "w", encoding="utf-8", newline="", errors="surrogateescape") as f:
        writer = csv.writer(f, lineterminator="\n")
        for done, file in _whole(plan, "csv"):
            with open(
                file, encoding="utf-8", newline="", errors="surrogateescape"
            ) as shard:
                rows = csv.reader(shard)
                names = next(rows)
                if header is None:
                    writer.writerow(header := names)
                place = names.index(_ROW) if _ROW in names else None
                for row in rows:
                    if place is not None and row[place]:
                        row[place] = str(int(row[place]) + vectors)
                    writer.writerow(row)
            vectors += done["images"] - done["errors"]


def _write_parquet(plan: Plan, target: Path) -> None:
    parquet.join((file for _, file in _whole(plan, parquet.ENDING)), target)


def _write_vectors(plan: Plan, target: Path) -> None:
    request = plan.request
    count = sum(d["images"] - d["errors"] for d in work.finished(plan))
    shape = (count, int(request.get("width", 0)))
    dtype = np.dtype(str(request.get("dtype", "float32")))
    with open(target, "wb") as file:
        about = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, about)
        for _, shard in _whole(plan, "npy"):
            file.write(np.ascontiguousarray(np.load(shard)).tobytes())
