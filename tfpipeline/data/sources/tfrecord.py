"""A source packed into TFRecord shards: few large files instead of many small ones.

Each record is a `tf.train.Example` with the keys that TensorFlow's own ImageNet shards
have, so anything that reads TFRecords reads these. The index beside the shards says at
which byte each encoded image lies: one image is read by one `pread`, in any order.
"""

import dataclasses
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, image_formats, image_io, progress, staging
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source, check_labels, from_rows
from tfpipeline.data.sources.targets import with_values

INDEX, DESCRIPTION = "index.csv", "packed.json"
HEADER = ("id", "shard", "offset", "length", "label", "split", "sha256")
VERSION = 1

# Columns of the index that are there where the packed source had them.
_GROUP, _WEIGHT, _VALUES = "group", "weight", "values"

# What lies in the folder of a packed source.
_OURS = re.compile(r"\d+\.tfrecord|index\.csv|packed\.json|quarantine\.csv")

# What a record puts before its content: the length and its checksum.
_FRAME_BYTES = 12


def is_packed(folder: Path) -> bool:
    """Tell whether a folder holds what `pack` wrote."""
    return (folder / DESCRIPTION).is_file()


def check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write shards where something else stands."""
    if is_packed(folder) and not overwrite:
        raise UserError(
            f"--output {folder} already contains a packed source. Choose another "
            "folder, or replace it with --overwrite true."
        )
    entries = folder.iterdir() if folder.is_dir() else iter(())
    ours = _OURS if is_packed(folder) else re.compile("$")
    other = sorted(e.name for e in entries if not ours.fullmatch(e.name))
    if other:
        raise UserError(
            f"--output {folder}: expected a new or empty folder, found {other[0]!r} in "
            "it. Name another one."
        )


def pack(
    source: Source,
    files: Sequence[Row],
    folder: Path,
    shard_bytes: int,
    write_more: Callable[[Path], None] = lambda folder: None,
) -> list[Path]:
    """Write the examples of a source into shards of about one size.

    They are written beside the folder and renamed to it when they are whole: a source
    that stands there is read to the end before it is replaced, and stays where anything
    goes wrong.
    """
    with staging.beside(folder) as staged:
        index = []
        with progress.bar(len(source), "pack", "image") as bar:
            for number, part in enumerate(_parts(files, shard_bytes)):
                shard = staged / f"{number:05d}.tfrecord"
                index += _write_shard(shard, source, files, part, bar)
        header: tuple[str, ...] = HEADER
        numbers = [] if source.values is None else source.values.tolist()
        more: tuple[tuple[str, tuple[object, ...]], ...] = (
            *((_GROUP, source.group), (_WEIGHT, source.weight)),
            (_VALUES, tuple(map(_text, numbers))),
        )
        for name, values in more:
            if values:
                header = (*header, name)
                index = [(*row, value) for row, value in zip(index, values)]
        file_io.write_csv(staged / INDEX, header, index)
        description = {"version": VERSION, "labels": source.labels, "n": len(source)}
        if source.values is not None:
            description["target"] = source.target
        file_io.write_json(staged / DESCRIPTION, {**description, "name": source.name})
        write_more(staged)
        check_target(folder, overwrite=True)
        staging.replace(staged, folder)
    return sorted(folder.glob("*.tfrecord"))


def _parts(files: Sequence[Row], shard_bytes: int) -> Iterator[range]:
    """Divide examples into runs of about so many bytes."""
    first, size = 0, 0
    for i, row in enumerate(files):
        size += row.length or row.size
        if size >= shard_bytes:
            yield range(first, i + 1)
            first, size = i + 1, 0
    if first < len(files):
        yield range(first, len(files))


def _write_shard(
    shard: Path, source: Source, files: Sequence[Row], part: range, bar: Any
) -> list[tuple[object, ...]]:
    import tensorflow as tf

    rows: list[tuple[object, ...]] = []
    end = 0
    with file_io.replacing(shard) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for i in part:
                    row = files[i]
                    data = image_io.content(row.path, row.offset, row.length)
                    record = _example(source, i, data).SerializeToString()
                    writer.write(record)
                    offset = end + _FRAME_BYTES + record.index(data)
                    end += _FRAME_BYTES + len(record) + 4
                    label, split = source.said(i), source.split[i]
                    place = (shard.name, offset, len(data))
                    rows.append((source.ids[i], *place, label, split, row.sha256))
                    bar.update()
        except image_formats.ImageError as error:
            raise scan.gone_bad(row.path, str(error)) from None
        except tf.errors.OpError as error:
            # TensorFlow writes past Python: its full disk has a name of its own.
            reason = error.message.splitlines()[0]
            raise OSError(0, reason, str(temporary)) from None
    return rows


def _example(source: Source, i: int, data: bytes) -> Any:
    import tensorflow as tf

    texts = {
        "image/class/text": source.said(i),
        "image/filename": source.ids[i],
        "image/split": source.split[i],
    }
    contents = {k: v.encode("utf-8", "surrogateescape") for k, v in texts.items()}
    example = tf.train.Example()
    for key, content in {"image/encoded": data, **contents}.items():
        example.features.feature[key].bytes_list.value.append(content)
    numbers = [int(source.label[i])]
    if source.values is not None:
        # For readers of other packages: here the index has them.
        own = example.features.feature["image/class/values"].float_list.value
        own.extend(source.values[i].tolist())
        if source.target == targets.MULTI:
            numbers = [k for k, value in enumerate(source.values[i]) if value]
    if source.target != targets.NUMBER:
        feature = example.features.feature["image/class/label"]
        feature.int64_list.value.extend(numbers)
    return example


def _text(values: Sequence[float]) -> str:
    """Return numbers of float32 so that `_numbers` reads the same."""
    return " ".join(f"{value:.9g}" for value in values)


def _with_values(source: Source, target: str, table: Sequence[Any]) -> Source:
    """Return a source with the values that its index holds."""
    rows = [[float(v) for v in row[_VALUES].split()] for row in table]
    values = np.array(rows, np.float32)
    if target not in targets.TARGETS or values.shape != (len(rows), len(source.labels)):
        raise ValueError(f"{_VALUES} of {target}")
    return with_values(source, target, values)


def open_packed(folder: Path) -> Source:
    """Return the examples of a folder of shards."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        labels, count = tuple(described["labels"]), described["n"]
        index = {name: i for i, name in enumerate(labels)}
        table = file_io.read_csv(folder / INDEX)
        target = str(described.get("target", targets.SINGLE))
        if target != targets.SINGLE:
            # What is to be learned is in a column of its own.
            index = defaultdict(int)
        rows = [
            (folder / row["shard"], row["id"], index[row["label"]], row["split"])
            for row in table
        ]
        spans = tuple((int(row["offset"]), int(row["length"])) for row in table)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: expected what `python -m tfpipeline.pack` wrote, but "
            f"{DESCRIPTION} or {INDEX} cannot be read ({error!r}). Pack them again."
        ) from None
    if described.get("version") != VERSION or len(rows) != count:
        raise UserError(
            f"{folder}: expected {count} rows of version {VERSION} in {INDEX}, found "
            f"{len(rows)} of version {described.get('version')}. Pack them again."
        )
    check_labels(str(folder), labels, lambda: "no label")
    _check_shards(folder, table)
    source = from_rows(str(folder), labels, rows)
    has = {name: bool(table) and name in table[0] for name in (_GROUP, _WEIGHT)}
    group = tuple(row[_GROUP] for row in table) if has[_GROUP] else ()
    weight = tuple(float(row[_WEIGHT]) for row in table) if has[_WEIGHT] else ()
    if target != targets.SINGLE:
        try:
            source = _with_values(source, target, table)
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{folder / INDEX}: expected a number for each of {len(labels)} names "
                f"in the column {_VALUES!r} ({error}). Pack them again."
            ) from None
    return dataclasses.replace(source, spans=spans, group=group, weight=weight)


def is_shard(name: str) -> bool:
    """Tell whether `pack` calls a file so."""
    return re.fullmatch(r"\d+\.tfrecord", name) is not None


def _check_shards(folder: Path, table: Sequence[dict[str, str]]) -> None:
    """Refuse shards that are missing or shorter than the index says."""
    ends: dict[str, int] = defaultdict(int)
    for row in table:
        end = int(row["offset"]) + int(row["length"])
        ends[row["shard"]] = max(end, ends[row["shard"]])
    for name, end in ends.items():
        shard = folder / name
        size = os.path.getsize(shard) if shard.is_file() else -1
        if size < end or not is_shard(name):
            what = "is missing" if size < 0 else f"has {size} bytes, {end} expected"
            raise UserError(f"{shard}: {what}. Pack the source again.")
