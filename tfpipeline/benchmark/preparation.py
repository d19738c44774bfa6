"""Pictures and a network, ready to be measured."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import DataSettings, ModelSettings
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
    """What is measured.

    Args:
        settings: Of the command, the model resolved.
        strategy: Where the steps run.
        rows: Audited files that can be used.
        label: Index of the class of each, int32.
        classifier: The network with a head.
        extractor: From images to features.
    """

    settings: BenchmarkSettings
    strategy: tf.distribute.Strategy
    rows: list[Row]
    label: np.ndarray
    classifier: keras.Model
    extractor: keras.Model

    @property
    def size(self) -> int:
        """Height and width of an image for the network, in pixels."""
        return int(self.settings.model.image_size or 0)

    def batches(self, batch_size: int) -> Batches:
        """Return the pictures in batches of a size.

        Args:
            batch_size: Images a step.
        """
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
    """Open the pictures and build the network.

    Args:
        settings: Of the command; `config_benchmark.check` found nothing wrong.
        strategy: Where the steps run.
        cache: What all commands share.
        phases: Are told how long each took.

    Returns:
        What is to be measured, and how many files a second a first audit opened.

    Raises:
        UserError: No usable picture, or a network that cannot be built.
    """
    with phases("pictures"):
        paths, label = _pictures(settings, cache)
    with phases("audit"):
        rows = scan.audit(paths, cache=None)
    good = np.array([not row.reason for row in rows])
    if not good.any():
        raise UserError(
            f"--source {settings.source}: expected pictures, but none of its "
            f"{len(rows)} files can be used. The first: {rows[0].reason}."
        )
    wish = settings.model
    if wish.weights is None:
        wish = dataclasses.replace(wish, weights="none")
    resolved = backbones.resolve(wish, settings.source or "")
    with phases("build"), strategy.scope():
        extractor, model = _network(resolved)
    setup = Setup(
        dataclasses.replace(settings, model=resolved),
        strategy,
        [row for row in rows if not row.reason],
        label[good],
        model,
        extractor,
    )
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
    found = opening.open_source(data, cache, drawn_world.drawer(data))
    if found.spans:
        raise UserError(
            f"--source {name}: expected files, received packed shards. Name the folder "
            "that they were packed from."
        )
    chosen = np.linspace(0, len(found) - 1, min(len(found), settings.images), dtype=int)
    return [found.paths[i] for i in chosen], found.label[chosen]


def _network(settings: ModelSettings) -> tuple[keras.Model, keras.Model]:
    backbone = backbones.build_backbone(settings, world.WEIGHTS_FILE)
    mode = registry.BACKBONES[settings.backbone].mode
    model = classifier.build_classifier(backbone, mode, settings, CLASSES)
    return classifier.split_classifier(model)[0], model


def figures(setup: Setup) -> dict[str, Any]:
    """Return what the network is and costs.

    Args:
        setup: What is measured.
    """
    settings = setup.settings.model
    return {
        "backbone": settings.backbone,
        "alpha": settings.alpha,
        "image_size": settings.image_size,
        "weights": settings.weights,
        "parameters": int(setup.extractor.count_params()),
        "multiply_adds": flops.multiply_adds(setup.extractor),
        "features": int(setup.extractor.output_shape[-1]),
        "precision": keras.mixed_precision.dtype_policy().name,
    }
