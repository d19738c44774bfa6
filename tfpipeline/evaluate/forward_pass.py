"""The logits of the images that a run is measured on, from cached features or anew."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.data.pipeline import Batch, Batches
from tfpipeline.models import classifier, constant_weights, feature_extraction
from tfpipeline.models.inference import Predictor


def logits(
    model: keras.Model,
    batches: Batches,
    keys: list[str],
    chosen: np.ndarray,
    strategy: tf.distribute.Strategy,
    features: tuple[Path, tuple[str, ...]] | None,
) -> tuple[np.ndarray, int | None]:
    """Return the logits of images, in order.

    Args:
        model: From images to logits.
        batches: Of all images.
        keys: The digest of each.
        chosen: Indices of those to predict, shape (n,).
        strategy: Where the model runs.
        features: The folder with the features of all networks (what is there is not
            computed again, and what is computed is kept), and the brightness of deep
            samples, which they depend on. None goes through the whole network.

    Returns:
        float32, shape (n, classes); and of how many images the features were there,
        None where none are kept.
    """
    if features is None:
        size = batches.reading.height, batches.reading.width
        predictor = Predictor(constant_weights.traced(model, size), strategy)
        return predictor.all(batches.plain(chosen), len(chosen), "evaluate"), None
    extractor, head = classifier.split_classifier(model)
    forward = Predictor(constant_weights.Frozen(extractor), strategy)
    folder, brightness = features
    extraction = feature_extraction.of_classifier(
        extractor, forward, batches.reading.resize, brightness, folder
    )
    own = [keys[i] for i in chosen]
    computed: set[str] = set()

    def feed(order: np.ndarray) -> Iterator[Batch]:
        computed.update(own[i] for i in order)
        return iter(batches.plain(chosen[order]))

    store = extraction.features(own, feed)
    indices, weights = batches.arrange(chosen)
    steps = (
        (rows[0], None, weights[part][0])
        for rows, part in store.batches(keys, indices, 1)
    )
    predictor = Predictor(constant_weights.Frozen(head), strategy)
    result = predictor.all(steps, len(chosen), None)
    return result, sum(key not in computed for key in own)
