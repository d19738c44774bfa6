"""What a training writes into its run folder, before, beside and after it."""

import dataclasses
import hashlib
import shlex
from typing import Any

import tensorflow as tf

from tfpipeline import cli
from tfpipeline.cli import from_python
from tfpipeline.config import RunSettings
from tfpipeline.core import console, file_io, image_io, provenance, run_dir
from tfpipeline.data import dataset, splits
from tfpipeline.models import saving
from tfpipeline.report import charts
from tfpipeline.report.closing import closing
from tfpipeline.train.fit_spec import write_history
from tfpipeline.train.setup import Work
from tfpipeline.train.stages import Course
from tfpipeline.train.tensorboard import Outcome

DIVERGED = "diverged.csv"

SPLITS = ("train", "validation", "test")

# Settings that a training may go on with though they have changed.
_FREE = (
    *("workdir", "cache_dir", "overwrite", "checkpoint", "distribute", "logs"),
    *("data.cache", "train.on_nan"),
)


def identity(settings: RunSettings, work: Work) -> dict[str, str]:
    """Return what a checkpoint must agree with: settings and data, by name.

    Args:
        settings: As the user gave them.
        work: Their images.
    """
    given = from_python.flat(cli.anchored(settings), _FREE)
    found = {f"--{name}": str(value) for name, value in given.items()}
    examples = work.examples
    source = examples.source
    told = (examples.keys, examples.split.tolist(), source.labels)
    data = repr((*told, source.label.tolist()))
    digest = hashlib.sha256(data.encode("utf-8", "surrogateescape")).hexdigest()
    found["the images"] = digest[:16]
    if settings.data.batch_size != "auto":
        found["--data.batch_size"] = str(work.settings.data.batch_size)
    return found


def begin(run: run_dir.RunFolder, work: Work) -> None:
    """Make the run folder; its manifest comes first and says that it is unfinished.

    Args:
        run: Where to write.
        work: What will be trained.
    """
    examples = work.examples
    diverged = run.path / DIVERGED
    earlier = (run.model, run.metrics, run.history, run.evaluation, run.corrections)
    for old in (*earlier, *run.told, diverged):
        old.unlink(missing_ok=True)
    file_io.write_json(
        run.manifest, {"finished": False, "command": provenance.command()}
    )
    file_io.write_text(run.config, cli.dump(cli.anchored(work.settings)))
    file_io.write_lines(run.labels, examples.source.labels)
    splits.write(run.splits, examples.source, examples.split, examples.keys)
    dataset.write_quarantine(run.quarantine, examples.quarantined)
    if examples.corrected.relabelled or examples.corrected.dropped:
        examples.corrected.write(run.corrections, examples.source.labels)


def draw(run: run_dir.RunFolder, work: Work) -> dict[str, int]:
    """Draw the first training batch as the network sees it, and what leaks.

    Args:
        run: Where to write.
        work: What will be trained.

    Returns:
        How many validation and test images are copies of training images.
    """
    order = work.batches.shuffled(work.examples.of("train"), 0)
    order = order[: work.batches.reading.batch_size]
    pictures, targets, weights = next(iter(work.batches.augmented(order, 0)))
    count = int((weights.numpy() > 0).sum())
    labels = work.examples.source.labels
    sheet = charts.batch(pictures[:count], targets[:count], labels)
    image_io.save_png(run.figures / "batch.png", sheet)
    leaks = {kind: work.examples.leaks(kind) for kind in ("exact", "near")}
    if leaks["near"] and (found := work.examples.leak_sheet()) is not None:
        image_io.save_png(run.figures / "leaks.png", found)
    return leaks


def diverged(run: run_dir.RunFolder, ids: list[str]) -> None:
    """Write down the batch at which the loss was no number any more.

    Args:
        run: Where to write.
        ids: Of its images.
    """
    file_io.write_csv(run.path / DIVERGED, ["id"], ([one] for one in ids))


def save(run: run_dir.RunFolder, course: Course) -> None:
    """Write what was trained.

    Args:
        run: Where to write.
        course: The training, at its end.
    """
    work = course.work
    saving.save_classifier(run.model, work.model, work.examples.source.labels)
    file_io.write_json(run.calibration, course.calibration.to_json())
    write_history(run.history, course.history)
    file_io.write_text(run.config, cli.dump(cli.anchored(work.settings)))
    if (search := course.search) is not None:
        curve = charts.learning_rates(search.rates, search.losses, search.rate)
        image_io.save_png(run.figures / "learning_rate.png", curve)
        file_io.write_json(
            run.figures / "learning_rate.json", dataclasses.asdict(search)
        )


def finish(run: run_dir.RunFolder, course: Course, result: dict[str, Any]) -> None:
    """Write the result; the manifest comes last and says that the run is whole.

    Args:
        run: Where to write.
        course: The training, at its end.
        result: For `metrics.json`.
    """
    work, task = course.work, course.task
    examples, data = work.examples, work.settings.data
    file_io.write_json(run.metrics, result)
    if course.board is not None:
        course.board.finish(run.figures, _outcome(course, result))
    file_io.write_json(
        run.manifest,
        {
            "finished": True,
            "command": provenance.command(),
            "versions": provenance.versions(),
            "seed": work.settings.seed,
            "devices": [device.name for device in tf.config.list_logical_devices()],
            "replicas": int(work.strategy.num_replicas_in_sync),
            "fingerprints": {"features": task.fingerprint if task else None},
            "examples": {s: int((examples.split == s).sum()) for s in SPLITS},
            "quarantined": len(examples.quarantined),
            "corrections": examples.corrected.counts,
            "leaks": result["leaks"]["exact"],
            "near_leaks": result["leaks"]["near"],
            "rare_classes": examples.rare(data.min_class_share),
            "seconds": result["seconds"],
            "kept_epoch": course.kept_epoch,
            "undone": course.undone,
            "logs": run.logs.name if run.logs.is_dir() else None,
            "epoch_seconds": [round(seconds, 3) for seconds in course.seconds],
        },
    )


def _outcome(course: Course, result: dict[str, Any]) -> Outcome:
    examples = course.work.examples
    label = examples.source.label
    # Of training images nothing was measured.
    splits = [split for split in course.logits if split in result]
    return Outcome(
        len(course.history),
        {split: result[split] for split in splits},
        {split: course.logits[split] for split in splits},
        {split: label[examples.of(split)] for split in splits},
        examples.source.labels,
    )


def retime(run: run_dir.RunFolder, result: dict[str, Any]) -> None:
    """Write the result again, now that its page has been made and timed.

    Args:
        run: A finished run.
        result: For `metrics.json`.
    """
    file_io.write_json(run.metrics, result)
    told = {**run.read_manifest(), "seconds": result["seconds"]}
    file_io.write_json(run.manifest, told)


def closing_words(
    folder: run_dir.RunFolder, course: Course, result: dict[str, Any]
) -> console.Closing:
    """Say what was done, what came out, and what to do next."""
    examples = course.work.examples
    return closing(
        "train",
        folder.report if folder.report.is_file() else folder.path,
        settings=course.work.settings,
        images=len(examples.of("train")),
        classes=len(examples.source.labels),
        history=course.history,
        kept_epoch=course.kept_epoch,
        undone=course.undone,
        metrics=result,
        calibration=course.calibration.to_json(),
        folder=folder.path,
        quoted_folder=shlex.quote(str(folder.path)),
        unusable=len(examples.quarantined),
        rare=examples.rare(course.work.settings.data.min_class_share),
    )
