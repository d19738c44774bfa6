"""What a study trains by the loop of `train`: from scratch, and what it recommends."""

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
from tfpipeline.train import measurement, setup, stages
from tfpipeline.train.checkpoints import Checkpoints

BACKBONE = "PlainCNN"

# What stands for a network in the pairs that are trained from scratch.
SCRATCH = "PlainCNN, from scratch"


def settings_for(data: DataSettings, seed: int, epochs: int) -> RunSettings:
    """Return the settings by which `train` trains the plain network."""
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
    """Train as `train` does, write no run; return metrics of `test`, `validation`."""
    keras.utils.set_random_seed(settings.seed)
    work = setup.prepare(settings, strategy, cache, provenance.Phases())
    # It is short: what is interrupted starts again, and nothing is written.
    nowhere = Checkpoints(cache, CheckpointSettings(0, 0), {"study": ""}, writes=False)
    course = stages.Course(work, cache, nowhere, None, logs=False)
    course.extract()
    course.train_head()
    none: dict[str, Any] = {"accuracy": float("nan"), "n": 0}
    return work, {"test": none, "validation": none, **measurement.measure(course)}
