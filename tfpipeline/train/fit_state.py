"""Where a stage stands: everything that it goes on from, taken down and put back."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.train import schedules
from tfpipeline.train.checkpoints import State
from tfpipeline.train.fit_spec import Best, Row, Stage
from tfpipeline.train.weight_averaging import Averages, arrays_of, assign

# In a checkpoint, before the names of what belongs to the start of the epoch.
_START = "start_"


class Standing:
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
        self.done = False
        # Where the epoch began, if it may be rolled back to.
        self.start: State | None = None
        settings = stage.settings
        self.plateau = schedules.Plateau(0.5, settings.plateau_patience)
        optimizer, variables = stage.trainer.optimizer, stage.trainer.variables
        self.averages = Averages(settings, optimizer, variables, stage.weights)

    def note_start(self) -> None:
        """Remember where the epoch begins, unless that is known."""
        if self.start is None or self.start.values["epoch"] != self.epoch:
            self.start = None
            self.start = self.capture()

    def roll_back(self) -> None:
        """Go back to where the epoch began, at half the rate."""
        assert self.start is not None
        self.restore(self.start)
        self.rate_scale, self.roll_backs = self.rate_scale / 2, self.roll_backs + 1
        self.start = None

    def capture(self) -> State:
        """Return everything that the stage goes on from."""
        averages = self.averages
        values = {
            **self.notes,
            **{"stage": self.stage.name, "epoch": self.epoch, "step": self.step},
            **{"sums": list(self.sums), "done": self.done},
            "history": [dict(row) for row in self.history],
            "best": [self.best.loss, self.best.rested, self.best.epoch],
            "plateau": [self.plateau.best, self.plateau.rested, self.plateau.scale],
            "averaged": averages.count,
            "rate": [self.rate, self.rate_scale, self.roll_backs],
        }
        arrays = {
            "weights": arrays_of(self.stage.weights),
            "optimizer": arrays_of(self.stage.trainer.optimizer.variables),
            "best": [array.copy() for array in self.best.weights],
            "mean": [array.copy() for array in averages.mean],
        }
        if self.start is not None:
            values[f"{_START}values"] = self.start.values
            arrays.update({f"{_START}{k}": v for k, v in self.start.arrays.items()})
        return State(values, arrays)

    def restore(self, state: State) -> None:
        """Go back to what `capture` returned, in this process or in another one."""
        values, arrays = state.values, state.arrays
        self.epoch, self.step = values["epoch"], values["step"]
        self.sums, self.done = list(values["sums"]), values["done"]
        self.history[:] = [dict(row) for row in values["history"]]
        loss, rested, epoch = values["best"]
        kept = [array.copy() for array in arrays.get("best", [])]
        self.best = Best(loss, rested, epoch, kept)
        self.plateau.best, self.plateau.rested, self.plateau.scale = values["plateau"]
        self.averages.count = values["averaged"]
        self.averages.mean = [array.copy() for array in arrays.get("mean", [])]
        self.rate, self.rate_scale, self.roll_backs = values["rate"]
        if f"{_START}values" in values:
            some = {k: v for k, v in arrays.items() if k.startswith(_START)}
            began = {k[len(_START) :]: v for k, v in some.items()}
            self.start = State(values[f"{_START}values"], began)
        assign(self.stage.weights, arrays["weights"])
        assign(self.stage.trainer.optimizer.variables, arrays["optimizer"])
