"""From the pictures of a shard to their features, by the network of a run or Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline import cli, distribute
from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.config.model import NETWORK
from tfpipeline.core import brightness, image_io, run_dir
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline, sample_ranges
from tfpipeline.data.inspect_file import OPENED
from tfpipeline.data.scan_cache import Place, Row
from tfpipeline.data.sources import jpeg_damage, pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.demo import world
from tfpipeline.embed.engine import Engine
from tfpipeline.models import arithmetic, backbones, classifier, saving
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import trial
from tfpipeline.models.engines.trial import PIECE
from tfpipeline.models.inference import Predictor
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.work import Content

HEADER = ("id", "sha256", "row", "error")


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A frozen network from files to vectors.

    Args:
        extractor: From images in [0, 1] to features.
        predictor: The same, traced.
        reading: How files become batches.
        dtype: Of the features.
        max_pixels: Height times width of a picture, at most.
        named: By which settings it can be built again, and of which run it is.
        engine: What computes it.
    """

    extractor: keras.Model
    predictor: Predictor
    reading: pipeline.Reading
    dtype: str
    max_pixels: int
    named: Mapping[str, Any]
    engine: Engine

    @property
    def width(self) -> int:
        """Length of a feature vector."""
        return int(self.extractor.output_shape[-1])

    def about(self) -> Mapping[str, Any]:
        """Return everything that a row depends on, save the picture; plain JSON."""
        return {
            "network": classifier.describe(self.extractor)[:24],
            "width": self.width,
            "dtype": self.dtype,
            "size": [self.reading.height, self.reading.width],
            "resize": self.reading.resize,
            "range": str(self.reading.ranges),
            "batch_size": self.reading.batch_size,
            "decoding": image_io.RULES,
            "switches": [str(switch) for switch in arithmetic.switches()],
            "max_pixels": self.max_pixels,
            # Folders of earlier versions say nothing of it.
            **({"engine": self.engine.wish} if self.engine.may_be_litert else {}),
        }

    def begin(self, plan: Plan) -> None:
        """Choose the engine by what there is to do; it is checked on first pictures."""
        self.engine.ready(plan.images, lambda: self._sample(plan.pictures(0)))

    def _sample(self, shard: list[Picture]) -> np.ndarray:
        """Return the first pictures of a shard that can be read; noise if none can."""
        files = pictures.audit(shard[: 2 * PIECE], self.max_pixels)
        good = [file for file in files if not file.reason]
        if not good:
            shape = PIECE, *self.extractor.input_shape[1:]
            return np.random.default_rng(0).random(shape, np.float32)
        batches = pipeline.Batches(good, np.zeros(len(good), int), self.reading)
        return trial.gather(batches.plain(np.arange(len(good))))

    def compute(self, shard: list[Picture]) -> Content:
        """Return a row for each picture, and a vector for each that can be read."""
        files = pictures.audit(shard, self.max_pixels, OPENED)
        good = [file for file in files if not file.reason]
        sample_ranges.report(good, self.reading.ranges)
        vectors, found = np.zeros((0, self.width), self.dtype), dict[Place, str]()
        if good:
            batches = pipeline.Batches(good, np.zeros(len(good), int), self.reading)
            feed = batches.plain(np.arange(len(good)))
            feed.decoder.forgives = True
            with jpeg_damage.named(good):
                run = self.engine.run
                vectors = self.predictor.all(feed, len(good), "embed", run)
            damaged = feed.decoder.damaged
            vectors = np.delete(vectors, [*damaged], axis=0).astype(self.dtype)
            found = {good[place].place: reason for place, reason in damaged.items()}
        reasons = [file.reason or found.get(file.place, "") for file in files]
        return content(shard, files, reasons, vectors)


def content(
    shard: Sequence[Picture],
    files: Sequence[Row],
    reasons: Sequence[str],
    vectors: np.ndarray,
) -> Content:
    """Return a shard: why pictures have no vector, and the vectors of the others."""
    places = iter(range(len(vectors)))
    rows = [
        (picture.id, file.sha256, "" if reason else next(places), reason)
        for picture, file, reason in zip(shard, files, reasons)
    ]
    size = sum(file.length or file.size for file in files)
    return Content(HEADER, rows, len(rows) - len(vectors), vectors, size)


def open_embedder(settings: EmbedSettings) -> Embedder:
    """Return the network that the settings name, on one device."""
    choice = DistributeSettings(strategy="one_device")
    strategy = distribute.start(choice, "float32", 0)
    with strategy.scope():
        model, resize, ranges, named = _open(settings)
    extractor, _ = classifier.split_classifier(model)
    extractor.trainable = False
    height, width = model.input_shape[1:3]
    reading = pipeline.Reading(
        *(height, width, resize, settings.batch_size), ranges=ranges
    )
    predictor = Predictor(Frozen(extractor), strategy)
    engine = Engine(extractor, predictor, settings.engine)
    own = settings.dtype, settings.max_pixels, named, engine
    return Embedder(extractor, predictor, reading, *own)


def _open(settings: EmbedSettings) -> tuple[keras.Model, str, Ranges, dict[str, Any]]:
    """Return a classifier, how pictures become square, their range, and its name."""
    if settings.run is not None:
        if settings.model != ModelSettings() or settings.range != "full":
            raise UserError(
                "--run with --model or --range: expected one of them; a run has a "
                "network and a range of its own. Leave one out."
            )
        run = run_dir.RunFolder(Path(settings.run)).existing()
        model, _ = saving.load_classifier(run.model)
        trained = cli.of_run(run.config)
        resize = settings.resize or trained.data.resize
        own = {**_named(trained.model), "run": str(run.path.absolute())}
        return model, resize, saving.load_ranges(run.model), own
    network = backbones.resolve(settings.model, source="imagenet")
    backbone = backbones.build_backbone(network, world.WEIGHTS_FILE)
    mode = backbones.mode_of(network)
    model = classifier.build_classifier(backbone, mode, network, 1)
    ranges = brightness.parse(settings.range)
    if ranges is None:
        raise UserError(
            f'--range {settings.range}: expected full or "LOW HIGH". With auto, each '
            "shard would choose one of its own."
        )
    return model, settings.resize or "squash", ranges, _named(network)


def _named(network: ModelSettings) -> dict[str, Any]:
    """Return the settings of a network, without those of a head, as plain JSON."""
    own = cli.anchored(network)
    return {"model": {name: getattr(own, name) for name in NETWORK}}
