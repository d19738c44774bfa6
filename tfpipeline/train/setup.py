"""From settings to everything that a training needs: devices, images, network."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core import console, provenance
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import dataset, scan
from tfpipeline.data.dataset import Examples
from tfpipeline.data.pipeline import Batches, Reading
from tfpipeline.data.review import Opened, Review
from tfpipeline.data.sampling import Blocks
from tfpipeline.data.sources import drawn_world, listing
from tfpipeline.data.sources import settings as settings_of_sources
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.opening import open_source
from tfpipeline.demo import world
from tfpipeline.metrics import weights
from tfpipeline.models import (
    backbones,
    classifier,
    unfreezing,
    worker_agreement,
)
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.models.throughput import Meter
from tfpipeline.train import batch_size_finder, checkpoints, checks, from_scratch
from tfpipeline.train.embedded.held import Held, open_held
from tfpipeline.train.targets import limits, scaling


@dataclass(frozen=True)
class Work:
    """What every step of a training needs."""

    # Every null and `auto` replaced as far as is known yet.
    settings: RunSettings
    strategy: tf.distribute.Strategy
    model: keras.Model
    examples: Examples
    # This worker's part of each global batch; and the same images for it alone.
    batches: Batches
    alone: Batches
    meter: Meter
    # What is to be known of the examples before they are used.
    review: Review
    # Their features, where `embed` has computed them.
    features: ShardFeatures | None = None

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return distribute.is_chief(self.strategy)

    def changed(self, section: str, **changes: Any) -> "Work":
        """Return the same with other settings in a section."""
        own = dataclasses.replace(getattr(self.settings, section), **changes)
        settings = dataclasses.replace(self.settings, **{section: own})
        return dataclasses.replace(self, settings=settings)


def prepare(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    cache: Path,
    phases: provenance.Phases,
) -> Work:
    """Audit the images and build the network, by settings that `checks` accepts."""
    worker_agreement.check_settings(strategy, settings, settings.data.classes)
    with distribute.jointly(strategy):
        checks.check_devices(settings, strategy)
        settings = from_scratch.resolve(settings)
        if settings.data.batch_size != "auto":
            _reading(settings, strategy, settings.data.batch_size)
    with phases("audit"):
        draw = drawn_world.drawer(settings.data)
        held = None
        with console.gathered() as remarks, listing.noting() as passed:
            if settings.data.features is not None:
                with distribute.jointly(strategy):
                    held = open_held(settings.data)
                    name = held.labels.data.source
                    data = dataclasses.replace(settings.data, source=name)
                    settings = dataclasses.replace(settings, data=data)
                    examples = held.examples(settings, cache, draw)
            else:
                source = _scan_together(settings.data, strategy, cache, draw)
                with distribute.chief_first(strategy):
                    examples = dataset.prepare(
                        settings.data, settings.seed, cache, draw, source
                    )
        worker_agreement.check_examples(strategy, examples)
        opened = Opened(remarks, passed)
        review = examples.review(opened, settings.data.min_class_share)
    settings = _with_ranges(settings, examples)
    settings = _with_target(settings, examples)
    checks.check_schedules(settings, examples)
    with phases("build"), strategy.scope():
        model = _build(settings, examples, held)
        features = None if held is None else held.store(examples)
    backbone = classifier.backbone_of(model)
    if settings.model.weights != "none":
        worker_agreement.check_weights(strategy, [backbone])
    if settings.fine_tune.epochs:
        unfreezing.check_wish(backbone, settings.fine_tune.unfreeze)
    with phases("build"):
        size = _batch_size(settings, strategy, model, len(examples.source))
    reading = _reading(settings, strategy, size)
    settings = _with_batch_size(settings, reading.batch_size)
    batches = alone = _batches(examples, reading)
    if reading.workers > 1:
        # Where each worker is on its own, its part of a batch may be too small.
        least = distribute.replica_multiple(32, strategy) // reading.workers
        size = max(reading.own_size, least)
        own = dataclasses.replace(reading, worker=0, workers=1, batch_size=size)
        alone = _batches(examples, own)
    if features is not None and not features.is_whole:
        batches.blocks = blocks_of(features, reading)
    given = settings, strategy, model, examples, batches, alone
    return Work(*given, Meter(), review, features)


def blocks_of(features: ShardFeatures, reading: Reading) -> Blocks:
    """Return which shards are read together, and by which worker.

    Raises:
        UserError: Workers with shards of their own would have other examples of a
            balanced epoch each time, and another number of batches.
    """
    if reading.workers > 1 and reading.sampling == "balanced":
        raise UserError(
            "--data.sampling balanced with --data.features and several workers: "
            "expected features that fit into memory, for each worker trains on shards "
            "of its own. Leave --data.sampling out and give --train.class_weights, or "
            "train with one worker."
        )
    return Blocks(features.shard, features.together, reading.workers)


def _scan_together(
    settings: DataSettings,
    strategy: tf.distribute.Strategy,
    cache: Path,
    draw: Callable[[Path], Path],
) -> Source | None:
    """Let each worker scan its part of the files; all find the results in the cache."""
    worker, workers = distribute.workers(strategy)
    if workers == 1:
        return None
    settings_of_sources.check(settings)
    with distribute.chief_first(strategy):
        source = open_source(settings, cache, draw)
    count = len(source)
    part = slice(count * worker // workers, count * (worker + 1) // workers)
    with distribute.jointly(strategy):
        files, limit = (source.paths[part], source.spans[part]), settings.max_pixels
        scan.audit(*files, cache=cache, max_pixels=limit, joins=False)
    return source


def _build(settings: RunSettings, examples: Examples, held: Held | None) -> keras.Model:
    mode = backbones.mode_of(settings.model)
    backbone = None if held is None else held.backbone()
    if backbone is None:
        backbone = backbones.build_backbone(settings.model, world.WEIGHTS_FILE)
        if settings.model.weights == "none":
            backbones.calibrate(backbone, _first_images(settings, examples), mode)
    unit, classes = scaling.of_examples(examples), len(examples.source.labels)
    own = settings.model, classes, unit
    model = classifier.build_classifier(backbone, mode, *own)
    if held is not None:
        held.check(model)
    return model


def _first_images(settings: RunSettings, examples: Examples) -> np.ndarray:
    """Return a few training images, the same in every worker."""
    size, data = settings.model.image_size or 0, settings.data
    count = 32 if data.batch_size == "auto" else min(32, max(8, data.batch_size))
    reading = Reading(size, size, data.resize, count, seed=settings.seed)
    batches = _batches(examples, reading)
    order = batches.shuffled(examples.of("train"), 0)
    return np.asarray(next(iter(batches.plain(order)))[0])


def with_resumed_batch_size(
    settings: RunSettings, folder: Path, given: Mapping[str, str]
) -> RunSettings:
    """Return settings with the batch size that an unfinished training has found.

    It is that of the run or, where only folds have checkpoints, of one of these; by
    the same settings, `given` as a checkpoint has them.
    """
    folders = folder, *sorted(folder.glob("fold-*"))
    sizes = (checkpoints.peek(each, "batch_size", given) for each in folders)
    size = next((size for size in sizes if size is not None), None)
    return settings if size is None else _with_batch_size(settings, int(size))


def with_kept_classes(settings: RunSettings, run: RunFolder) -> RunSettings:
    """Return settings by which an unfinished training resumes without a file.

    The file of classes that it was begun with may have gone: a copy lies in its folder.
    """
    file = settings.data.classes
    if file is None or Path(file).exists() or not run.classes.is_file():
        return settings
    console.note(f"--data.classes {file} is gone: resumes with {run.classes}")
    data = dataclasses.replace(settings.data, classes=str(run.classes))
    return dataclasses.replace(settings, data=data)


def _with_batch_size(settings: RunSettings, size: int) -> RunSettings:
    data = dataclasses.replace(settings.data, batch_size=size)
    return dataclasses.replace(settings, data=data)


def _with_ranges(settings: RunSettings, examples: Examples) -> RunSettings:
    """Return settings with the ranges that were chosen, where there was any need."""
    chosen = examples.brightness
    if not chosen.counts:
        return settings
    data = dataclasses.replace(settings.data, range=str(chosen.ranges))
    return dataclasses.replace(settings, data=data)


def _with_target(settings: RunSettings, examples: Examples) -> RunSettings:
    """Return settings with the target of the source; refuse what it does not have."""
    data = dataclasses.replace(settings.data, target=examples.source.target)
    settings = dataclasses.replace(settings, data=data)
    limits.check(settings, examples)
    return settings


def _batches(examples: Examples, reading: Reading) -> Batches:
    source = examples.source
    reading = dataclasses.replace(reading, ranges=examples.brightness.ranges)
    given = examples.weights(np.arange(len(source)))
    each = None if given is None else weights.copies(given)[1]
    own = source.label, reading, len(source.labels), each, source.values
    return Batches(examples.files, *own)


def _reading(
    settings: RunSettings, strategy: tf.distribute.Strategy, batch_size: int
) -> Reading:
    size, data = settings.model.image_size, settings.data
    assert size is not None
    batch_size = distribute.replica_multiple(batch_size, strategy)
    changes = data.augmentation, settings.seed, data.sampling, data.views
    worker = distribute.workers(strategy)
    return Reading(size, size, data.resize, batch_size, *changes, *worker)


def _batch_size(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    images: int,
) -> int:
    """Return the batch size of the settings, or the best one for the machine."""
    most = distribute.replica_multiple(images, strategy)
    if settings.data.batch_size != "auto":
        return min(most, settings.data.batch_size)
    size = batch_size_finder.largest_batch(
        classifier.split_classifier(model)[0],
        strategy,
        most=min(most, batch_size_finder.MOST),
        learns=settings.fine_tune.epochs > 0 or bool(settings.train.from_scratch),
    )
    return distribute.replica_multiple(size, strategy)
