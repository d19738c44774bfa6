"""VERB: from a source to what is wrong with its files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tfpipeline import cli, images, runs
from tfpipeline.config import AuditSettings


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Open every file of a source and report what is broken, doubled or odd."""
    output = Path(settings.output)
    runs.check_writable(output)
    with cli.quiet_start():
        from tfpipeline.data import audit as files
        from tfpipeline.data import duplicates, preparation, sources
        from tfpipeline.demo.source import drawer
    cache = cli.cache_folder(settings.cache_dir)
    data = settings.section()
    source = sources.open_source(data, cache, drawer(data))
    rows = files.audit(source.paths, cache=cache)
    bad = [(name, row) for name, row in zip(source.ids, rows) if row.reason]
    result = duplicates.statistics(source, rows)
    preparation.write_quarantine(output / "quarantine.csv", bad)
    runs.write_json(output / "statistics.json", result)
    sheet = duplicates.sheet(source, rows)
    if sheet is not None:
        images.save_png(output / "contact_sheet.png", sheet)
    print(
        f"\n{len(rows)} files of {len(source.labels)} classes: {len(bad)} unusable, "
        f"{result['exact_duplicates']} exact and {result['near_duplicates']} near "
        f"copies, {result['leaks']} of them across splits.\nWritten: {output}/"
        "quarantine.csv, statistics.json, contact_sheet.png"
    )
    return result


if __name__ == "__main__":
    sys.exit(cli.main(audit, AuditSettings))
