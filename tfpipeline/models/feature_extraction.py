"""Features of a frozen network: computed once, and found again by any later run."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from tfpipeline import distribute
from tfpipeline.core import image_io
from tfpipeline.models import arithmetic, classifier
from tfpipeline.models.engines import bfloat16, reading_order
from tfpipeline.models.engines.choice import Engines
from tfpipeline.models.engines.names import BFLOAT16, EXACT, TENSORFLOW, TRAINED_ON
from tfpipeline.models.engines.pictures import Feed, Pictures
from tfpipeline.models.engines.trial import Run, Unfit
from tfpipeline.models.feature_cache import FeatureCache, SplitCache, fingerprint
from tfpipeline.models.inference import Predictor

_T = TypeVar("_T")


@dataclass(frozen=True)
class Views:
    """Several changed copies of each image, whose features are computed once.

    Args:
        cache: Holds a row for every key of every view.
        count: Copies of each image.
        engine: That computed them.
    """

    cache: FeatureCache
    count: int
    engine: str = TENSORFLOW

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
    engine: str = TENSORFLOW,
) -> "Extraction":
    """Return how the features of a classifier's frozen part are computed and found.

    Args:
        extractor: From images to features; see `classifier.split_classifier`.
        predictor: That runs it.
        resize: How images come to its size.
        brightness: What is black and white in deep samples, where there are any; see
            `sample_ranges.Choice`.
        folder: Holds the features of all networks; trials of engines are kept beside
            it.
        engine: That computes them, or `auto`; see `engines.choice`.
    """
    pixels = resize, image_io.RULES, *brightness
    digest = classifier.describe(extractor)
    place = folder.with_name("engines")
    engines = Engines(extractor, digest, predictor, place, engine)
    width = extractor.output_shape[-1]
    return Extraction(predictor, width, (digest, *pixels), folder, engines)


@dataclass(frozen=True)
class Extraction:
    """What a frozen network makes of images, kept below one folder.

    Args:
        predictor: From images to their features.
        width: Length of a feature vector.
        what: Everything that the features depend on, save the image and how this
            process computes: anything with a faithful `repr`.
        folder: Holds the features of all networks.
        engines: That compute them; None is TensorFlow.
    """

    predictor: Predictor
    width: int
    what: Sequence[object]
    folder: Path
    engines: Engines | None = None
    # Digests of the images whose features were not kept before.
    computed: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The fingerprint of unchanged images under TensorFlow."""
        return self._name(TENSORFLOW)

    def _name(self, engine: str, *more: object) -> str:
        # What was kept before there was a choice stays.
        own = () if engine == TENSORFLOW else (f"engine={engine}",)
        return fingerprint(*self.what, *more, *own, *arithmetic.switches())

    def features(self, keys: Sequence[str], feed: Feed) -> FeatureCache:
        """Return a cache that holds the features of images, by their digests `keys`.

        They are computed in float32. This worker alone is fed with images, at positions
        in `keys`.
        """
        return self._exact(keys, feed)[0]

    def _exact(self, keys: Sequence[str], feed: Feed) -> tuple[FeatureCache, str]:
        names, first = reading_order.part(
            keys, feed, reading_order.tried_first(len(keys))
        )
        pictures = self._read_once(names, first)
        engine = self._choose(names, pictures, (), most_change=EXACT)
        # Without a trial in their own order, and so in the same batches.
        given = (names, pictures) if pictures.is_begun else (keys, feed)
        return self._filled(engine, lambda e: self._fill(e, (), *given, "extract"))

    def _read_once(
        self, keys: Sequence[str], feed: Feed, more: Sequence[object] = ()
    ) -> Pictures:
        """Return a feed of images of which the first are for a trial, where one is."""

        def order() -> np.ndarray:
            folder = self.folder / self._name(TENSORFLOW, *more)
            store = FeatureCache(folder, self.width)
            few = np.arange(min(len(keys), bfloat16.LEAST_NEIGHBOURS))
            return np.union1d(few, store.lacking(keys))

        return Pictures(feed, order)

    def _filled(self, engine: str, fill: Callable[[str], _T]) -> tuple[_T, str]:
        """Fill a cache by an engine; by TensorFlow where that cannot be built."""
        try:
            return fill(engine), engine
        except Unfit as reason:
            assert self.engines is not None
            engine = self.engines.falls_back(engine, reason)
        return fill(engine), engine

    def learned(
        self, keys: Sequence[str], chosen: np.ndarray, feed: Feed, most_change: float
    ) -> tuple[FeatureCache, str]:
        """Return what `features` does, for a training, and the engine of its images.

        A few training images are for a trial of engines. It computes them in float32,
        and so they stay: nothing is computed for the trial alone.

        Args:
            keys: Digests of all images.
            chosen: Positions of those that are trained on: theirs may be computed in
                bfloat16, as long as no image that is measured on is the same.
            feed: From positions in `keys` to images.
            most_change: Of theirs by that; see `engines.names`.
        """
        if most_change == EXACT:
            return self._exact(keys, feed)
        held = {keys[i] for i in np.setdiff1d(np.arange(len(keys)), chosen)}
        own = np.array([i for i in chosen if keys[i] not in held], np.int64)
        tried = own[reading_order.scattered(len(own))]
        held |= {keys[i] for i in tried}
        own = np.array([i for i in own if keys[i] not in held], np.int64)
        rest = np.array([i for i, key in enumerate(keys) if key in held], np.int64)
        rest = np.setdiff1d(rest, tried)
        plain: tuple[Sequence[str], Feed] = keys, feed
        keys, feed = reading_order.part(keys, feed, np.concatenate([tried, own, rest]))
        # Positions from here on, in the order in which they are read.
        places = np.split(np.arange(len(keys)), np.cumsum([len(tried), len(own)]))
        pictures = self._read_once(keys, feed)

        def fill(engine: str) -> FeatureCache:
            if engine != BFLOAT16:
                given = (keys, pictures) if pictures.is_begun else plain
                return self._fill(engine, (), *given, "extract")
            part = reading_order.part(keys, pictures, places[1])
            coarse = self._fill(engine, (), *part, "extract (bfloat16)")
            part = reading_order.part(
                keys, pictures, np.concatenate([places[0], places[2]])
            )
            second = self._fill(TENSORFLOW, (), *part, "extract")
            return SplitCache(coarse, second, held)

        names = keys[: len(tried)]
        engine = self._choose(
            *(keys[: len(tried) + len(own)], pictures, ()),
            most_change=most_change,
            exact=names,
        )
        rows = None if self.engines is None else self.engines.tried
        if rows is not None and engine in (TENSORFLOW, BFLOAT16):
            store = FeatureCache(self.folder / self.name, self.width)
            store.fill(names, lambda order: iter([rows[order]]))
        return self._filled(engine, fill)

    def _choose(
        self,
        keys: Sequence[str],
        pictures: Pictures,
        more: Sequence[object],
        *,
        most_change: float,
        exact: Sequence[str] = (),
    ) -> str:
        """Return the engine for images, whose changes depend on `more`.

        The first of the `pictures` are for a trial. Those that are `exact` are computed
        in float32 whatever it says.
        """
        if self.engines is None:
            return TENSORFLOW

        def missing(engine: str) -> int:
            store = FeatureCache(self.folder / self._name(engine, *more), self.width)
            left = set(exact if engine == BFLOAT16 else ())
            return len(store.lacking([key for key in keys if key not in left]))

        few = min(len(exact or keys) or 1, bfloat16.LEAST_NEIGHBOURS)
        sample = functools.partial(pictures.first, few)
        return self.engines.choose(missing, sample, most_change=most_change)

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

        def view(number: int) -> tuple[list[str], Feed]:
            keys = [_view(digest, number) for digest in digests]
            return keys, functools.partial(feed, number)

        places = reading_order.tried_first(len(digests))
        names, first = reading_order.part(*view(0), places)
        pictures = self._read_once(names, first, what)
        engine = self._choose(names, pictures, what, most_change=TRAINED_ON)

        def fill(engine: str) -> FeatureCache:
            # As in `_exact`.
            given = (names, pictures) if pictures.is_begun else view(0)
            store = self._fill(engine, what, *given, f"view 1 of {count}")
            for number in range(1, count):
                title = f"view {number + 1} of {count}"
                store = self._fill(engine, what, *view(number), title)
            return store

        store, engine = self._filled(engine, fill)
        return Views(store, count, engine)

    def _fill(
        self,
        engine: str,
        more: Sequence[object],
        keys: Sequence[str],
        feed: Feed,
        title: str,
    ) -> FeatureCache:
        """Return the cache of an engine, filled by all workers, each its own images."""
        strategy, name = self.predictor.strategy, self._name(engine, *more)
        worker, workers = distribute.workers(strategy)
        store = FeatureCache(self.folder / name, self.width)

        def run() -> Run | None:
            # Rows may be missing though none of those that the choice looked at was.
            if self.engines is None:
                return None
            return self.engines.ready(engine, reading_order.sample(keys, feed))

        def fill(rows: np.ndarray) -> None:
            def extract(order: np.ndarray) -> Iterator[np.ndarray]:
                ready, count = run(), len(order)
                self.computed.update(keys[i] for i in rows[order])
                return self.predictor.over(feed(rows[order]), count, title, ready)

            store.fill([keys[i] for i in rows], extract)

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
