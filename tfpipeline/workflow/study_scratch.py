"""The rows of a study that are trained from scratch, by the loop of `train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfpipeline import manifest
from tfpipeline.config import (
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    RunSettings,
    TrainSettings,
)
from tfpipeline.training.checkpoints import Checkpoints
from tfpipeline.training.predictor import Predictor
from tfpipeline.workflow import preparing, stages, study_networks

BACKBONE = "PlainCNN"

# What stands for a network in the pairs that are trained from scratch.
SCRATCH = "PlainCNN, from scratch"


def train(
    data: DataSettings,
    seeds: Sequence[int],
    epochs: int,
    strategy: tf.distribute.Strategy,
    cache: Path,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train the plain network on all examples of a source, once a seed.

    Args:
        data: The section `data`.
        seeds: Of splits, weights and order.
        epochs: Passes over the training images.
        strategy: Where the steps run.
        cache: What all commands share.

    Returns:
        A row a seed; and what the network costs.

    Raises:
        UserError: The source cannot be used.
    """
    rows: list[dict[str, Any]] = []
    costs: dict[str, Any] = {}
    for seed in seeds:
        settings = RunSettings(
            seed=seed,
            data=data,
            model=ModelSettings(BACKBONE, "none"),
            train=TrainSettings(
                epochs=epochs, learning_rate=3e-3, schedule="cosine", patience=None
            ),
        )
        keras.utils.set_random_seed(seed)
        work = preparing.prepare(settings, strategy, cache, manifest.Phases())
        # It is short: what is interrupted starts again, and nothing is written.
        nowhere = Checkpoints(
            cache, CheckpointSettings(0, 0), {"study": "scratch"}, writes=False
        )
        course = stages.Course(work, cache, nowhere, None)
        course.extract()
        course.train_head()
        result = course.measure()
        none = {"accuracy": float("nan"), "n": 0}
        rows.append(
            {
                "method": "scratch",
                "shots": "all",
                "seed": seed,
                "accuracy": result.get("test", none)["accuracy"],
                "validation_accuracy": result.get("validation", none)["accuracy"],
                "trained_on": len(work.examples.of("train")),
                "measured_on": result.get("test", none)["n"],
            }
        )
        costs = costs or _costs(work)
    return rows, costs


def _costs(work: preparing.Work) -> dict[str, Any]:
    """Return what it costs to have the network and to ask it."""
    model = work.model
    predictor = Predictor(lambda x: model(x, training=False), work.strategy)
    took = study_networks.milliseconds(predictor, work.settings.model.image_size or 0)
    return {**study_networks.costs(model, took), "untrained": False}
