"""From images to a run folder with a trained and measured classifier."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline.cli import from_python
from tfpipeline.config import RunSettings, presets
from tfpipeline.core import console, file_io, provenance, run_replacement, startup
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import registry
from tfpipeline.report import second_process

if TYPE_CHECKING:
    from tfpipeline.train.course import Course
    from tfpipeline.train.folds.division import Folds

# What a second process does while TensorFlow is imported, in this order.
_LOOK = "tfpipeline.data.sources.ahead.look"
_PREPARE = "tfpipeline.report.run_page.prepare"


def train(settings: RunSettings) -> dict[str, Any]:
    """Train a new head on a frozen backbone, optionally fine-tune, and measure it."""
    phases = provenance.Phases()
    registry.check(settings.model)
    folder = run_replacement.new_run(settings.workdir, overwrite=settings.overwrite)
    _check_corrections(settings.data.corrections, folder)
    cache = startup.cache_folder(settings.cache_dir)
    file_io.check_writable(cache)
    if settings.preset:
        console.note(presets.describe(settings.preset, from_python.flat(settings)))
    with second_process.started():
        # While TensorFlow is imported here.
        looked: Callable[[], None] = lambda: None
        if not settings.distribute.workers:  # They look at a part of the files each.
            looked = second_process.hint(_LOOK, settings.data, cache)
        second_process.hint(_PREPARE)
        return _prepare(settings, folder, cache, phases, looked)


def _prepare(
    settings: RunSettings,
    folder: RunFolder,
    cache: Path,
    phases: provenance.Phases,
    looked: Callable[[], None],
) -> dict[str, Any]:
    """Import TensorFlow, look at the images, build the network, and train it."""
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.report.closing import data_block
        from tfpipeline.train import checkpoints, checks, run_writer, setup
        from tfpipeline.train.course import Course
        from tfpipeline.train.embedded.settings import settle
        from tfpipeline.train.folds import division
        from tfpipeline.train.folds import training as folds
        from tfpipeline.train.tensorboard import Board

        checks.check(settings)
        settings = settle(settings)
        strategy = distribute.start(
            settings.distribute, settings.train.precision, settings.seed
        )
    given, overwrite = settings, settings.overwrite
    chief = distribute.is_chief(strategy)
    claim = run_replacement.claimed(folder, overwrite=overwrite, writes=chief)
    with distribute.losing_nobody(strategy), contextlib.ExitStack() as held:
        with distribute.jointly(strategy):
            held.enter_context(claim)
        if settings.data.batch_size == "auto" and not overwrite:
            settings = setup.with_resumed_batch_size(
                settings, folder.checkpoints, run_writer.named(given)
            )
        if not overwrite:
            settings = setup.with_kept_classes(settings, folder)
        with phases("audit"):
            looked()
        work = setup.prepare(settings, strategy, cache, phases)
        if chief:
            console.close(data_block(work.review))
        parts = division.divide(work)
        with distribute.chief_first(strategy):
            run = folder.staged()
            identity = run_writer.identity(given, work)
            kept = checkpoints.Checkpoints(
                run.checkpoints, settings.checkpoint, identity, writes=chief
            )
            state = kept.load(anew=overwrite)
            if parts is not None and (state is None or overwrite):
                folds.discard_others(kept, parts, work)
        checks.check_agreement(strategy, state)
        board = Board(run.logs, settings.logs, writes=chief, anew=state is None)
        course = Course(work, cache, kept, state, board=board)
        result = _train(folder, run, course, phases, parts)
        distribute.wait_for_all(strategy)
    return result


def _check_corrections(corrections: str | None, folder: RunFolder) -> None:
    """Refuse to replace the run in which the corrections lie that are read."""
    if corrections is None or not folder.is_finished():
        return
    if Path(corrections).resolve().is_relative_to(folder.path.resolve()):
        raise UserError(
            f"--data.corrections {corrections}: would be removed with the run in "
            f"{folder.path}. Copy it, or name another --workdir."
        )


def _train(
    folder: RunFolder,
    run: RunFolder,
    course: Course,
    phases: provenance.Phases,
    parts: Folds | None,
) -> dict[str, Any]:
    """Train and measure, now that nothing of the user's is known to be wrong."""
    from tfpipeline.data.sources import jpeg_damage
    from tfpipeline.report import run_report
    from tfpipeline.report.diagnosis import Measured
    from tfpipeline.train import run_writer
    from tfpipeline.train.folds import training as folds

    chief = course.work.chief
    if chief:
        run_writer.begin(run, course.work, parts)
    damage = jpeg_damage.Damage(course.work.examples.files)
    with damage.counted():
        with phases("extract"):
            course.extract()
        if chief:
            with phases("figures"):
                leaks, drawn = run_writer.draw(run, course)
        # Pixels are decoded in each epoch where they are what is trained on.
        result, kept = _fit(run, course, phases, parts)
    if not chief:
        damage.name()
        return result
    if kept is not None:
        with phases("reference"):
            run_writer.write_reference(run, course, kept, result)
    measured = Measured(
        *(course.work.model, course.work.examples, course.logits, course.calibration),
        *(course.work.settings.data.resize, course.decision, course.maps),
        course.bears_bfloat16,
    )
    with phases("report"):
        begun = run_report.begin(run, measured)
    with phases("save"):
        run_writer.save(run, course)
        if parts is not None:
            given = course.work, parts, course.logits["train"], course.decision
            header = folds.header(course.decision)
            file_io.write_csv(run.out_of_fold, header, folds.rows(*given))
    result["seconds"] = phases.report()
    result["input"] = course.work.meter.verdict()
    result["leaks"] = leaks
    if course.frozen:
        result["frozen_head"] = course.frozen
    run_writer.finish(run, course, result)
    with phases("figures"):
        begun = run_report.settled(begun, drawn)
    run_replacement.publish(folder, run)
    course.checkpoints.clear()
    with phases("report"):
        page = run_report.attempt(folder, measured, begun)
    result["seconds"] = phases.report()
    run_writer.retime(folder, result)
    # It takes a while, and nothing is lost by who does not wait.
    damage.name()
    console.close(run_writer.closing_words(folder, course, result))
    return result | {"written": console.written(folder.path, page)}


def _fit(
    run: RunFolder, course: Course, phases: provenance.Phases, parts: Folds | None
) -> tuple[dict[str, Any], Any]:
    """Train and measure; return the result, and what the run is to keep of its own."""
    from tfpipeline.train import measurement, run_writer
    from tfpipeline.train.fit import Diverged
    from tfpipeline.train.folds import training as folds

    chief = course.work.chief
    try:
        with phases("train"):
            course.train_head()
        with phases("fine_tune"):
            course.fine_tune()
        if parts is not None:
            with phases("folds"):
                course.out_of_fold = folds.run(course, parts)
                course.folds = parts.fold[course.work.examples.of("train")]
    except Diverged as error:
        if chief:
            run_writer.write_diverged(run, error.ids)
        raise
    with phases("evaluate"):
        result: dict[str, Any] = measurement.measure(course)
        measurement.predict_training(course)
    with phases("reference"):
        kept = measurement.reference_of(course)
    if parts is not None:
        result["folds"] = folds.summary(course.work, parts, course.logits["train"])
    return result, kept
