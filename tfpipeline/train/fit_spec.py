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
    """What is trained on what."""

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
    """The best epoch so far, by validation loss."""

    loss: float = math.inf
    rested: int = 0
    epoch: int = 0
    weights: list[np.ndarray] = field(default_factory=list)


class Diverged(UserError):
    """The loss is no number any more."""

    def __init__(self, message: str, ids: Sequence[str]) -> None:
        super().__init__(message)
        self.ids = list(ids)


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one line an epoch."""
    header = list(dict.fromkeys(name for row in history for name in row)) or ["epoch"]
    rows = ([row.get(key, "") for key in header] for row in history)
    file_io.write_csv(path, header, rows)
