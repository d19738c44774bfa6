"""From a source to what is wrong with its files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tfpipeline.config import AuditSettings, with_source
from tfpipeline.core import console, file_io, image_io, result_dir, startup
from tfpipeline.report.closing import closing, data_block

RESULT = "statistics.json"
PAGE = "audit.html"
NAMES = ("quarantine.csv", "findings.csv", "contact_sheet.png", "leaks.png", PAGE)


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Check every file of a data set: broken files, duplicates, unusual images."""
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    output.check(NAMES)
    with startup.quiet_start():
        import numpy as np

        from tfpipeline.audit import page
        from tfpipeline.data import (
            corrections,
            dataset,
            duplicates,
            quality,
            sample_ranges,
        )
        from tfpipeline.data import scan as files
        from tfpipeline.data import splits
        from tfpipeline.data.review import Opened, review
        from tfpipeline.data.sources import listing, opening
        from tfpipeline.data.sources import settings as settings_of_sources
        from tfpipeline.data.sources.drawn_world import drawer
    cache = startup.cache_folder(settings.cache_dir)
    data = with_source(settings.data, settings.source)
    settings_of_sources.check(data)
    with console.gathered() as remarks, listing.noting() as passed:
        source = opening.open_source(data, cache, drawer(data))
    inputs = filter(None, (data.source, data.corrections, data.splits, data.classes))
    output.check(NAMES, [*map(Path, inputs), *source.paths])
    fixes, opened, chosen = corrections.NONE, source, np.arange(len(source))
    if data.corrections is not None:
        fixes = corrections.read(Path(data.corrections), source)
    if data.splits is not None:
        chosen, split = splits.pin(source, Path(data.splits), fixes.relabelled)
        source = dataclasses.replace(source.take(chosen), split=tuple(split))
    left = fixes.left(source)
    source, limit = fixes.relabel(source.take(left)), data.max_pixels
    every = files.audit(opened.paths, opened.spans, cache=cache, max_pixels=limit)
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
        file_io.write_csv(folder / "findings.csv", header, findings)
        for name, sheet in drawn.items():
            image_io.save_png(folder / name, sheet)
        page.write(
            folder / PAGE,
            page.Audited(source, rows, alike, suspects, known, choice.ranges),
            [folder / name for name in drawn],
        )
        file_io.write_json(folder / RESULT, result)
    console.close(data_block(known))
    console.close(
        closing(
            "audit",
            folder / PAGE,
            written=["quarantine.csv", "findings.csv", RESULT, *drawn],
        )
    )
    return result | {"written": console.written(folder, folder / PAGE)}
