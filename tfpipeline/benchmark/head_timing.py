"""The training of a head, as `train` does it, to be timed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from tfpipeline.train.fit_state import Stage
from tfpipeline.train.objective import Criterion

# Examples a step.
_BATCH = 32


@dataclass(frozen=True)
class Drawn:
    """Features and labels that mean nothing, for a head to learn from.

    Args:
        features: float32, shape (n, width).
        label: int32, shape (n,).
        epochs: Passes over them.
        seed: Of the order.
    """

    features: np.ndarray
    label: np.ndarray
    epochs: int = 1
    seed: int = 0

    @classmethod
    def of(
        cls, shape: tuple[int, int], classes: int, epochs: int = 1, seed: int = 0
    ) -> "Drawn":
        """Return as many as are asked for.

        Args:
            shape: Of the features.
            classes: Number of classes.
            epochs: Passes over them.
            seed: Of the order.
        """
        rng = np.random.default_rng(0)
        features = rng.normal(size=shape).astype(np.float32)
        label = rng.integers(0, classes, shape[0]).astype(np.int32)
        return cls(features, label, epochs, seed)


def head_fit(
    model: keras.Model,
    drawn: Drawn,
    strategy: tf.distribute.Strategy,
    folder: Path,
) -> Callable[[], object]:
    """Return what trains a head from features on disk, as `train` does it.

    Args:
        model: From features to logits, built under the strategy's scope.
        drawn: What it learns from.
        strategy: Where the steps run.
        folder: For the features.
    """
    features, count = drawn.features, len(drawn.features)
    keys = [f"{i:064d}" for i in range(count)]
    store = feature_cache.FeatureCache(folder, features.shape[1])
    store.fill(keys, lambda some: iter([features[some]]))
    settings = TrainSettings(epochs=drawn.epochs)
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
        store, keys, drawn.label, lambda o: sampling.padded(o, size)
    )

    def steps(epoch: int, step: int) -> Iterator[Any]:
        return iter(
            feed.steps(sampling.epoch_order(count, drawn.seed, epoch), epoch, step)
        )

    stage = Stage("head", trainer, settings, model.weights, steps, -(-count // size))
    return lambda: Fit(stage, None, []).run()
