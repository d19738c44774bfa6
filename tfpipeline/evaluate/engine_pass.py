"""The outputs of images that go through a whole network, by the fastest engine."""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from tfpipeline.data.pipeline import Batch
from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import bfloat16, choice
from tfpipeline.models.engines.names import BFLOAT16, EXACT, LITERT, TENSORFLOW
from tfpipeline.models.engines.pictures import Pictures
from tfpipeline.models.inference import Predictor

# Features that go through the head together.
_NUMBERS = 2**20


class Ways(NamedTuple):
    """How outputs may be computed.

    Args:
        engine: That computes features in float32; see `models/engines`.
        cache: Where trials of engines, and features, are kept.
        brightness: Of deep samples, which kept features depend on: what is there is not
            computed again, and what is computed is kept. None keeps nothing.
    """

    engine: str
    cache: Path
    brightness: tuple[str, ...] | None = None


def engine_of(given: str, trained: str) -> str:
    """Return the engine by which a run is measured, of what is given and its own.

    By its own, kept features of the run are found again; bfloat16 measures nothing.
    """
    own = {LITERT: LITERT, BFLOAT16: TENSORFLOW}.get(trained, "auto")
    return own if given == "auto" else given


def outputs(
    model: keras.Model,
    from_features: Callable[[Any], Any],
    predictor: Predictor,
    batches: Iterable[Batch],
    total: tuple[int, str],
    ways: Ways,
) -> np.ndarray:
    """Return what `predictor` makes of images, in order.

    Args:
        model: A classifier, from images to logits.
        from_features: From its features to what the predictor returns.
        predictor: The same from images, under TensorFlow.
        batches: Of the images; may be iterated over more than once.
        total: How many they are, and the title of the progress bar.
        ways: Which engine, and where trials are kept.

    Returns:
        float32, shape (images, ...).
    """
    count, title = total
    names = {layer.name for layer in model.layers}
    is_split = {classifier.FEATURES, classifier.HEAD} <= names
    is_small = not choice.is_large(count, model.input_shape)
    if not is_split or is_small or ways.engine == TENSORFLOW:
        return predictor.all(batches, count, title)
    # Without the head, which is another one in each run: what is known of a backbone
    # is known of all runs on it.
    extractor, _ = classifier.split_classifier(model)
    forward = Predictor(Frozen(extractor), predictor.strategy)
    digest, folder = classifier.describe(extractor), ways.cache / "engines"
    engines = choice.Engines(extractor, digest, forward, folder, ways.engine)
    every = np.arange(count)
    pictures = Pictures(lambda _: batches, lambda: every)
    sample = functools.partial(pictures.first, bfloat16.LEAST_NEIGHBOURS)
    name = engines.choose(lambda _: count, sample, most_change=EXACT)
    if (run := engines.run(name)) is None:
        return predictor.all(pictures(every), count, title)
    parts = forward.over(pictures(every), count, title, run)
    return np.concatenate([np.asarray(from_features(rows)) for rows in _joined(parts)])


def _joined(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same rows in fewer arrays: each call of a head costs milliseconds."""
    waiting: list[np.ndarray] = []
    for part in parts:
        waiting.append(part)
        if sum(rows.size for rows in waiting) >= _NUMBERS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)
