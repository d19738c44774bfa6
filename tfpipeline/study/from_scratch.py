"""What a study trains by the loop of `train`: from scratch, and what it recommends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfpipeline.config import (
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    RunSettings,
    TrainSettings,
)
from tfpipeline.core import provenance
from tfpipeline.study import networks
from tfpipeline.train import measurement, setup, stages
from tfpipeline.train.checkpoints import Checkpoints

BACKBONE = "PlainCNN"

# What stands for a network in the pairs that are trained from scratch.
SCRATCH = "PlainCNN, from scratch"


def settings_for(data: DataSettings, seed: int, epochs: int) -> RunSettings:
    """Return what `train` is told to train the plain network.

    Args:
        data: The section `data`.
        seed: Of splits, weights and order.
        epochs: Passes over the training images.
    """
    return RunSettings(
        seed=seed,
        data=data,
        model=ModelSettings(BACKBONE, "none"),
        train=TrainSettings(
            epochs=epochs, learning_rate=3e-3, schedule="cosine", patience=None
        ),
    )


def run(
    settings: RunSettings, strategy: tf.distribute.Strategy, cache: Path
) -> tuple[setup.Work, dict[str, dict[str, Any]]]:
    """Train and measure as `train` does, and write no run.

    Args:
        settings: Of the run.
        strategy: Where the steps run.
        cache: What all commands share.

    Returns:
        What was trained; and its metrics on `test` and `validation` images.

    Raises:
        UserError: The source cannot be used.
    """
    keras.utils.set_random_seed(settings.seed)
    work = setup.prepare(settings, strategy, cache, provenance.Phases())
    # It is short: what is interrupted starts again, and nothing is written.
    nowhere = Checkpoints(cache, CheckpointSettings(0, 0), {"study": ""}, writes=False)
    course = stages.Course(work, cache, nowhere, None)
    course.extract()
    course.train_head()
    none: dict[str, Any] = {"accuracy": float("nan"), "n": 0}
    return work, {"test": none, "validation": none, **measurement.measure(course)}


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
        work, result = run(settings_for(data, seed, epochs), strategy, cache)
        rows.append(
            {
                "method": "scratch",
                "shots": "all",
                "seed": seed,
                "accuracy": result["test"]["accuracy"],
                "validation_accuracy": result["validation"]["accuracy"],
                "trained_on": len(work.examples.of("train")),
                "measured_on": result["test"]["n"],
            }
        )
        costs = {**networks.costs(work.model), "untrained": False}
    return rows, costs
