"""From settings to everything that a training needs: devices, images, network."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import DataSettings, RunSettings, TrainSettings
from tfpipeline.core import provenance
from tfpipeline.core.errors import UserError, check_each
from tfpipeline.data import dataset, pipeline, scan
from tfpipeline.data.dataset import Examples
from tfpipeline.data.pipeline import Batches, Reading
from tfpipeline.data.sources import drawn_world
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.opening import open_source
from tfpipeline.demo import world
from tfpipeline.metrics import calibration
from tfpipeline.models import (
    backbones,
    classifier,
    registry,
    unfreezing,
    worker_agreement,
)
from tfpipeline.models.throughput import Meter
from tfpipeline.train import (
    adversarial,
    batch_size_finder,
    checkpoints,
    from_scratch,
    optimizers,
)
from tfpipeline.train.checkpoints import State


@dataclass(frozen=True)
class Work:
    """What every step of a training needs."""

    settings: RunSettings
    strategy: tf.distribute.Strategy
    model: keras.Model
    examples: Examples
    batches: Batches
    alone: Batches
    meter: Meter

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return distribute.is_chief(self.strategy)


def fine_tuning(settings: RunSettings) -> TrainSettings:
    """Return how the second stage trains: as the first, but for what it names itself."""
    own = settings.fine_tune
    return dataclasses.replace(
        settings.train,
        epochs=own.epochs,
        learning_rate=own.learning_rate,
        optimizer=own.optimizer or settings.train.optimizer,
        schedule=own.schedule,
        warmup_epochs=own.warmup_epochs,
        patience=own.patience,
    )


def check(settings: RunSettings) -> None:
    """Refuse settings that cannot be together, before any work is done."""
    train = settings.train
    optimizers.check(train)
    if adversarial.choose(settings.robust) is not None and settings.data.views:
        raise UserError(
            f"--robust.method {settings.robust.method} with --data.views: views are "
            "features, computed once; an attack changes images anew in every step. "
            "Leave one of them out."
        )
    unfreezing.check(settings.fine_tune)
    if settings.fine_tune.epochs:
        optimizers.check(fine_tuning(settings), "fine_tune")
    if settings.data.sampling != "natural" and train.class_weights != "none":
        raise UserError(
            "--data.sampling balanced and --train.class_weights balanced: expected one "
            "of them; both would count rare classes twice. Leave one out."
        )
    checkpoints.check(settings.checkpoint)
    least = {"profile_steps": ("at least 0", settings.logs.profile_steps >= 0)}
    check_each("logs", settings.logs, least)
    calibration.check(
        settings.calibration.target_error, settings.calibration.confidence
    )


def check_together(settings: RunSettings, strategy: tf.distribute.Strategy) -> None:
    """Refuse what the devices at hand cannot do."""
    replicas, workers = strategy.num_replicas_in_sync, distribute.workers(strategy)[1]
    if settings.train.jit_compile and replicas > 1:
        raise UserError(
            f"--train.jit_compile true with {replicas} replicas: XLA cannot compile "
            "what they exchange. Use --distribute.strategy one_device, or leave it out."
        )
    if workers > 1 and settings.data.batch_size == "auto":
        raise UserError(
            "--data.batch_size auto with several workers: each would find another "
            "size. Give a number; it is the size of the global batch."
        )
    if workers > 1 and not settings.workdir:
        raise UserError(
            "--workdir: expected with several workers: a folder that all of them see."
        )


def prepare(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    cache: Path,
    phases: provenance.Phases,
) -> Work:
    """Audit the images and build the network."""
    worker_agreement.check_settings(strategy, settings)
    with distribute.jointly(strategy):
        check_together(settings, strategy)
        settings = from_scratch.resolve(settings)
        if settings.data.batch_size != "auto":
            _reading(settings, strategy, settings.data.batch_size)
    model_settings = settings.model
    mode = registry.BACKBONES[model_settings.backbone].mode
    with phases("audit"):
        draw = drawn_world.drawer(settings.data)
        opened = _look_together(settings.data, strategy, cache, draw)
        with distribute.chief_first(strategy):
            examples = dataset.prepare(
                settings.data, settings.seed, cache, draw, opened
            )
        worker_agreement.check_examples(strategy, examples)
    _check_validated(settings, examples)
    with phases("build"), strategy.scope():
        backbone = backbones.build_backbone(model_settings, world.WEIGHTS_FILE)
        classes = len(examples.source.labels)
        if model_settings.weights == "none":
            some = _some_images(settings, examples)
            backbones.calibrate(backbone, some, mode)
        model = classifier.build_classifier(backbone, mode, model_settings, classes)
    if model_settings.weights != "none":
        worker_agreement.check_weights(strategy, [backbone])
    if settings.fine_tune.epochs:
        unfreezing.check_wish(backbone, settings.fine_tune.unfreeze)
    with phases("build"):
        size = _batch_size(settings, strategy, model, len(examples.source))
    reading = _reading(settings, strategy, size)
    batches = Batches(examples.files, examples.source.label, reading, classes)
    data = dataclasses.replace(settings.data, batch_size=reading.batch_size)
    settings = dataclasses.replace(settings, data=data)
    alone = batches
    if reading.workers > 1:
        # Where each worker is on its own, its part of a batch may be too small.
        least = distribute.replica_multiple(32, strategy) // reading.workers
        size = max(reading.own_size, least)
        own = dataclasses.replace(reading, worker=0, workers=1, batch_size=size)
        alone = Batches(examples.files, examples.source.label, own, classes)
    return Work(settings, strategy, model, examples, batches, alone, Meter())


def _look_together(
    settings: DataSettings,
    strategy: tf.distribute.Strategy,
    cache: Path,
    draw: Callable[[Path], Path],
) -> Source | None:
    """Let each worker look at its part of the files; all find what is kept of them."""
    worker, workers = distribute.workers(strategy)
    if workers == 1:
        return None
    dataset.check(settings)
    with distribute.chief_first(strategy):
        opened = open_source(settings, cache, draw)
    count = len(opened)
    part = slice(count * worker // workers, count * (worker + 1) // workers)
    with distribute.jointly(strategy):
        scan.audit(opened.paths[part], opened.spans[part], cache=cache, joins=False)
    return opened


def with_noted_batch(settings: RunSettings, folder: Path) -> RunSettings:
    """Return settings with the batch size that an unfinished training has found."""
    size = checkpoints.noted(folder, "batch_size")
    if size is None:
        return settings
    data = dataclasses.replace(settings.data, batch_size=int(size))
    return dataclasses.replace(settings, data=data)


def check_agreement(strategy: tf.distribute.Strategy, state: State | None) -> None:
    """Make sure that all workers go on from the same checkpoint, or from none."""
    values = {} if state is None else state.values
    facts = {"checkpoints": lambda: (f"{k}: {values[k]}" for k in sorted(values))}
    distribute.check_same(
        strategy,
        facts,
        "--workdir has to be one folder that all of them see; remove what is left of "
        "other trainings.",
    )


def _check_validated(settings: RunSettings, examples: Examples) -> None:
    """Refuse what looks at validation images where there are none."""
    if len(examples.of("validation")):
        return
    stages = {"train": settings.train.schedule}
    if settings.fine_tune.epochs:
        stages["fine_tune"] = settings.fine_tune.schedule
    for name, schedule in stages.items():
        if schedule == "plateau":
            raise UserError(
                f"--{name}.schedule plateau: it looks at the validation loss, and "
                "there are no validation images. Set --data.validation_fraction, or "
                "choose another schedule."
            )


def _reading(
    settings: RunSettings, strategy: tf.distribute.Strategy, batch_size: int
) -> Reading:
    size = settings.model.image_size
    assert size is not None
    data = settings.data
    worker, workers = distribute.workers(strategy)
    return Reading(
        height=size,
        width=size,
        resize=data.resize,
        batch_size=distribute.replica_multiple(batch_size, strategy),
        augmentation=data.augmentation,
        seed=settings.seed,
        sampling=data.sampling,
        views=data.views,
        worker=worker,
        workers=workers,
    )


def _some_images(settings: RunSettings, examples: Examples) -> np.ndarray:
    """Return a few training images, the same in every worker."""
    size = settings.model.image_size or 0
    data = settings.data
    count = 32 if data.batch_size == "auto" else min(32, max(8, data.batch_size))
    reading = Reading(size, size, data.resize, count, seed=settings.seed)
    batches = pipeline.Batches(examples.files, examples.source.label, reading)
    order = batches.shuffled(examples.of("train"), 0)
    return np.asarray(next(iter(batches.plain(order)))[0])


def _batch_size(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    images: int,
) -> int:
    """Return the batch size that was asked for, or the one that was found."""
    most = distribute.replica_multiple(images, strategy)
    if settings.data.batch_size != "auto":
        return min(most, settings.data.batch_size)
    learns = settings.fine_tune.epochs > 0
    extractor, _ = classifier.split_classifier(model)
    learns = learns or bool(settings.train.from_scratch)
    found = batch_size_finder.largest_batch(
        extractor, strategy, most=min(most, batch_size_finder.MOST), learns=learns
    )
    return distribute.replica_multiple(found, strategy)
