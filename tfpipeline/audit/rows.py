"""The rows of an audit in shards: what is found in one picture, whoever looks at it.

`python -m tfpipeline.audit.rows` is what each of several processes runs.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfpipeline import cli
from tfpipeline.config import AuditSettings, with_source
from tfpipeline.core import console, startup, stores
from tfpipeline.core.stores import Place
from tfpipeline.data import scan
from tfpipeline.data.inspect_file import MEASURED
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import driving, joining
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

FOLDER = "shards"

# Where a picture is, is in the plan; when its file was written is no finding.
_LEFT_OUT = ("path", "offset", "length", "mtime_ns", "ctime_ns", "reason")
_FIELDS = [f for f in dataclasses.fields(Row) if f.name not in _LEFT_OUT]

# The reason why a file cannot be used stands last, as in other shards.
HEADER = ("id", *(field.name for field in _FIELDS), "error")

# Texts that several rows have in common are shorter.
_SHORT = 40


def folder_of(settings: AuditSettings) -> Path | Place:
    """Return the folder of the shards."""
    return stores.of("--output", settings.output) / FOLDER


def drive(
    settings: AuditSettings, own: tuple[int, int]
) -> tuple[plans.Plan, dict[str, int]]:
    """Inspect the pictures of the shards of a share; see `shards.driving.run`."""
    return driving.run("audit.rows", settings, own, open_job, folder_of(settings))


def inspect(settings: AuditSettings) -> None:
    """Inspect pictures, and write the rows of shards; the findings wait for all."""
    drive(settings, work.check(settings, folder=folder_of(settings)))


def open_job(settings: AuditSettings) -> work.Job:
    """Return what is done with the pictures of any shard."""
    from tfpipeline.audit import sources

    data = with_source(settings.data, settings.source)
    about: dict[str, Any] = {
        "command": "audit",
        "rules": scan.RULES,
        "max_pixels": data.max_pixels,
    }
    if more := sources.reading(data):
        about["reading"] = more

    def listed() -> Iterator[Picture]:
        from tfpipeline.data.sources.drawn_world import drawer

        # What is odd about the source is told with the findings, then for the first
        # time.
        with console.set_mode(), console.gathered():
            cache = startup.cache_folder(settings.cache_dir)
            return sources.listed(data, cache, drawer(data))

    def compute(shard: list[Picture]) -> work.Content:
        found = pictures.audit(shard, data.max_pixels, MEASURED)
        values = [cells(picture, row) for picture, row in zip(shard, found)]
        size = sum(row.length or row.size for row in found)
        errors = sum(bool(row.reason) for row in found)
        return work.Content(HEADER, values, errors, bytes_read=size)

    return work.Job(about, compute, words=[data.source], listed=listed)


def cells(picture: Picture, row: Row) -> list[object]:
    """Return the values of a picture's row, in the order of `HEADER`."""
    values = (getattr(row, field.name) for field in _FIELDS)
    # A truth is read back as a number.
    plain = [int(value) if isinstance(value, bool) else value for value in values]
    return [picture.id, *plain, row.reason]


def read(plan: plans.Plan) -> tuple[list[Picture], list[Row]]:
    """Return the pictures of all shards, and what was found in each.

    Raises:
        UserError: A shard has been changed since it was written.
    """
    listed: list[Picture] = []
    rows: list[Row] = []
    for number, (_, lines) in enumerate(joining.tables(plan, "read")):
        shard = plan.pictures(number)
        listed += shard
        rows += [_row(picture, values) for picture, values in zip(shard, lines)]
    return listed, rows


def _row(picture: Picture, line: Sequence[str]) -> Row:
    values = {f.name: _value(f, text) for f, text in zip(_FIELDS, line[1:-1])}
    offset, length = picture.span
    return Row(picture.path, offset=offset, length=length, reason=line[-1], **values)


def _value(field: dataclasses.Field[Any], text: str) -> Any:
    kind: Any = type(field.default)
    if kind is str:
        # Most pictures have the same few formats and modes: one object for all.
        return sys.intern(text) if len(text) < _SHORT else text
    return text == "1" if kind is bool else kind(text)


if __name__ == "__main__":
    sys.exit(cli.main(inspect, AuditSettings))
