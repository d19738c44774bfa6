"""A stage of a training, and everything that it resumes from."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfpipeline.config import TrainSettings
from tfpipeline.models.throughput import Meter
from tfpipeline.train import schedules
from tfpipeline.train.checkpoints import State
from tfpipeline.train.train_step import Steps, Trainer
from tfpipeline.train.weight_averaging import Averages, arrays_of, assign

# One epoch in `history.csv`.
Row = dict[str, str | float]

# In a checkpoint, before the names of what belongs to the start of the epoch.
_START = "start_"


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
        validate: Metrics after each epoch; None without validation images.
        seed: Of everything that is drawn.
        ids: From the numbers of an epoch and a step to the ids of its batch.
        begin_epoch: Called with the number of each epoch before it.
        report: Called before the first epoch, and after each of them.
        keeps_start: Whether the weights before the first epoch may be the best.
        meter: Measures how long the steps have waited for their input.
        logs: Whether a line an epoch is printed.
        watched: What the criterion scores examples by, as `history.csv` has it.
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
    report: Callable[[], None] = lambda: None
    keeps_start: bool = False
    meter: Meter = field(default_factory=Meter)
    logs: bool = True
    watched: str = "accuracy"


@dataclass
class Best:
    """The best epoch so far by validation loss, and how many epochs have come since."""

    loss: float = math.inf
    rested: int = 0
    epoch: int = 0
    # Averaged, where that is asked for.
    weights: list[np.ndarray] = field(default_factory=list)


class FitState:
    """How far a stage is."""

    def __init__(
        self, stage: Stage, history: list[Row], notes: Mapping[str, Any]
    ) -> None:
        self.stage = stage
        self.history = history
        self.notes = dict(notes)
        self.epoch = self.step = 0
        self.sums = [0.0, 0.0, 0.0]
        self.best = Best()
        self.rate, self.rate_scale, self.roll_backs = 0.0, 1.0, 0
        # The first epoch, from 1, that was made in float32 after some in bfloat16.
        self.exact_from: int | None = None
        self.done = False
        # Where the epoch began, if it may be rolled back to.
        self.start: State | None = None
        settings = stage.settings
        self.plateau = schedules.Plateau(settings.plateau_patience)
        optimizer, variables = stage.trainer.optimizer, stage.trainer.variables
        self.averages = Averages(settings, optimizer, variables, stage.weights)

    def note_start(self) -> None:
        """Remember where the epoch begins, unless that is known."""
        if self.start is None or self.start.values["epoch"] != self.epoch:
            self.start = None
            self.start = self.capture()

    def roll_back(self) -> None:
        """Go back to where the epoch began, at half the rate."""
        self._go_back()
        self.rate_scale, self.roll_backs = self.rate_scale / 2, self.roll_backs + 1

    def go_exact(self) -> None:
        """Go back to where the epoch began, and on from there in float32."""
        self._go_back()
        self.exact_from = self.epoch + 1
        self.stage.trainer.rewrites = False

    def _go_back(self) -> None:
        assert self.start is not None
        self.restore(self.start)
        self.start = None

    def capture(self) -> State:
        """Return everything that the stage resumes from."""
        averages, best, plateau = self.averages, self.best, self.plateau
        values = {
            **self.notes,
            **{"stage": self.stage.name, "epoch": self.epoch, "step": self.step},
            **{"sums": list(self.sums), "done": self.done},
            "history": [dict(row) for row in self.history],
            "best": [best.loss, best.rested, best.epoch],
            "plateau": [plateau.best, plateau.rested, plateau.scale],
            "averaged": averages.count,
            "rate": [self.rate, self.rate_scale, self.roll_backs],
            "exact_from": self.exact_from,
        }
        arrays = {
            "weights": arrays_of(self.stage.weights),
            "optimizer": arrays_of(self.stage.trainer.optimizer.variables),
            "best": arrays_of(best.weights),
            "mean": arrays_of(averages.mean),
        }
        if self.start is not None:
            values[f"{_START}values"] = self.start.values
            arrays.update({f"{_START}{k}": v for k, v in self.start.arrays.items()})
        return State(values, arrays)

    def restore(self, state: State) -> None:
        """Go back to what `capture` returned, in this process or in another one."""
        values, arrays, plateau = state.values, state.arrays, self.plateau
        self.epoch, self.step = values["epoch"], values["step"]
        self.sums, self.done = list(values["sums"]), values["done"]
        self.history[:] = [dict(row) for row in values["history"]]
        loss, rested, epoch = values["best"]
        self.best = Best(loss, rested, epoch, arrays_of(arrays.get("best", [])))
        plateau.best, plateau.rested, plateau.scale = values["plateau"]
        self.averages.count = values["averaged"]
        self.averages.mean = arrays_of(arrays.get("mean", []))
        self.rate, self.rate_scale, self.roll_backs = values["rate"]
        self.exact_from = values.get("exact_from")
        if self.exact_from is not None:
            self.stage.trainer.rewrites = False
        if f"{_START}values" in values:
            start = {
                name.removeprefix(_START): array
                for name, array in arrays.items()
                if name.startswith(_START)
            }
            self.start = State(values[f"{_START}values"], start)
        assign(self.stage.weights, arrays["weights"])
        assign(self.stage.trainer.optimizer.variables, arrays["optimizer"])
