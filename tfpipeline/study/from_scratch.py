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
from tfpipeline.metrics import target_score
from tfpipeline.train import measurement, setup
from tfpipeline.train.checkpoints import Checkpoints
from tfpipeline.train.course import Course

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
    course = Course(work, cache, nowhere, None, logs=False)
    course.extract()
    course.train_head()
    own = target_score.of_target(work.examples.source.target)
    keys = (own.key, *own.also)
    none: dict[str, Any] = {**dict.fromkeys(keys, float("nan")), "n": 0}
    found = {"test": none, "validation": none, **measurement.measure(course)}
    for figures in found.values():
        # What is undefined, such as R2 of equal numbers, is null in a run.
        empty = [key for key in keys if figures[key] is None]
        figures |= dict.fromkeys(empty, float("nan"))
    return work, found
