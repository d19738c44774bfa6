"""From a source, and what is known of each of its files, to everything remarkable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfpipeline.config import AuditSettings, with_source
from tfpipeline.core import console, file_io, image_io, remote, startup, stores
from tfpipeline.core.result_dir import Output
from tfpipeline.core.stores import Place
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source
from tfpipeline.report.closing import closing, data_block

RESULT = "statistics.json"
PAGE = "audit.html"
NAMES = ("quarantine.csv", "findings.csv", "contact_sheet.png", "leaks.png", PAGE)

# From the examples of a source, and the cache, to those that are audited, with the row
# of each.
Look = Callable[[Source, Path], tuple[Source, list[Row]]]


def inspect(
    settings: AuditSettings,
    output: Output,
    look: Look,
    place: Place | None = None,
) -> dict[str, Any]:
    """Write everything remarkable about the files of a source, and return it.

    Args:
        settings: Of the command.
        output: Where its files are written.
        look: Opens the files.
        place: Where they are uploaded from there, if anywhere.
    """
    with startup.quiet_start():
        import numpy as np

        from tfpipeline.audit import page, sources
        from tfpipeline.data import (
            corrections,
            dataset,
            duplicates,
            quality,
            sample_ranges,
            splits,
        )
        from tfpipeline.data.review import Opened, review
        from tfpipeline.data.sources import listing
        from tfpipeline.data.sources import settings as settings_of_sources
        from tfpipeline.data.sources.drawn_world import drawer
    cache = startup.cache_folder(settings.cache_dir)
    data = with_source(settings.data, settings.source)
    settings_of_sources.check(data)
    with console.gathered() as remarks, listing.noting() as passed:
        source = sources.open_source(data, cache, drawer(data))
    inputs = filter(None, (data.source, data.corrections, data.splits, data.classes))
    output.check(NAMES, [*map(Path, inputs), *source.paths])
    source, every = look(source, cache)
    fixes, opened, chosen = corrections.NONE, source, np.arange(len(source))
    if data.corrections is not None:
        fixes = corrections.read(Path(data.corrections), source)
    if data.splits is not None:
        chosen, split = splits.pin(source, Path(data.splits), fixes.relabelled)
        source = dataclasses.replace(source.take(chosen), split=tuple(split))
    left = fixes.left(source)
    source = fixes.relabel(source.take(left))
    rows = [every[i] for i in chosen[left]]
    bad = [(name, row) for name, row in zip(source.ids, rows) if row.reason]
    alike = duplicates.near(rows)
    suspects = quality.suspects(rows)
    with console.gathered() as more:
        usable = [row for row in rows if not row.reason]
        choice = sample_ranges.announce(data.range, usable)
        # Of all that is there, as `train` counts them.
        few = dataset.few_classes(data, opened, every, are="would be")
    known = review(
        source,
        rows,
        alike,
        opened=Opened([*remarks, *more], passed),
        min_class_share=data.min_class_share,
    )
    result = duplicates.statistics(source, rows, alike) | {"review": known.to_json()}
    result["brightness"] = choice.to_json()
    result["dropped_classes"] = {**source.class_map.dropped, **few}
    findings = duplicates.findings(source, rows, alike)
    # The most suspicious first.
    findings += [
        (source.ids[i], rows[i].path, kind, detail) for i, kind, detail, _ in suspects
    ]
    sheets = {
        "contact_sheet.png": duplicates.sheet(source, rows, ranges=choice.ranges),
        "leaks.png": duplicates.leak_sheet(
            source, source.split, rows, alike, ranges=choice.ranges
        ),
    }
    drawn = {name: sheet for name, sheet in sheets.items() if sheet is not None}
    folder, header = output.folder, ("id", "path", "kind", "detail")
    with output.recording():
        dataset.write_quarantine(folder / "quarantine.csv", bad)
        lines = [(name, remote.shown(path), *what) for name, path, *what in findings]
        file_io.write_csv(folder / "findings.csv", header, lines)
        for name, sheet in drawn.items():
            image_io.save_png(folder / name, sheet)
        page.write(
            folder / PAGE,
            page.Audited(source, rows, alike, suspects, known, choice.ranges),
            [folder / name for name in drawn],
        )
        file_io.write_json(folder / RESULT, result)
    written = ["quarantine.csv", "findings.csv", RESULT, *drawn]
    where = folder if place is None else place
    if place is not None:
        for name in (*drawn, *written[:2], PAGE, RESULT):
            (place / name).upload(folder / name)
        # An earlier audit may have found what this one did not.
        stores.remove([place / name for name in sheets if name not in drawn])
    console.close(data_block(known))
    console.close(closing("audit", where / PAGE, written=written))
    return result | {"written": console.written(where, where / PAGE)}
