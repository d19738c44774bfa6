"""From a source to what is wrong with its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfpipeline.audit import inspection, sharded
from tfpipeline.audit.inspection import RESULT
from tfpipeline.config import AuditSettings, with_source
from tfpipeline.core import result_dir
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Check every file of a data set: broken files, duplicates, unusual images."""
    if sharded.is_asked(settings):
        return sharded.audit(settings)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    output.check(inspection.NAMES)

    def look(source: Source, cache: Path) -> tuple[Source, list[Row]]:
        from tfpipeline.data import scan

        limit = with_source(settings.data, settings.source).max_pixels
        rows = scan.audit(source.paths, source.spans, cache=cache, max_pixels=limit)
        return source, rows

    return inspection.inspect(settings, output, look)
