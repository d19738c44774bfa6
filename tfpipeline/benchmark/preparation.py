"""Pictures and a network, ready to be measured."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import DataSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.core import provenance
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.pipeline import Batches, Reading
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import drawn_world, opening
from tfpipeline.demo import photo_like, world
from tfpipeline.models import backbones, classifier, flops, registry

# Of the head.
CLASSES = 10


@dataclass(frozen=True)
class Setup:
    """What is measured."""

    settings: BenchmarkSettings  # The model resolved.
    strategy: tf.distribute.Strategy
    rows: list[Row]  # Audited files that can be used.
    label: np.ndarray
    extractor: keras.Model  # From images to features.

    @property
    def size(self) -> int:
        """Height and width of an image for the network, in pixels."""
        return int(self.settings.model.image_size or 0)

    def batches(self, batch_size: int) -> Batches:
        """Return the pictures in batches of a size."""
        how = self.settings.data.resize
        reading = Reading(self.size, self.size, how, batch_size)
        return Batches(self.rows, self.label, reading)

    @property
    def order(self) -> np.ndarray:
        """The pictures of a round, repeated where there are too few."""
        return np.resize(np.arange(len(self.rows)), self.settings.images)


def prepare(
    settings: BenchmarkSettings,
    strategy: tf.distribute.Strategy,
    cache: Path,
    phases: provenance.Phases,
) -> tuple[Setup, float]:
    """Open pictures, build the network; return also files a second of the audit."""
    with phases("pictures"):
        paths, label = _pictures(settings, cache)
    with phases("audit"):
        limit = settings.data.max_pixels
        rows = scan.audit(paths, cache=None, max_pixels=limit)
    good = np.array([not row.reason for row in rows])
    if not good.any():
        raise UserError(
            f"--source {settings.source}: expected pictures, but none of its "
            f"{len(rows)} files can be used. The first: {rows[0].reason}."
        )
    model = settings.model
    if model.weights is None and model.backbone in registry.BACKBONES:
        model = dataclasses.replace(model, weights="none")
    model = backbones.resolve(model, settings.source or "")
    with phases("build"), strategy.scope():
        backbone = backbones.build_backbone(model, world.WEIGHTS_FILE)
        mode = backbones.mode_of(model)
        network = classifier.build_classifier(backbone, mode, model, CLASSES)
        extractor, _ = classifier.split_classifier(network)
    own = dataclasses.replace(settings, model=model)
    usable = [row for row in rows if not row.reason]
    setup = Setup(own, strategy, usable, label[good], extractor)
    return setup, len(rows) / phases.seconds["audit"]


def _pictures(
    settings: BenchmarkSettings, cache: Path
) -> tuple[list[Path], np.ndarray]:
    name = settings.source
    if name is None:
        count = min(settings.images, 256)
        folder = cache / "benchmark" / f"photographs-{settings.seed}-{count}"
        name = str(photo_like.write_folder(folder, count, settings.seed))
    data: DataSettings = dataclasses.replace(settings.data, source=name)
    source = opening.open_source(data, cache, drawn_world.drawer(data))
    if source.spans:
        raise UserError(
            f"--source {name}: expected files, received packed shards. Name the folder "
            "that they were packed from."
        )
    count = min(len(source), settings.images)
    chosen = np.linspace(0, len(source) - 1, count, dtype=int)
    return [source.paths[i] for i in chosen], source.label[chosen]


def figures(setup: Setup) -> dict[str, Any]:
    """Return what the network is and costs."""
    model, extractor = setup.settings.model, setup.extractor
    return {
        **{
            n: getattr(model, n) for n in ("backbone", "alpha", "image_size", "weights")
        },
        "parameters": int(extractor.count_params()),
        "multiply_adds": flops.multiply_adds(extractor),
        "features": int(extractor.output_shape[-1]),
        "precision": keras.mixed_precision.dtype_policy().name,
    }
