"""VERB: from several runs to one: an ensemble, or the mean of their weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tfpipeline import cli, manifest, run_replacement, runs, terminal
from tfpipeline.config_training import CombineSettings
from tfpipeline.errors import UserError, unknown

HOW = ("ensemble", "soup", "greedy_soup")


def combine(settings: CombineSettings) -> dict[str, Any]:
    """Make one classifier of several, and measure it on what none has trained on."""
    phases = manifest.Phases()
    if settings.how not in HOW:
        raise unknown("--how", settings.how, HOW)
    if len(settings.runs) < 2:
        raise UserError("--runs: expected the folders of at least two finished runs.")
    members = [runs.RunFolder(Path(name)).existing() for name in settings.runs]
    folder = run_replacement.new_run(settings.workdir, overwrite=settings.overwrite)
    if folder.checkpoints.is_dir() and not settings.overwrite:
        raise UserError(
            f"{folder.path}: a training that is not finished stands here. Choose "
            "another --workdir, or say --overwrite true to replace it."
        )
    with phases("import"), cli.quiet_start():
        from tfpipeline.workflow import combining, reporting
    with run_replacement.claimed(folder, overwrite=settings.overwrite):
        with phases("load"):
            work = combining.open_members(members, settings)
        with phases("combine"):
            found = combining.combined(work, settings.how)
        result, measured = combining.write(folder, work, found, phases)
        page = reporting.attempt(folder, measured)
    terminal.close(combining.closing_words(page or folder.path, result))
    return result | {"written": terminal.written(folder.path, page)}


if __name__ == "__main__":
    sys.exit(cli.main(combine, CombineSettings))
