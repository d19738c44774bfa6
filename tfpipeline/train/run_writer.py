"""What a training writes into its run folder, before, beside and after it."""

import dataclasses
import hashlib
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import cli
from tfpipeline.cli import from_python
from tfpipeline.config import RunSettings
from tfpipeline.core import console, file_io, image_io, provenance
from tfpipeline.core import target as targets_of
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import dataset, duplicates, splits
from tfpipeline.data.grouping import families
from tfpipeline.data.grouping.families import Families
from tfpipeline.metrics import novelty
from tfpipeline.models import reference, saving
from tfpipeline.models.reference import Reference
from tfpipeline.report import charts, gallery, run_data, second_process
from tfpipeline.report.closing import closing
from tfpipeline.train import measurement
from tfpipeline.train.course import Course
from tfpipeline.train.fit_state import Row
from tfpipeline.train.folds.division import Folds
from tfpipeline.train.inputs import CachedFeatures
from tfpipeline.train.setup import Work

DIVERGED = "diverged.csv"

SPLITS = ("train", "validation", "test")

# Pairs of related images in the manifest, at most.
SHOWN_FAMILIES = 40

# Settings that a training may go on with though they have changed.
_FREE = (
    *("workdir", "cache_dir", "overwrite", "checkpoint", "distribute", "logs"),
    *("preset", "data.cache", "data.classes", "train.on_nan", "train.reference"),
    "train.false_alarms",
)

# How a checkpoint calls the content of a file, whose name may change.
_CLASSES = "--data.classes, kept as classes.csv, of the digest"


def named(settings: RunSettings) -> dict[str, str]:
    """Return the settings that a checkpoint must agree with, by their flags."""
    flat = from_python.flat(cli.anchored(settings), _FREE)
    return {f"--{name}": str(value) for name, value in flat.items()}


def identity(settings: RunSettings, work: Work) -> dict[str, str]:
    """Return what a checkpoint must agree with: settings and data, by name.

    The settings are those that the user gave.
    """
    names = named(settings)
    examples, source = work.examples, work.examples.source
    splits = examples.split.tolist()
    weight: tuple[Any, ...] = (source.weight,) if source.weight else ()
    if source.values is not None:
        weight += (source.target, source.values.tobytes())
    keys = list(examples.keys)
    data = repr((keys, splits, source.labels, source.label.tolist(), *weight))
    digest = hashlib.sha256(data.encode("utf-8", "surrogateescape")).hexdigest()
    names["the images"] = digest[:16]
    if work.features is not None:
        names["the features"] = work.features.digest
    if work.examples.source.class_map.new:
        names[_CLASSES] = work.examples.source.class_map.digest
    if examples.brightness.counts:
        names["--data.range, as it was chosen"] = str(examples.brightness.ranges)
    if settings.data.batch_size != "auto":
        names["--data.batch_size"] = str(work.settings.data.batch_size)
    return names


def clear(run: RunFolder) -> None:
    """Remove earlier results, and write a manifest that says: it is unfinished."""
    earlier = [run.model, run.metrics, run.history, run.corrections, run.out_of_fold]
    earlier += [run.novelty, run.novelty_arrays, run.decision]
    for old in (*earlier, *run.evaluated, *run.told, run.path / DIVERGED):
        old.unlink(missing_ok=True)
    shutil.rmtree(run.reference, ignore_errors=True)
    manifest = {"finished": False, "command": provenance.command()}
    file_io.write_json(run.manifest, manifest)


def begin(run: RunFolder, work: Work, given: Folds | None = None) -> None:
    """Write what is known before the training; the manifest comes first."""
    examples = work.examples
    clear(run)
    file_io.write_text(run.config, cli.dump(cli.anchored(work.settings)))
    file_io.write_lines(run.labels, examples.source.labels)
    fold = None if given is None else given.fold
    splits.write(run.splits, examples.source, examples.split, examples.keys, fold)
    dataset.write_quarantine(run.quarantine, examples.quarantined)
    if examples.corrected.relabelled or examples.corrected.dropped:
        examples.corrected.write(run.corrections, examples.source.labels)
    # In place: it may have been resumed from the one that stands there.
    if examples.source.class_map.new:
        examples.source.class_map.write(run.classes)
    else:
        run.classes.unlink(missing_ok=True)


def draw(run: RunFolder, course: Course) -> tuple[dict[str, Any], Callable[[], None]]:
    """Draw the first training batch as the network sees it, and leaks; count those.

    It returns what `metrics.json` says of leaks, and what waits for the batch.
    """
    work, first = course.work, course.work.examples.files[0].path
    drawn = _draw_batch(run, work) if work.features is None else (lambda: None)
    if work.features is not None and not Path(first).is_file():
        note = "no pictures where they were embedded from: the page has no thumbnails"
        console.note(f"{first}: {note}")
    leaks: dict[str, Any] = {k: work.examples.leaks(k) for k in ("exact", "near")}
    if leaks["near"] and (copies := work.examples.leak_sheet()) is not None:
        image_io.save_png(run.figures / "leaks.png", copies)
    if course.task is None and course.state is not None:
        # Features are not read again; what they told is in the checkpoint.
        course.related = course.state.values.get("related", {})
    if not course.related:
        course.related = _told(work, _families(run, course))
    if not second_process.is_there():
        drawn()  # What cannot be drawn ends the run now, not after the training.
    return leaks | course.related, drawn


def _draw_batch(run: RunFolder, work: Work) -> Callable[[], None]:
    reading, file = work.batches.reading, run.figures / "batch.png"
    order = work.batches.shuffled(work.examples.of("train"), 0)[: reading.batch_size]
    pictures: Any
    if reading.augmentation == "none":
        # Where features are in the cache, nothing else asks TensorFlow for images.
        order = order[: gallery.SHOWN]
        pictures = gallery.of_files([work.examples.files[i] for i in order], reading)
        targets = work.examples.truth(order)
    else:
        images, targets, weights = next(iter(work.batches.augmented(order, 0)))
        count = min(int((weights.numpy() > 0).sum()), gallery.SHOWN)
        pictures = image_io.to_uint8(np.asarray(images)[:count])
        targets = np.asarray(targets)[:count]
    source = work.examples.source
    return second_process.call(
        *(gallery.draw_batch, file, pictures, targets, source.labels, source.target)
    )


def _told(work: Work, related: Families) -> dict[str, Any]:
    """Return what `metrics.json` has of families."""
    ids, trained = work.examples.source.ids, len(work.examples.of("train"))
    families = {
        "compared": related.compared,
        "searched": related.searched,
        "threshold": related.threshold,
        "pairs": [[ids[a], ids[b]] for a, b in related.pairs[:SHOWN_FAMILIES]],
    }
    if work.chief and related.compared and related.searched < trained:
        console.note(
            f"images that look related across splits: compared with {related.searched} "
            f"of {trained} training images, drawn at random"
        )
    return {"features": len(related.pairs), "families": families}


def _families(run: RunFolder, course: Course) -> Families:
    """Look for families across splits, where features are on disk, and draw them."""
    task, examples = course.task, course.work.examples
    if task is None or not isinstance(task.inputs, CachedFeatures):
        return Families()
    if task.inputs.is_coarse:
        console.note(
            "related images across splits are not searched for: features of training "
            "images are in bfloat16"
        )
        return Families()
    source = examples.source
    is_single = source.target in targets_of.CLASSES
    truth = families.Truth(source.label, None if is_single else source.values)
    related = families.find(
        *(examples.split, truth, examples.alike),
        task.inputs.rows,
        *(course.work.settings.seed, task.inputs.cache.width),
    )
    if course.work.features is not None:
        return related
    sheet = duplicates.leak_sheet(
        *(examples.source, examples.split, examples.files, related.pairs),
        ranges=examples.brightness.ranges,
    )
    if sheet is not None:
        image_io.save_png(run.figures / "families.png", sheet)
    return related


def write_diverged(run: RunFolder, ids: list[str]) -> None:
    """Write the batch at which the training diverged."""
    file_io.write_csv(run.path / DIVERGED, ["id"], ([name] for name in ids))


def write_history(path: Path, history: Sequence[Row]) -> None:
    """Write `history.csv`: one line an epoch."""
    header = list(dict.fromkeys(name for row in history for name in row)) or ["epoch"]
    rows = ([row.get(key, "") for key in header] for row in history)
    file_io.write_csv(path, header, rows)


def save(run: RunFolder, course: Course) -> None:
    """Write what was trained."""
    work = course.work
    examples = work.examples
    own = examples.source.labels, examples.brightness.ranges
    saving.save_classifier(run.model, work.model, *own, course.decision)
    if examples.source.target != targets_of.SINGLE:
        file_io.write_json(run.decision, course.decision.to_json())
    file_io.write_json(run.calibration, course.calibration.to_json())
    write_history(run.history, course.history)
    file_io.write_text(run.config, cli.dump(cli.anchored(work.settings)))
    if (search := course.search) is not None:
        curve = charts.learning_rates(search.rates, search.losses, search.rate)
        image_io.save_png(run.figures / "learning_rate.png", curve)
        file_io.write_json(
            run.figures / "learning_rate.json", dataclasses.asdict(search)
        )


def write_reference(
    run: RunFolder, course: Course, kept: Reference, result: dict[str, Any]
) -> None:
    """Write the features of a run's own images, and what tells strange ones by them.

    How many of the test images are known is added to the `result`.
    """
    reference.write(run, kept)
    if not np.isfinite(kept.features).all():
        console.warn(
            "Some features are NaN or infinite, so nothing will say which images are "
            "known. A lower --train.learning_rate, or --train.precision float32, may "
            "keep them finite."
        )
        return
    score, strangers = measurement.novelty_of(course, kept)
    novelty.save(run, score, strangers)
    for split, summary in strangers.items():
        own = {key: summary[key] for key in summary if key != "strangest"}
        result[split]["novelty"] = own


def finish(run: RunFolder, course: Course, result: dict[str, Any]) -> None:
    """Write the result; the manifest comes last and says that the run is whole."""
    work, task = course.work, course.task
    examples, data = work.examples, work.settings.data
    file_io.write_json(run.metrics, result)
    if course.board is not None and course.decision.target in targets_of.CLASSES:
        # Of training images nothing was measured.
        logits = {s: values for s, values in course.logits.items() if s in result}
        epochs = len(course.history)
        course.board.finish(run.figures, epochs, result, logits, examples)
    manifest = {
        "finished": True,
        "command": provenance.command(),
        "versions": provenance.versions(),
        "seed": work.settings.seed,
        "target": examples.source.target,
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "replicas": int(work.strategy.num_replicas_in_sync),
        "fingerprints": {"features": task.fingerprint if task else None},
        "engine": course.engines,
        "examples": {s: int((examples.split == s).sum()) for s in SPLITS},
        "quarantined": len(examples.quarantined),
        "corrections": examples.corrected.counts,
        "brightness": examples.brightness.to_json(),
        "renamed_classes": examples.source.class_map.renamed,
        "dropped_classes": examples.source.class_map.dropped,
        "leaks": result["leaks"]["exact"],
        "near_leaks": result["leaks"]["near"],
        "feature_leaks": result["leaks"]["features"],
        "families": result["leaks"]["families"],
        "folds": work.settings.data.folds,
        "review": work.review.to_json(),
        "rare_classes": examples.rare(data.min_class_share),
        "seconds": result["seconds"],
        "kept_epoch": course.kept_epoch,
        "undone": course.undone,
        "logs": run.logs.name if run.logs.is_dir() else None,
        "epoch_seconds": [round(seconds, 3) for seconds in course.seconds],
    }
    if work.features is not None:
        manifest["embedded"] = str(work.features.folder)
    file_io.write_json(run.manifest, manifest)


def retime(run: RunFolder, result: dict[str, Any]) -> None:
    """Write the result again, now that its page has been made and timed."""
    file_io.write_json(run.metrics, result)
    manifest = {**run.read_manifest(), "seconds": result["seconds"]}
    file_io.write_json(run.manifest, manifest)


def closing_words(
    folder: RunFolder, course: Course, result: dict[str, Any]
) -> console.Closing:
    """Say what was done, what came out, and what to do next."""
    examples = course.work.examples
    is_single = examples.source.target in targets_of.CLASSES
    return closing(
        "train" if is_single else "train_target",
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
        diagnosis=run_data.read_json(folder.diagnosis),
        longer=course.longer,
        decision=course.decision,
    )
