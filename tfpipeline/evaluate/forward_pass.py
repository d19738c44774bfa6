"""The logits of the images that a run is measured on, from cached features or anew."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.data.pipeline import Batch, Batches
from tfpipeline.evaluate import engine_pass
from tfpipeline.evaluate.engine_pass import Ways
from tfpipeline.models import classifier, constant_weights, feature_extraction
from tfpipeline.models.inference import Predictor


def logits(
    model: keras.Model,
    batches: Batches,
    keys: list[str],
    chosen: np.ndarray,
    strategy: tf.distribute.Strategy,
    ways: Ways,
) -> tuple[np.ndarray, int | None]:
    """Return the logits of images, in order.

    Args:
        model: From images to logits.
        batches: Of all images.
        keys: The digest of each.
        chosen: Indices of those to predict, shape (n,).
        strategy: Where the model runs.
        ways: Which engine; and whether features are kept, else they go through the
            whole network.

    Returns:
        float32, shape (n, classes); and of how many images the features were there,
        None where none are kept.
    """
    if ways.brightness is None:
        size = batches.reading.height, batches.reading.width
        predictor = Predictor(constant_weights.traced(model, size), strategy)
        fed, total = batches.plain(chosen), (len(chosen), "evaluate")
        given = model, engine_pass.head_of(model), predictor, fed, total
        return engine_pass.outputs(*given, ways), None
    extractor, head = classifier.split_classifier(model)
    forward = Predictor(constant_weights.Frozen(extractor), strategy)
    extraction = feature_extraction.of_classifier(
        *(extractor, forward, batches.reading.resize, ways.brightness),
        ways.cache / "features",
        ways.engine,
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
