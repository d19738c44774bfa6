"""From sources and networks to how well each network transfers to each source."""

from __future__ import annotations

from typing import Any

from tfpipeline.config.study import StudySettings
from tfpipeline.core import (
    console,
    file_io,
    provenance,
    result_dir,
    staging,
    startup,
)
from tfpipeline.core.errors import UserError
from tfpipeline.report.closing import closing

RESULT = "study.json"
NAMES = (
    "study.csv",
    "table.md",
    "figures/shots.png",
    "figures/cost.png",
    result_dir.PAGE,
)


def study(settings: StudySettings) -> dict[str, Any]:
    """Measure how well networks transfer to data sets, with few examples and many."""
    phases = provenance.Phases()
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    output.check(NAMES)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.metrics import target_score
        from tfpipeline.report import result_page
        from tfpipeline.study import pairs, result_json

        pairs.check(settings)
        strategy = distribute.start(settings.distribute, "float32", settings.seed)
    cache = startup.cache_folder(settings.cache_dir)
    file_io.check_writable(cache)
    work = pairs.Study(settings, cache, strategy)
    with phases("study"):
        result = result_json.collect(work)
    failed, missing = (result["summary"][key] for key in ("failed", "missing"))
    if failed and not result["rows"] and not missing:
        raise UserError(
            f"Every pair has failed. The first: {failed[0]['source']}, "
            f"{failed[0]['backbone']}: {failed[0]['error']}"
        )
    if missing:
        console.close(
            closing(
                "study_unfinished",
                output.folder,
                index=settings.index,
                workers=settings.workers,
                missing=len(missing),
            )
        )
        return result | {"written": console.written(output.folder, None)}
    result["summary"] |= provenance.of_result(phases, settings.seed)
    output.folder.mkdir(parents=True, exist_ok=True)
    # Workers that end together all find every pair.
    lock = staging.locked(output.folder / f".{RESULT}.lock", waits=True)
    with lock, output.recording():
        result_json.write(output.folder, result)
        page = result_page.attempt(output.folder)
    score = target_score.of_row(result["rows"][0])
    told = closing("study", page or output.folder, RESULT, result=result, score=score)
    console.close(told)
    return result | {"written": console.written(output.folder, page)}
