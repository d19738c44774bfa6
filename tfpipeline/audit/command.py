"""From a source to what is wrong with its files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tfpipeline.config import AuditSettings, with_source
from tfpipeline.core import console, file_io, image_io, result_dir, startup
from tfpipeline.report.closing import closing

RESULT = "statistics.json"
NAMES = ("quarantine.csv", "findings.csv", "contact_sheet.png", "leaks.png")


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Open every file of a source and report what is broken, doubled or odd."""
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    output.check(NAMES)
    with startup.quiet_start():
        from tfpipeline.data import corrections, dataset, duplicates
        from tfpipeline.data import scan as files
        from tfpipeline.data import splits
        from tfpipeline.data.sources import opening
        from tfpipeline.data.sources.drawn_world import drawer
    cache = startup.cache_folder(settings.cache_dir)
    data = with_source(settings.data, settings.source)
    source = opening.open_source(data, cache, drawer(data))
    inputs = filter(None, (data.source, data.corrections, data.splits))
    output.check(NAMES, [*map(Path, inputs), *source.paths])
    fixes = corrections.NONE
    if data.corrections is not None:
        fixes = corrections.read(Path(data.corrections), source)
    if data.splits is not None:
        chosen, split = splits.pin(source, Path(data.splits), fixes.relabelled)
        source = dataclasses.replace(source.take(chosen), split=tuple(split))
    source = fixes.relabel(source.take(fixes.left(source)))
    limit = data.max_pixels
    rows = files.audit(source.paths, source.spans, cache=cache, max_pixels=limit)
    bad = [(name, row) for name, row in zip(source.ids, rows) if row.reason]
    alike = duplicates.near(rows)
    result = duplicates.statistics(source, rows, alike)
    findings = duplicates.findings(source, rows, alike)
    sheets = {
        "contact_sheet.png": duplicates.sheet(source, rows),
        "leaks.png": duplicates.leak_sheet(source.split, rows, alike),
    }
    drawn = {name: sheet for name, sheet in sheets.items() if sheet is not None}
    folder, header = output.folder, ("id", "path", "kind", "detail")
    with output.recording():
        dataset.write_quarantine(folder / "quarantine.csv", bad)
        file_io.write_csv(folder / "findings.csv", header, findings)
        for name, sheet in drawn.items():
            image_io.save_png(folder / name, sheet)
        file_io.write_json(folder / RESULT, result)
    console.close(
        closing(
            "audit",
            folder,
            result=result,
            files=len(rows),
            classes=len(source.labels),
            unusable=len(bad),
            written=["quarantine.csv", "findings.csv", RESULT, *drawn],
        )
    )
    return result | {"written": console.written(folder, None)}
