"""VERB: from images to a run folder with a trained and measured classifier."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import atomic, cli, manifest, run_replacement, runs, terminal
from tfpipeline.config import RunSettings
from tfpipeline.errors import UserError

if TYPE_CHECKING:
    from tfpipeline.workflow.stages import Course


def train(settings: RunSettings) -> dict[str, Any]:
    """Train a new head on a frozen backbone, fine-tune where asked to, and measure."""
    phases = manifest.Phases()
    folder = run_replacement.new_run(settings.workdir, overwrite=settings.overwrite)
    _check_kept(settings.data.corrections, folder)
    cache = cli.cache_folder(settings.cache_dir)
    atomic.check_writable(cache)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.training import checkpoints
        from tfpipeline.workflow import board, preparing, recording, stages

        preparing.check(settings)
        strategy = distribution.start(
            settings.distribute, settings.train.precision, settings.seed
        )
    given, overwrite = settings, settings.overwrite
    chief = distribution.is_chief(strategy)
    claim = run_replacement.claimed(folder, overwrite=overwrite, writes=chief)
    with distribution.losing_nobody(strategy), contextlib.ExitStack() as held:
        with distribution.jointly(strategy):
            held.enter_context(claim)
        if settings.data.batch_size == "auto" and not overwrite:
            settings = preparing.with_noted_batch(settings, folder.checkpoints)
        work = preparing.prepare(settings, strategy, cache, phases)
        with distribution.chief_first(strategy):
            run = folder.staged()
            kept = checkpoints.Checkpoints(
                run.checkpoints,
                settings.checkpoint,
                recording.identity(given, work),
                writes=chief,
            )
            state = kept.load(anew=overwrite)
        preparing.check_agreement(strategy, state)
        shown = board.Board(run.logs, settings.logs, writes=chief, anew=state is None)
        course = stages.Course(work, cache, kept, state, board=shown)
        result = _train(folder, run, course, phases)
        distribution.wait_for_all(strategy)
    return result


def _check_kept(corrections: str | None, folder: runs.RunFolder) -> None:
    """Refuse to replace the run in which the corrections lie that are read."""
    if corrections is None or not folder.is_finished():
        return
    if Path(corrections).resolve().is_relative_to(folder.path.resolve()):
        raise UserError(
            f"--data.corrections {corrections}: would be removed with the run in "
            f"{folder.path}. Copy it, or name another --workdir."
        )


def _train(
    folder: runs.RunFolder,
    run: runs.RunFolder,
    course: Course,
    phases: manifest.Phases,
) -> dict[str, Any]:
    """Train and measure, now that nothing of the user's is known to be wrong."""
    from tfpipeline.training.stage import Diverged
    from tfpipeline.workflow import diagnosing, recording, reporting
    from tfpipeline.workflow.measured import Measured

    chief, leaks = course.work.chief, {"exact": 0, "near": 0}
    if chief:
        recording.begin(run, course.work)
    with phases("extract"):
        course.extract()
    if chief:
        with phases("figures"):
            leaks = recording.draw(run, course.work)
    try:
        with phases("train"):
            course.train_head()
        with phases("fine_tune"):
            course.fine_tune()
    except Diverged as error:
        if chief:
            recording.diverged(run, error.ids)
        raise
    with phases("evaluate"):
        result: dict[str, Any] = course.measure()
        diagnosing.answer_training(course)
    if not chief:
        return result
    with phases("save"):
        recording.save(run, course)
    result["seconds"] = phases.report()
    result["input"] = course.work.meter.verdict()
    result["leaks"] = leaks
    recording.finish(run, course, result)
    run_replacement.publish(folder, run)
    course.checkpoints.clear()
    with phases("report"):
        page = reporting.attempt(folder, Measured.of(course))
    result["seconds"] = phases.report()
    recording.retime(folder, result)
    terminal.close(recording.closing_words(folder, course, result))
    return result | {"written": terminal.written(folder.path, page)}


if __name__ == "__main__":
    sys.exit(cli.main(train, RunSettings))
