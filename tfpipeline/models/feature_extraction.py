"""Features of a frozen network: computed once, and found again by any later run."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import distribute
from tfpipeline.models.feature_cache import FeatureCache, fingerprint
from tfpipeline.models.inference import Predictor
from tfpipeline.models.views import Views, view

# From positions to the batches of the images there; see `predictor.Predictor.over`.
Feed = Callable[[np.ndarray], Iterable[tuple[Any, Any, Any]]]


class Extraction:
    """What a frozen network makes of images, kept below one folder.

    Args:
        predictor: From images to their features.
        width: Length of a feature vector.
        what: Everything that the features depend on, save the image: anything with a
            faithful `repr`.
        folder: Holds the features of all networks.
    """

    def __init__(
        self, predictor: Predictor, width: int, what: Sequence[object], folder: Path
    ) -> None:
        self.predictor = predictor
        self.width = width
        self.what = tuple(what)
        self.folder = folder
        self.name = fingerprint(*self.what)

    def features(self, keys: Sequence[str], feed: Feed) -> FeatureCache:
        """Return a cache that holds the features of some unchanged images.

        Args:
            keys: Digests of the images.
            feed: The images at positions in `keys`, of this worker alone.
        """
        return self._filled(self.name, keys, feed, "extract")

    def views(
        self,
        digests: Sequence[str],
        count: int,
        feed: Callable[[int, np.ndarray], Iterable[tuple[Any, Any, Any]]],
        *what: object,
    ) -> Views:
        """Return a cache that holds the features of changed copies of some images.

        Args:
            digests: Of the images.
            count: Copies of each.
            feed: From a view's number to the images at positions in `digests`.
            what: Everything that the changes depend on, save the image and the number.
        """
        name = fingerprint(*self.what, *what)
        store = FeatureCache(self.folder / name, self.width)
        for number in range(count):
            keys = [view(digest, number) for digest in digests]
            title = f"view {number + 1} of {count}"
            store = self._filled(name, keys, functools.partial(feed, number), title)
        return Views(store, count)

    def _filled(
        self, name: str, keys: Sequence[str], feed: Feed, title: str
    ) -> FeatureCache:
        """Return the cache of a name, filled by all workers, each its own images."""
        strategy = self.predictor.strategy
        worker, workers = distribute.workers(strategy)
        store = FeatureCache(self.folder / name, self.width)
        if workers > 1:
            # All look at the disk before one writes to it: they share what is missing.
            mine = store.missing(keys)[worker::workers]
            distribute.wait_for_all(strategy)
            self._fill(store, keys, mine, feed, title)
            distribute.wait_for_all(strategy)
            store = FeatureCache(self.folder / name, self.width)
        # What is missing still was computed on a disk that this worker does not see.
        self._fill(store, keys, np.arange(len(keys)), feed, title)
        return store

    def _fill(
        self,
        store: FeatureCache,
        keys: Sequence[str],
        some: np.ndarray,
        feed: Feed,
        title: str,
    ) -> None:
        store.fill(
            [keys[i] for i in some],
            lambda order: self.predictor.over(feed(some[order]), len(order), title),
        )
