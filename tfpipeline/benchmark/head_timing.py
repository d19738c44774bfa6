"""The training of a head, as `train` does it, to be timed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import TrainSettings
from tfpipeline.data import sampling
from tfpipeline.models import feature_cache
from tfpipeline.train import dropout, inputs, optimizers, train_step
from tfpipeline.train.fit import Fit
from tfpipeline.train.fit_spec import Stage
from tfpipeline.train.objective import Criterion

# Examples a step.
_BATCH = 32


def draw_examples(
    count: int, width: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels that mean nothing, for a head to learn from."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, width)).astype(np.float32)
    return features, rng.integers(0, classes, count).astype(np.int32)


def head_fit(
    model: keras.Model,
    examples: tuple[np.ndarray, np.ndarray],
    strategy: tf.distribute.Strategy,
    folder: Path,
    epochs: int = 1,
    seed: int = 0,
) -> Callable[[], object]:
    """Return what trains a head from features on disk, as `train` does it.

    Args:
        model: From features to logits, built under the strategy's scope.
        examples: What `draw_examples` returned.
        strategy: Where the steps run.
        folder: For the features.
        epochs: Passes over them.
        seed: Of the order.
    """
    (features, label), count = examples, len(examples[0])
    keys = [f"{i:064d}" for i in range(count)]
    store = feature_cache.FeatureCache(folder, features.shape[1])
    store.fill(keys, lambda rows: iter([features[rows]]))
    settings = TrainSettings(epochs=epochs)
    with strategy.scope():
        optimizer = optimizers.build_optimizer(settings, model.trainable_variables)
    trainer = train_step.Trainer(
        lambda batch, draws: dropout.train_through(model, batch, draws),
        [model],
        optimizer,
        Criterion(int(model.output_shape[-1])),
        strategy,
        settings,
    )
    size = distribute.replica_multiple(_BATCH, strategy)
    feed = inputs.CachedFeatures(
        store, keys, label, lambda order: sampling.padded(order, size)
    )

    def steps(epoch: int, step: int) -> Iterator[Any]:
        order = sampling.epoch_order(count, seed, epoch)
        return iter(feed.steps(order, epoch, step))

    stage = Stage("head", trainer, settings, model.weights, steps, -(-count // size))
    return lambda: Fit(stage, None, []).run()
