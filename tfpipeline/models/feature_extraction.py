"""Features of a frozen network: computed once, and found again by any later run."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from tfpipeline import distribute
from tfpipeline.core import image_io
from tfpipeline.metrics.spread import spread
from tfpipeline.models import arithmetic, classifier
from tfpipeline.models.engines import bfloat16, choice, trial
from tfpipeline.models.engines.choice import Engines
from tfpipeline.models.engines.names import BFLOAT16, EXACT, TENSORFLOW, TRAINED_ON
from tfpipeline.models.engines.trial import Run, Unfit
from tfpipeline.models.feature_cache import FeatureCache, SplitCache, fingerprint
from tfpipeline.models.inference import Predictor

# From positions to the batches of the images there; see `Predictor.over`.
Feed = Callable[[np.ndarray], Iterable[tuple[Any, Any, Any]]]

_T = TypeVar("_T")

# Multiples of it, without their whole parts, fill any gap between the earlier ones.
_GOLDEN = (5**0.5 - 1) / 2


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


def _sample(keys: Sequence[str], feed: Feed) -> Callable[[], np.ndarray]:
    """Return what reads some of the images, for a trial."""
    few = _scattered(len(keys), choice.LEAST_IMAGES)
    return lambda: trial.gather(feed(few))


def _scattered(count: int, most: int) -> np.ndarray:
    """Return evenly spaced positions below `count`, `most` of them at most.

    They are in such an order that the first ones are evenly spaced too, however many
    are taken: positions are often sorted by class.
    """
    few = spread(count, most)
    return few[np.argsort(np.arange(len(few)) * _GOLDEN % 1, kind="stable")]


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
        return self._filled(
            self._choose(keys, _sample(keys, feed), (), most_change=EXACT),
            lambda engine: self._fill(engine, (), keys, feed, "extract"),
        )

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
        tried = own[_scattered(len(own), bfloat16.LEAST_NEIGHBOURS)]
        held |= {keys[i] for i in tried}
        own = np.array([i for i in own if keys[i] not in held], np.int64)
        rest = np.array([i for i, key in enumerate(keys) if key in held], np.int64)

        def given(places: np.ndarray) -> tuple[list[str], Feed]:
            return [keys[i] for i in places], lambda order: feed(places[order])

        def fill(engine: str) -> FeatureCache:
            if engine != BFLOAT16:
                return self._fill(engine, (), keys, feed, "extract")
            coarse = self._fill(engine, (), *given(own), "extract (bfloat16)")
            second = self._fill(TENSORFLOW, (), *given(rest), "extract")
            return SplitCache(coarse, second, held)

        names, read = given(tried)
        every = [*(keys[i] for i in own), *names]

        def sample() -> np.ndarray:
            return trial.gather(read(np.arange(len(names))))

        engine = self._choose(
            every, sample, (), most_change=most_change, exact=frozenset(names)
        )
        rows = None if self.engines is None else self.engines.tried
        if rows is not None and engine in (TENSORFLOW, BFLOAT16):
            store = FeatureCache(self.folder / self.name, self.width)
            store.fill(names, lambda order: iter([rows[order]]))
        return self._filled(engine, fill)

    def _choose(
        self,
        keys: Sequence[str],
        sample: Callable[[], np.ndarray],
        more: Sequence[object],
        *,
        most_change: float,
        exact: frozenset[str] = frozenset(),
    ) -> str:
        """Return the engine for images, whose changes depend on `more`.

        What a trial needs is a `sample` of them. Those that are `exact` are computed in
        float32 whatever it says.
        """
        if self.engines is None:
            return TENSORFLOW

        def missing(engine: str) -> int:
            store = FeatureCache(self.folder / self._name(engine, *more), self.width)
            return store.lacks(
                [key for key in keys if key not in exact]
                if engine == BFLOAT16
                else keys
            )

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
        first = functools.partial(feed, 0)
        named = [_view(digest, 0) for digest in digests]
        sample = _sample(named, first)
        engine = self._choose(named, sample, what, most_change=TRAINED_ON)

        def fill(engine: str) -> FeatureCache:
            store = FeatureCache(self.folder / self._name(engine, *what), self.width)
            for number in range(count):
                keys = [_view(digest, number) for digest in digests]
                title = f"view {number + 1} of {count}"
                own = functools.partial(feed, number)
                store = self._fill(engine, what, keys, own, title)
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
            return self.engines.ready(engine, _sample(keys, feed))

        def fill(rows: np.ndarray) -> None:
            store.fill(
                [keys[i] for i in rows],
                lambda order: self.predictor.over(
                    feed(rows[order]), len(order), title, run()
                ),
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
