"""Logits and novelty of the images that a run is measured on, cached or anew."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.data.pipeline import Batch, Batches
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import classifier, feature_extraction
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor


def from_images(model: keras.Model, score: Novelty | None) -> Callable[[Any], Any]:
    """Return what goes from images to logits, with the novelty as one more column."""
    if score is None:
        return Frozen(model)
    features = model.get_layer(classifier.FEATURES).output
    both = Frozen(keras.Model(model.inputs[0], [features, model.outputs[0]]))

    def forward(images: Any) -> Any:
        features, logits = both(images)
        return _joined(features, logits, score)

    return forward


def _from_features(head: keras.Model, score: Novelty | None) -> Callable[[Any], Any]:
    frozen = Frozen(head)
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
    network: tuple[keras.Model, Novelty | None],
    batches: Batches,
    keys: list[str],
    chosen: np.ndarray,
    strategy: tf.distribute.Strategy,
    features: tuple[Path, tuple[str, ...]] | None,
) -> tuple[np.ndarray, np.ndarray | None, int | None]:
    """Return the logits and the novelty of images, in order.

    Args:
        network: From images to logits, and what tells strange images; None where
            nothing does.
        batches: Of all images.
        keys: The digest of each.
        chosen: Indices of those to predict, shape (n,).
        strategy: Where the model runs.
        features: The folder with the features of all networks (what is there is not
            computed again, and what is computed is kept), and the brightness of deep
            samples, which they depend on. None goes through the whole network.

    Returns:
        float32, shape (n, classes); float32, shape (n,), or None; and of how many
        images the features were there, None where none are kept.
    """
    model, score = network
    classes = model.output_shape[-1]
    if features is None:
        size = batches.reading.height, batches.reading.width
        # Traced once, for one copy of the weights however many replicas there are.
        forward = tf.function(
            from_images(model, score),
            autograph=False,
            input_signature=[tf.TensorSpec([None, *size, 3], tf.float32)],
        )
        predictor = Predictor(forward, strategy)
        outputs = predictor.all(batches.plain(chosen), len(chosen), "evaluate")
        return *divide(outputs, classes), None
    extractor, head = classifier.split_classifier(model)
    extract = Predictor(Frozen(extractor), strategy)
    folder, brightness = features
    extraction = feature_extraction.of_classifier(
        extractor, extract, batches.reading.resize, brightness, folder
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
    predictor = Predictor(_from_features(head, score), strategy)
    outputs = predictor.all(steps, len(chosen), None)
    return *divide(outputs, classes), sum(key not in computed for key in own)
