"""What a stage of a training is made of, and what it leaves behind."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.config import TrainSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.models.throughput import Meter
from tfpipeline.train.train_step import Steps, Trainer

Row = dict[str, str | float]


@dataclass(frozen=True)
class Stage:
    """What is trained on what.

    Args:
        name: `head` or `fine_tune`.
        trainer: One step.
        settings: The section `train`, or what stands for it in fine-tuning.
        weights: Everything that the training changes.
        steps: From the number of an epoch and a step in it to the batches from there.
        steps_per_epoch: Batches of an epoch.
        validate: Metrics after each epoch, e.g. `loss` and `accuracy`; None without
            validation images.
        seed: Of everything that is drawn.
        ids: From the numbers of an epoch and a step to what its batch is made of.
        begin_epoch: Is told the number of each epoch before it.
        callbacks: Of Keras, at their usual places; `model` stops by `stop_training`.
        keeps_start: Whether the weights before the first epoch may be the best.
        meter: Is told how long the steps have waited for their input.
    """

    name: str
    trainer: Trainer
    settings: TrainSettings
    weights: Sequence[keras.Variable]
    steps: Callable[[int, int], Iterable[Steps]]
    steps_per_epoch: int
    validate: Callable[[], Mapping[str, float]] | None = None
    seed: int = 0
    ids: Callable[[int, int], list[str]] | None = None
    begin_epoch: Callable[[int], None] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    keeps_start: bool = False
    meter: Meter = field(default_factory=Meter)


@dataclass
class Best:
    """The best epoch so far, by validation loss.

    Args:
        loss: Of that epoch.
        rested: Epochs since.
        epoch: How many epochs of the stage there had been.
        weights: As they were then, averaged where that is asked for.
    """

    loss: float = math.inf
    rested: int = 0
    epoch: int = 0
    weights: list[np.ndarray] = field(default_factory=list)


class Diverged(UserError):
    """The loss is no number any more.

    Args:
        message: For the user.
        ids: What the batch was made of.
    """

    def __init__(self, message: str, ids: Sequence[str]) -> None:
        super().__init__(message)
        self.ids = list(ids)


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one line an epoch.

    Args:
        path: The file, `history.csv` of a run.
        history: What `Fit` has added.
    """
    header = list(dict.fromkeys(name for row in history for name in row)) or ["epoch"]
    rows = ([row.get(key, "") for key in header] for row in history)
    file_io.write_csv(path, header, rows)
