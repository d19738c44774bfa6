"""A stage of a training, epoch by epoch: it can stop anywhere and go on exactly."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import console, progress, signals
from tfpipeline.core.errors import UserError
from tfpipeline.train import epoch_log, schedules
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.fit_state import Best, FitState, Row, Stage
from tfpipeline.train.train_step import Sums
from tfpipeline.train.weight_averaging import all_finite, arrays_of, assign

# Results of steps are read so many calls late: a device that works on its own is kept
# busy, and the meter sees who waits for whom. All workers act on what they read at the
# same call.
LAG = 3

# Of more epochs there is a line a second at most.
LINES = 100

# How often a training that diverged is rolled back.
ROLL_BACKS = 5


class Diverged(UserError):
    """The loss is NaN or infinite; `ids` are those of the batch."""

    def __init__(self, message: str, ids: Sequence[str]) -> None:
        super().__init__(message)
        self.ids = list(ids)


class Fit(FitState):
    """Trains one stage, from the beginning or from a checkpoint.

    Args:
        stage: What is trained.
        checkpoints: Where its state is saved; None for nowhere.
        history: Rows of earlier stages; rows of this one are added, one an epoch:
            `stage`, `epoch` from 1 over all stages, `loss`, `accuracy`, `val_...` of
            what `validate` returns, and `learning_rate` of the last step.
        notes: What else a checkpoint holds.
    """

    def __init__(
        self,
        stage: Stage,
        checkpoints: Checkpoints | None,
        history: list[Row],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(stage, history, notes or {})
        self.checkpoints = checkpoints
        self.seconds: list[float] = []
        self._calls, self._logged = 0, 0.0
        self._pending: list[tuple[int, int, Any]] = []
        # At which call something was seen that has to be acted on: step, or a stop.
        self._bad: tuple[int, int] | None = None
        self._stop: int | None = None

    def run(self) -> None:
        """Train to the end of the stage; keep the best or the averaged weights."""
        total = self.stage.settings.epochs * self.stage.steps_per_epoch
        done = self.epoch * self.stage.steps_per_epoch + self.step
        bar = progress.bar(total, self.stage.name, "batch", initial=done)
        with signals.deferred() as wish, bar:
            self.stage.report()
            if self.stage.keeps_start and not self.best.weights and not self.done:
                self._choose(self._validate())
            while not self.done:
                self._run_epoch(wish, bar)
            if bar.total and bar.n < bar.total:
                # Stopped early: there is nothing left to wait for.
                bar.total = bar.n
                bar.refresh()
            if self.best.weights:
                assign(self.stage.weights, self.best.weights)
            else:
                self.averages.swap_in()
            if self.checkpoints is not None and (wish or self._stop is not None):
                self._leave(wish)

    def _run_epoch(self, wish: signals.Wish, bar: Any) -> None:
        started = time.perf_counter()
        if self.stage.begin_epoch is not None:
            self.stage.begin_epoch(self.epoch)
        rolls = self.stage.settings.on_nan == "roll_back"
        coarse = self.stage.trainer.rewrites
        if rolls or coarse:
            self.note_start()
        try:
            self._train(wish, bar)
        except Diverged as error:
            if coarse:
                # It may be the arithmetic that is to blame.
                self.go_exact()
                console.warn(
                    f"the loss of epoch {len(self.history) + 1} ({self.stage.name}) "
                    "was NaN or infinite in bfloat16: this epoch is repeated, and the "
                    "rest computed, in float32"
                )
            elif not rolls or self.roll_backs == ROLL_BACKS:
                raise
            else:
                self.roll_back()
                console.note(
                    f"{error} Rolled back to the start of the epoch, at half the rate."
                )
            self._pending, self._bad = [], None
            # As printed: the bar would keep silent until it is there once more.
            bar.n = bar.last_print_n = (
                self.epoch * self.stage.steps_per_epoch + self.step
            )
            return
        self.seconds.append(time.perf_counter() - started)
        row = self._end_epoch()
        self.stage.report()
        if self.stage.logs:
            self._log(row)
        bar.set_postfix({"loss": f"{row['loss']:.3f}"}, refresh=False)

    def _log(self, row: Row) -> None:
        """Print a line on the epoch that has ended."""
        epochs = self.stage.settings.epochs
        if len(self.seconds) == 1:
            console.note(f"{self.stage.name}\n{epoch_log.header(row, epochs)}")
        now = time.perf_counter()
        if epochs > LINES and not self.done and now < self._logged + 1:
            return
        self._logged = now
        best = bool(self.best.weights) and self.best.epoch == self.epoch
        seconds = self.seconds[-1]
        console.note(epoch_log.line(row, self.epoch, epochs, seconds, best))
        if self.done and self.epoch < epochs:
            console.note(
                f"stopped early: validation loss has not improved for "
                f"{self.best.rested} epochs"
            )

    def _train(self, wish: signals.Wish, bar: Any) -> None:
        """Run what is left of an epoch."""
        stage = self.stage
        for part in stage.meter.watch(stage.steps(self.epoch, self.step)):
            count = len(part.labels)
            first = self.epoch * stage.steps_per_epoch + self.step
            rates = schedules.rates(stage.settings, first, count, stage.steps_per_epoch)
            rates = rates * np.float32(self.plateau.scale * self.rate_scale)
            self.rate = float(rates[-1])
            with _memory_errors():
                sums = stage.trainer.run(part, stage.seed, first, rates, bool(wish))
                self._pending.append((self._calls, self.step, sums))
                self._calls += 1
                self.step += count
                while len(self._pending) >= LAG:
                    self._read()
            self._act(wish, self._calls - LAG)
            if self.checkpoints is not None and self.checkpoints.due(count):
                self.save()
            bar.update(count)
            stage.meter.count(part.labels.shape[0] * part.labels.shape[1])
        self._flush()
        self._act(wish, self._calls)
        if not all_finite(stage.weights):
            # The last step's loss was looked at before that step was made.
            raise self._diverged(stage.steps_per_epoch - 1)

    def _read(self) -> None:
        """Wait for the oldest result that was not waited for yet."""
        call, step, result = self._pending.pop(0)
        sums = Sums.read(result)
        for i, value in enumerate((sums.loss, sums.correct, sums.weight)):
            self.sums[i] += value
        if sums.bad_step >= 0 and self._bad is None:
            self._bad = (call, step + sums.bad_step)
        if sums.stops and self._stop is None:
            self._stop = call

    def _flush(self) -> None:
        with _memory_errors():
            while self._pending:
                self._read()

    def _act(self, wish: signals.Wish, call: int) -> None:
        """Act on what was seen up to a call: every worker does at the same one."""
        if self._bad is not None and self._bad[0] <= call:
            self._flush()
            raise self._diverged(self._bad[1])
        if self._stop is not None and self._stop <= call:
            self._flush()
            self._leave(wish)

    def _diverged(self, step: int) -> Diverged:
        ids = self.stage.ids(self.epoch, step) if self.stage.ids else []
        rest = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        batch = f" Its batch: {', '.join(ids[:3])}{rest}." if ids else ""
        return Diverged(
            f"The loss of step {step + 1} in epoch {len(self.history) + 1} "
            f"({self.stage.name}) is NaN or infinite: training has diverged.{batch} "
            "Lower the learning rate, set --train.clip_norm 1 or --train.precision "
            "float32 (with --overwrite true), or say --train.on_nan roll_back.",
            ids,
        )

    def _leave(self, wish: signals.Wish) -> None:
        saved = self.checkpoints is not None and self.save()
        where = f"epoch {len(self.history) + 1}, step {self.step} ({self.stage.name})"
        kept = "; a checkpoint is written, and the same command resumes there"
        # Where another worker was asked, this one ends in the same way.
        code = wish.number or signal.SIGTERM
        raise signals.Stopped(f"Stopped at {where}{kept if saved else ''}.", code)

    def _end_epoch(self) -> Row:
        loss, correct, weight = self.sums
        logs: dict[str, float] = {"loss": loss / weight}
        logs[self.stage.watched] = correct / weight
        self.averages.end_epoch(self.epoch)
        metrics = self._validate()
        logs.update({f"val_{name}": float(v) for name, v in metrics.items()})
        self.epoch, self.step, self.sums = self.epoch + 1, 0, [0.0, 0.0, 0.0]
        self._choose(metrics)
        patience = self.stage.settings.patience
        rested = patience is not None and self.best.rested >= patience
        rested = rested and not self.averages.is_pending(self.epoch)
        self.done = rested or self.epoch >= self.stage.settings.epochs
        if self.stage.settings.schedule == "plateau":
            self.plateau.update(metrics.get("loss", math.inf))
        row: Row = {"stage": self.stage.name, "epoch": len(self.history) + 1, **logs}
        row["learning_rate"] = self.rate
        self.history.append(row)
        return row

    def _validate(self) -> Mapping[str, float]:
        """Return the metrics of the weights that would be kept now."""
        if self.stage.validate is None:
            return {}
        self.averages.swap_in()
        try:
            return self.stage.validate()
        finally:
            self.averages.swap_out()

    def _choose(self, metrics: Mapping[str, float]) -> None:
        """Keep the weights where they are the best so far."""
        if "loss" not in metrics:
            return
        if metrics["loss"] < self.best.loss:
            self.averages.swap_in()
            kept = arrays_of(self.stage.weights)
            self.best = Best(metrics["loss"], 0, self.epoch, kept)
            self.averages.swap_out()
        else:
            self.best.rested += 1

    def capture(self) -> State:
        """Return everything that the stage goes on from, after its last result."""
        self._flush()
        return super().capture()

    def save(self) -> bool:
        """Write a checkpoint, unless what it would hold has diverged."""
        assert self.checkpoints is not None
        state = self.capture()
        if self._bad is not None or not all_finite(state.arrays["weights"]):
            return False
        return self.checkpoints.save(state)


def longer(fit: Fit, rows: Sequence[Row], section: str) -> str | None:
    """Return the flag that would let a stage learn on, where that promises anything.

    Args:
        fit: Of the stage, at its end.
        rows: Of its history, an epoch each.
        section: Of its settings.
    """
    epochs = fit.stage.settings.epochs
    losses = [float(row["val_loss"]) for row in rows if "val_loss" in row]
    earlier = losses[-1 - max(1, epochs // 10) :]
    if fit.best.epoch < epochs or len(earlier) < 2:
        return None
    # Slower than that it is not worth waiting for, and all right can get no better.
    if losses[-1] > 0.98 * earlier[0] or rows[-1].get("val_accuracy") == 1:
        return None
    return f"--{section}.epochs {2 * epochs}"


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what to do where a device has too little memory."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise UserError(
            "The device has too little memory for a step. Lower --data.batch_size (or "
            "set it to auto) or --model.image_size, or unfreeze less."
        ) from None
