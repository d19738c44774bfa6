"""From several runs to one: an ensemble, or the mean of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console, provenance, run_dir, run_replacement, startup
from tfpipeline.core.errors import UserError, unknown

HOW = ("ensemble", "soup", "greedy_soup")


def combine(settings: CombineSettings) -> dict[str, Any]:
    """Combine several runs into one classifier, and measure it on held-out images."""
    phases = provenance.Phases()
    if settings.how not in HOW:
        raise unknown("--how", settings.how, HOW)
    if len(settings.runs) < 2:
        raise UserError("--runs: expected the folders of at least two finished runs.")
    runs = [run_dir.RunFolder(Path(name)).existing() for name in settings.runs]
    folder = run_replacement.new_run(settings.workdir, overwrite=settings.overwrite)
    if folder.checkpoints.is_dir() and not settings.overwrite:
        raise UserError(
            f"{folder.path} already contains an unfinished training. Choose another "
            "--workdir, or replace it with --overwrite true."
        )
    with phases("import"), startup.quiet_start():
        from tfpipeline.combine import member_runs
        from tfpipeline.report import run_report
    with run_replacement.claimed(folder, overwrite=settings.overwrite):
        with phases("load"):
            members = member_runs.open_members(runs, settings)
        with phases("combine"):
            model, combined = member_runs.merge(members, settings.how)
        result, summary = member_runs.write(folder, members, model, combined, phases)
        page = run_report.attempt(folder, summary)
    console.close(member_runs.closing_words(page or folder.path, result))
    return result | {"written": console.written(folder.path, page)}
