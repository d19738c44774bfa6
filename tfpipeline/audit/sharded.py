"""An audit in shards: rows by any number of processes, findings by one of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.audit import inspection, rows
from tfpipeline.audit.inspection import NAMES, RESULT
from tfpipeline.config import AuditSettings
from tfpipeline.core import console, remote, result_dir, stores
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source
from tfpipeline.report.closing import closing
from tfpipeline.shards import locks
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

# Pictures a shard, where shards are asked for and no number is given.
SHARD_IMAGES = 2000

# Of the shards, while the findings of all are written.
_LOCK = ".findings.lock"


def is_asked(settings: AuditSettings) -> bool:
    """Tell whether settings ask for shards."""
    names = ("shard_images", "part", "parts", "workers", "runner")
    return remote.is_remote(settings.output) or any(
        getattr(settings, name) != getattr(AuditSettings, name) for name in names
    )


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Write the rows of a share; once those of all are there, what they show.

    Returns:
        `shards`: what there is of them; and, once none is missing, what
        `statistics.json` holds.
    """
    if not settings.shard_images:
        settings = dataclasses.replace(settings, shard_images=SHARD_IMAGES)
    folder = rows.folder_of(settings)
    own = work.check(settings, folder=folder)
    output = stores.of("--output", settings.output)
    _check(output, folder, overwrite=settings.overwrite)
    plan, counted = rows.drive(settings, own)
    content = work.end(plan) | ({"counted": counted} if counted else {})
    # A part that misses shards would keep the lock from the one that finds them all.
    if not content["missing"]:
        # Of several tasks, whoever is at it has the same rows.
        with contextlib.suppress(locks.Busy):
            with locks.locked(folder / _LOCK, waits=own == (0, 1)):
                return _find(settings, plan, output) | {"shards": content}
    missing = work.numbers_in_words(content["missing"])
    words: Mapping[str, Any] = {"result": content, "missing": missing}
    console.close(closing("audit_shards", output, plans.INDEX, **words))
    return {"shards": content, "written": console.written(output, None)}


def _check(output: Path | Place, folder: Path | Place, *, overwrite: bool) -> None:
    """Refuse a folder whose result is of no shards, or that has files of others."""
    is_begun = (folder / plans.PLAN).is_file()
    if isinstance(output, Path):
        new = result_dir.new_result(
            str(output), RESULT, overwrite=overwrite or is_begun
        )
        new.check(NAMES)
        return
    others = {*output.names()} - {rows.FOLDER}
    if others and not is_begun or others - {*NAMES, RESULT}:
        raise UserError(
            f"--output {output}: expected a new or empty folder, or one with an audit "
            f"in shards. Received one that contains {min(others)!r}. Choose another "
            "folder."
        )


def _find(
    settings: AuditSettings, plan: plans.Plan, output: Path | Place
) -> dict[str, Any]:
    """Write what the rows of all shards show."""

    def look(source: Source, _: Path) -> tuple[Source, list[Row]]:
        return _planned(source, plan)

    if isinstance(output, Path):
        result = result_dir.Output(output, RESULT)
        return inspection.inspect(settings, result, look)
    with tempfile.TemporaryDirectory() as local:
        result = result_dir.Output(Path(local), RESULT)
        return inspection.inspect(settings, result, look, output)


def _warn_of_changed(found: Sequence[Row]) -> None:
    """Say how many local files have another size than when they were audited."""
    changed = []
    for row in found:
        if row.length or row.reason or remote.is_remote(row.path):
            continue
        with contextlib.suppress(OSError):
            if os.stat(row.path).st_size != row.size:
                changed.append(row.path)
    if changed:
        console.warn_once(
            f"{len(changed)} pictures have changed since they were audited, e.g. "
            f"{changed[0]}: the findings describe the earlier files. To audit them "
            "again, use another --output"
        )


def _planned(source: Source, plan: plans.Plan) -> tuple[Source, list[Row]]:
    """Return those examples that the plan has, with the row of each."""
    import numpy as np

    from tfpipeline.audit import sources

    listed, found = rows.read(plan)
    _warn_of_changed(found)
    there = sources.places(source)
    if there == [row.place for row in found]:
        return source, found
    known, here = {row.place: row for row in found}, {*there}
    kept = [i for i, place in enumerate(there) if place in known]
    late = [name for name, place in zip(source.ids, there) if place not in known]
    gone = [p.id for p in listed if (p.path, p.offset) not in here]
    for names, what in (
        (late, "came after the plan of the shards and are not audited"),
        (gone, "were audited and are no longer in the source"),
    ):
        if names:
            console.warn_once(
                f"{len(names)} pictures {what}, e.g. {names[0]}. To audit those that "
                "are there now, use another --output"
            )
    return source.take(np.array(kept, np.int64)), [known[there[i]] for i in kept]
