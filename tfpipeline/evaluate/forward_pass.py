"""Logits and novelty of the images that a run is measured on, cached or anew."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.data.pipeline import Batches
from tfpipeline.evaluate import engine_pass
from tfpipeline.evaluate.engine_pass import Ways
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import classifier, feature_extraction
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor


class Scored(NamedTuple):
    """A classifier, and what tells strange images; None where nothing does."""

    model: keras.Model
    score: Novelty | None = None


def from_images(scored: Scored) -> Callable[[Any], Any]:
    """Return what goes from images to logits, with the novelty as one more column."""
    model, score = scored
    if score is None:
        return Frozen(model)
    features = model.get_layer(classifier.FEATURES).output
    both = Frozen(keras.Model(model.inputs[0], [features, model.outputs[0]]))

    def forward(images: Any) -> Any:
        rows, logits = both(images)
        return _joined(rows, logits, score)

    return forward


def from_features(scored: Scored) -> Callable[[Any], Any]:
    """Return what goes from features to the same."""
    model, score = scored
    if classifier.HEAD not in {layer.name for layer in model.layers}:
        # A combination has no features of its own: nobody asks.
        return Frozen(model)
    frozen = Frozen(model.get_layer(classifier.HEAD))
    if score is None:
        return frozen
    return lambda rows: _joined(rows, frozen(rows), score)


def _joined(features: tf.Tensor, logits: tf.Tensor, score: Novelty) -> tf.Tensor:
    logits = tf.cast(logits, tf.float32)
    return tf.concat([logits, score(features, logits)[:, None]], axis=1)


def divide(outputs: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the logits, and the novelty where there is a column more than classes."""
    novelty = outputs[:, classes] if outputs.shape[1] > classes else None
    return outputs[:, :classes], novelty


def predict(
    scored: Scored,
    batches: Batches,
    keys: Sequence[str],
    chosen: np.ndarray,
    strategy: tf.distribute.Strategy,
    ways: Ways,
) -> tuple[np.ndarray, np.ndarray | None, int | None]:
    """Return the logits and the novelty of images, in order.

    Args:
        scored: From images to logits and novelty.
        batches: Of all images.
        keys: The digest of each.
        chosen: Indices of those to predict, shape (n,).
        strategy: Where the model runs.
        ways: Which engine; and whether features are kept, else they go through the
            whole network.

    Returns:
        float32, shape (n, classes); float32, shape (n,), or None; and of how many
        images the features were there, None where none are kept.
    """
    model, score = scored
    classes = model.output_shape[-1]
    if ways.brightness is None:
        size = batches.reading.height, batches.reading.width
        # Traced once, for one copy of the weights however many replicas there are.
        forward = tf.function(
            from_images(scored),
            autograph=False,
            input_signature=[tf.TensorSpec([None, *size, 3], tf.float32)],
        )
        predictor = Predictor(forward, strategy)
        fed, total = batches.plain(chosen), (len(chosen), "evaluate")
        given = model, from_features(scored), predictor, fed, total
        return *divide(engine_pass.outputs(*given, ways), classes), None
    extractor, _ = classifier.split_classifier(model)
    extract = Predictor(Frozen(extractor), strategy)
    extraction = feature_extraction.of_classifier(
        *(extractor, extract, batches.reading.resize, ways.brightness),
        ways.cache / "features",
        ways.engine,
    )
    own = [keys[i] for i in chosen]
    store = extraction.features(own, lambda order: batches.plain(chosen[order]))
    indices, weights = batches.arrange(chosen)
    steps = (
        (rows[0], None, weights[part][0])
        for rows, part in store.batches(keys, indices, 1)
    )
    predictor = Predictor(from_features(scored), strategy)
    outputs = predictor.all(steps, len(chosen), None)
    kept = sum(key not in extraction.computed for key in own)
    return *divide(outputs, classes), kept
