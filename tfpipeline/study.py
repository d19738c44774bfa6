"""VERB: from sources and networks to how well each network transfers to each source."""

from __future__ import annotations

import sys
from typing import Any

from tfpipeline import atomic, cli, manifest, results, terminal
from tfpipeline.config_study import StudySettings
from tfpipeline.errors import UserError

RESULT = "study.json"
NAMES = ("study.csv", "table.md", "figures/shots.png", "figures/cost.png", results.PAGE)


def study(settings: StudySettings) -> dict[str, Any]:
    """Measure how well networks transfer to sources, with few examples and many."""
    phases = manifest.Phases()
    output = results.new_result(settings.output, RESULT, overwrite=settings.overwrite)
    output.check(NAMES)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.report import result_page
        from tfpipeline.workflow import study_report, study_words, studying

        studying.check(settings)
        strategy = distribution.start(settings.distribute, "float32", settings.seed)
    cache = cli.cache_folder(settings.cache_dir)
    atomic.check_writable(cache)
    work = studying.Study(settings, cache, strategy)
    with phases("study"):
        result = study_report.collect(work)
    failed, missing = (result["summary"][key] for key in ("failed", "missing"))
    if failed and not result["rows"] and not missing:
        raise UserError(
            f"Every pair has failed. The first: {failed[0]['source']}, "
            f"{failed[0]['backbone']}: {failed[0]['error']}"
        )
    if missing:
        words = [
            f"Worker {settings.index} of {settings.workers} is done; {len(missing)} "
            "pairs of the others are not yet there.",
            "The last worker writes the result; so does the same command without "
            "--workers, at any time.",
        ]
        terminal.close(terminal.Closing(words, look=output.folder))
        return result | {"written": terminal.written(output.folder, None)}
    result["summary"] |= manifest.of_result(phases, settings.seed)
    with output.recording():
        study_report.write(output.folder, result)
        page = result_page.attempt(output.folder)
    terminal.close(study_words.closing_words(result, output.folder, page))
    return result | {"written": terminal.written(output.folder, page)}


if __name__ == "__main__":
    sys.exit(cli.main(study, StudySettings))
