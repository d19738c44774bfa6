"""Features of a frozen network: computed once, and found again by any later run."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline import distribute
from tfpipeline.core import image_io
from tfpipeline.models import arithmetic, classifier
from tfpipeline.models.feature_cache import FeatureCache, fingerprint
from tfpipeline.models.inference import Predictor

# From positions to the batches of the images there; see `Predictor.over`.
Feed = Callable[[np.ndarray], Iterable[tuple[Any, Any, Any]]]


@dataclass(frozen=True)
class Views:
    """Several changed copies of each image, whose features are computed once.

    Args:
        cache: Holds a row for every key of every view.
        count: Copies of each image.
    """

    cache: FeatureCache
    count: int

    def keys(self, digests: Sequence[str], epoch: int) -> list[str]:
        """Return the keys of the view that each image shows in an epoch.

        In any `count` epochs in a row an image shows every view once; in one epoch
        different images show different views.
        """
        return [_view(key, (epoch + i) % self.count) for i, key in enumerate(digests)]


def _view(digest: str, number: int) -> str:
    return f"{digest}-view{number}"


def of_classifier(
    extractor: keras.Model,
    predictor: Predictor,
    resize: str,
    brightness: tuple[str, ...],
    folder: Path,
) -> "Extraction":
    """Return how the features of a classifier's frozen part are computed and found.

    Args:
        extractor: From images to features; see `classifier.split_classifier`.
        predictor: That runs it.
        resize: How images come to its size.
        brightness: What is black and white in deep samples, where there are any; see
            `sample_ranges.Choice`.
        folder: Holds the features of all networks.
    """
    pixels = resize, image_io.RULES, *brightness
    what = (classifier.describe(extractor), *pixels)
    return Extraction(predictor, extractor.output_shape[-1], what, folder)


@dataclass(frozen=True)
class Extraction:
    """What a frozen network makes of images, kept below one folder.

    Args:
        predictor: From images to their features.
        width: Length of a feature vector.
        what: Everything that the features depend on, save the image and how this
            process computes: anything with a faithful `repr`.
        folder: Holds the features of all networks.
    """

    predictor: Predictor
    width: int
    what: Sequence[object]
    folder: Path

    @property
    def name(self) -> str:
        """The fingerprint of unchanged images."""
        return self._name()

    def _name(self, *more: object) -> str:
        return fingerprint(*self.what, *more, *arithmetic.switches())

    def features(self, keys: Sequence[str], feed: Feed) -> FeatureCache:
        """Return a cache that holds the features of images, by their digests `keys`.

        This worker alone is fed with images, at positions in `keys`.
        """
        return self._fill(self.name, keys, feed, "extract")

    def views(
        self,
        digests: Sequence[str],
        count: int,
        feed: Callable[[int, np.ndarray], Iterable[tuple[Any, Any, Any]]],
        *what: object,
    ) -> Views:
        """Return a cache that holds the features of changed copies of images.

        Args:
            digests: Of the images.
            count: Copies of each.
            feed: From a view's number to the images at positions in `digests`.
            what: Everything that the changes depend on, save the image and the number.
        """
        name = self._name(*what)
        store = FeatureCache(self.folder / name, self.width)
        for number in range(count):
            keys = [_view(digest, number) for digest in digests]
            title = f"view {number + 1} of {count}"
            store = self._fill(name, keys, functools.partial(feed, number), title)
        return Views(store, count)

    def _fill(
        self, name: str, keys: Sequence[str], feed: Feed, title: str
    ) -> FeatureCache:
        """Return the cache of a name, filled by all workers, each its own images."""
        strategy = self.predictor.strategy
        worker, workers = distribute.workers(strategy)
        store = FeatureCache(self.folder / name, self.width)

        def fill(rows: np.ndarray) -> None:
            store.fill(
                [keys[i] for i in rows],
                lambda order: self.predictor.over(feed(rows[order]), len(order), title),
            )

        if workers > 1:
            # All look at the disk before one writes to it: they share what is missing.
            mine = store.missing(keys)[worker::workers]
            distribute.wait_for_all(strategy)
            fill(mine)
            distribute.wait_for_all(strategy)
            store = FeatureCache(self.folder / name, self.width)
        # What is missing still was computed on a disk that this worker does not see.
        fill(np.arange(len(keys)))
        return store
