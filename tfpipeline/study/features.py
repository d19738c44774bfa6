"""Features of a study, and how far they are from those of the pretraining images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import DataSettings
from tfpipeline.core.brightness import Ranges
from tfpipeline.data import dataset, pipeline
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import drawn_world, jpeg_damage
from tfpipeline.demo import world
from tfpipeline.metrics import weights
from tfpipeline.models import (
    batchnorm_stats,
    feature_extraction,
    preprocessing,
)
from tfpipeline.models.engines.names import TENSORFLOW
from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.study import transferability
from tfpipeline.study.gram import Rows, few
from tfpipeline.study.networks import BATCH, StudyNetwork

# Images whose activations are compared with the statistics of a batch norm.
_LOOKED_AT = 64

# Pictures of each pretraining class that the drawn world is known by.
_DRAWN = 8


# Bytes of features of a source that are held in memory; of more, blocks are read.
IN_MEMORY = 2**30

# Images whose kernels are compared; a distance takes the square of that.
_COMPARED = 10_000


class Stored:
    """Rows of a cache that are read when they are indexed, by slice or positions."""

    def __init__(self, cache: FeatureCache, keys: Sequence[str]) -> None:
        self._cache, self._keys = cache, keys
        self.shape = (len(keys), cache.width)

    def __len__(self) -> int:
        return len(self._keys)

    def select(self, places: np.ndarray) -> "Stored":
        """Return some of the rows, none of them read yet."""
        return Stored(self._cache, [self._keys[i] for i in places])

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        if isinstance(chosen, slice):
            return self._cache.rows(self._keys[chosen])
        return self._cache.rows([self._keys[i] for i in chosen])


class Vectors:
    """Feature vectors, each found by the digest of its image and by nothing else.

    A position means one image in one selection and another in the next: examples are
    split, and perhaps thinned out, anew for each seed. So this takes no positions but
    those of the examples that are given with them, and returns their labels with them.
    """

    def __init__(self, keys: Sequence[str], rows: np.ndarray | Stored) -> None:
        self._place = {key: i for i, key in enumerate(keys)}
        self._rows = rows
        self.width = int(rows.shape[1])

    def of(
        self, examples: Examples, chosen: str | np.ndarray
    ) -> tuple[Rows, np.ndarray]:
        """Return features and labels of a split, or of positions, in these examples.

        An example of weight 2 is there twice.
        """
        some, rows = self._of(examples, chosen)
        return some, examples.source.label[rows]

    def valued(
        self, examples: Examples, chosen: str | np.ndarray
    ) -> tuple[Rows, np.ndarray, np.ndarray]:
        """Return the same of several labels or a number: features, values, strata."""
        some, rows = self._of(examples, chosen)
        return some, examples.truth(rows), examples.source.label[rows]

    def _of(
        self, examples: Examples, chosen: str | np.ndarray
    ) -> tuple[Rows, np.ndarray]:
        rows = examples.of(chosen) if isinstance(chosen, str) else chosen
        if (given := examples.weights(rows)) is not None:
            rows = rows[weights.spread(given)[0]]
        places = np.array([self._place[examples.keys[i]] for i in rows], int)
        held = self._rows
        some = held.select(places) if isinstance(held, Stored) else held[places]
        return some, rows


@dataclass(frozen=True)
class Features:
    """Computes features, and keeps them below the folder that all commands share.

    The seed decides which images stand for a source.
    """

    data: DataSettings
    seed: int
    cache: Path
    strategy: tf.distribute.Strategy
    engine: str = TENSORFLOW

    def of(self, network: StudyNetwork, opened: Sequence[Examples]) -> Vectors:
        """Return the features of all examples, kept ones where there are any.

        An image that is in more than one selection is looked at once.
        """
        extractor = network.extractor
        extraction = feature_extraction.of_classifier(
            extractor,
            network.predictor,
            self.data.resize,
            opened[0].brightness.fingerprint,
            self.cache / "features",
            # What is not trained has other weights for each source.
            TENSORFLOW if network.untrained else self.engine,
        )
        every = {row.sha256: row for examples in opened for row in examples.files}
        keys, files = list(every), list(every.values())
        # Chosen by all files of a source, and so the same for all selections of it.
        ranges = opened[0].brightness.ranges
        unknown = np.zeros(len(files), np.int32)
        batches = self._batches(network, files, unknown, ranges)
        with jpeg_damage.named(files):
            cache = extraction.features(keys, batches.plain)
        size = len(keys) * cache.width * np.dtype(np.float32).itemsize
        held = Stored(cache, keys) if size > IN_MEMORY else cache.rows(keys)
        return Vectors(keys, held)

    def _batches(
        self,
        network: StudyNetwork,
        files: Sequence[Row],
        label: np.ndarray,
        ranges: Ranges,
    ) -> pipeline.Batches:
        reading = pipeline.Reading(
            network.size,
            network.size,
            self.data.resize,
            distribute.replica_multiple(BATCH, self.strategy),
            seed=self.seed,
            ranges=ranges,
        )
        return pipeline.Batches(files, label, reading)

    def sample_images(
        self, network: StudyNetwork, examples: Examples, count: int
    ) -> np.ndarray:
        """Return at most so many training images, the same ones each time."""
        given = examples.files, examples.source.label, examples.brightness.ranges
        batches = self._batches(network, *given)
        order = batches.shuffled(examples.of("train"), 0)[:count]
        parts = [np.asarray(x)[np.asarray(w) > 0] for x, _, w in batches.plain(order)]
        return np.concatenate(parts)

    def statistics_distance(
        self, network: StudyNetwork, examples: Examples
    ) -> float | None:
        """Return how far images are from what the last batch norm remembers, if any."""
        if network.untrained:
            return None
        statistics = batchnorm_stats.remembered(network.backbone)
        if statistics is None:
            return None
        before, mean, variance = statistics
        images = self.sample_images(network, examples, _LOOKED_AT)
        maps = [
            np.asarray(before(preprocessing.preprocess(part, network.mode)))
            for part in np.array_split(images, -(-len(images) // BATCH))
        ]
        return transferability.statistics_distance(np.concatenate(maps), mean, variance)

    def kernel_distance(
        self, network: StudyNetwork, vectors: Vectors, examples: Examples
    ) -> float | None:
        """Return the distance from the drawn world, for what was pretrained on it."""
        if network.settings.weights != "demo":
            return None
        folder = self.cache / "demo" / f"{world.WORLD_VERSION}-pretraining-{_DRAWN}"
        if not folder.is_dir():
            world.write_folder(folder, world.PRETRAINING_CLASSES, _DRAWN, seed=1)
        data = DataSettings(source=str(folder), resize=self.data.resize)
        drawn = dataset.open_all(data, self.cache, drawn_world.drawer(data))
        features = (
            held.of(own, few(len(own.source), _COMPARED))[0][:]
            for held, own in ((vectors, examples), (self.of(network, [drawn]), drawn))
        )
        return transferability.kernel_distance(*features)
