"""What TensorBoard shows of a training or an ascent, and who writes it when."""

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import LogSettings, RunSettings
from tfpipeline.core import console, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.metrics import confusion_matrix
from tfpipeline.report import charts
from tfpipeline.report.figures import pixels
from tfpipeline.train import events
from tfpipeline.train.fit_spec import Row, Stage
from tfpipeline.train.train_step import Steps

# Settings by which runs are compared: not where they lie, nor what they ran on.
_SECTIONS = ("data", "model", "train", "fine_tune", "robust")
_UNTOLD = {
    *("cache", "corrections", "demo_per_class", "demo_seed", "group", "label_column"),
    *("label_from", "max_bad_fraction", "min_class_share", "path_column", "splits"),
    *("tfds_dir", "on_nan", "jit_compile"),
}

# Classes in the picture of the confusion matrix; of more, those with most errors.
_MOST_CLASSES = 30

# Of a curve of scores.
MOST_POINTS = 128


class Board:
    """The event files of a run. Nothing that goes wrong here may cost the training.

    Args:
        folder: `logs/` of the run.
        settings: Whether it is written.
        writes: Whether this process does: only one of several workers.
        anew: Whether the training begins; else it goes on, and what is known of its
            first epochs is written again, so that no step is there twice.
    """

    def __init__(
        self, folder: Path, settings: LogSettings, *, writes: bool, anew: bool
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.writes = writes
        self._events = events.Events(folder)
        self._told = 0
        self._begun = False
        self._on = writes and settings.tensorboard
        if writes and anew:
            shutil.rmtree(folder, ignore_errors=True)

    def watch(self, stage: Stage, history: Sequence[Row], given: RunSettings) -> Stage:
        """Return a stage that tells of each of its epochs as it ends.

        Args:
            stage: What is about to be trained.
            history: To which a row is added by each epoch; it may have rows before.
            given: The settings, as they are now known.
        """
        if not self.writes:
            return stage
        callbacks = [*stage.callbacks]
        if count := self.settings.profile_steps:
            profile = Profile(stage.steps, self.folder / stage.name, count)
            callbacks.append(profile)
            stage = dataclasses.replace(stage, steps=profile)
        callbacks.append(_Teller(lambda: self._try(lambda: self._tell(history, given))))
        return dataclasses.replace(stage, callbacks=callbacks)

    def finish(self, figures_folder: Path, outcome: "Outcome") -> None:
        """Show pictures of the run and its result, and end it.

        Args:
            figures_folder: Where pictures of the run lie.
            outcome: What was measured.
        """
        self._try(lambda: self._finish(figures_folder, outcome))

    def _finish(self, figures_folder: Path, outcome: "Outcome") -> None:
        if (batch := figures_folder / "batch.png").is_file():
            self._events.image("batch", image_io.decode(batch), 0)
        for split, logits in outcome.logits.items():
            picture = confusion(logits, outcome.label[split], outcome.labels)
            self._events.image(f"{split}/confusion", picture, outcome.epoch)
        for split, found in outcome.metrics.items():
            for name in ("accuracy", "top_3_accuracy", "loss"):
                self._events.scalar(f"{split}/{name}", found[name], outcome.epoch)
        self._events.end_session()
        self._events.close()

    def _tell(self, history: Sequence[Row], given: RunSettings) -> None:
        """Write the epochs that were not yet told of."""
        if not self._begun:
            events.remove(self.folder)
            self._events.begin_session(compared(given))
            self._begun = True
        for row in history[self._told :]:
            self._tell_epoch(row)
        self._told = len(history)
        self._events.flush()

    def _tell_epoch(self, row: Row) -> None:
        stage, epoch = str(row["stage"]), int(row["epoch"])
        for name, value in row.items():
            if name in ("stage", "epoch"):
                continue
            held_out = name.startswith("val_")
            part = f"{stage}/{'validation' if held_out else 'train'}"
            tag = name.removeprefix("val_")
            self._events.scalar(tag, float(value), epoch, part)

    def _try(self, tell: Callable[[], None]) -> None:
        self._on = self._on and attempt(self.folder, tell)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Args:
        epoch: How many epochs there were.
        metrics: Of each split, as in `metrics.json`.
        logits: Of each split, shape (n, classes).
        label: Index of the true class of each, shape (n,).
        labels: Class names.
    """

    epoch: int
    metrics: dict[str, dict[str, Any]]
    logits: dict[str, np.ndarray]
    label: dict[str, np.ndarray]
    labels: Sequence[str]


class _Teller(keras.callbacks.Callback):
    """Calls a function when a training begins, and after each epoch."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def on_train_begin(self, logs: Any = None) -> None:
        """Tell what is known before the first epoch."""
        self._tell()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell of the epoch."""
        self._tell()


class Profile(keras.callbacks.Callback):
    """Steps of a stage, the first of which are recorded operation by operation.

    The first call is left out: it traces. The record goes on over the ends of epochs,
    and to the end of the stage at most.

    Args:
        steps: As of a `Stage`.
        folder: Where the record goes.
        count: Steps to record, rounded up to calls.
    """

    def __init__(
        self,
        steps: Callable[[int, int], Iterable[Steps]],
        folder: Path,
        count: int,
    ) -> None:
        super().__init__()
        self._steps = steps
        self._folder = folder
        self._left, self._number = count, 0
        self._warm = self._on = False

    def __call__(self, epoch: int, step: int) -> Iterator[Steps]:
        """Yield the batches of an epoch.

        Args:
            epoch: Its number.
            step: The first one in it.
        """
        try:
            for part in self._steps(epoch, step):
                if self._warm and self._left > 0:
                    yield from self._recorded(part)
                else:
                    yield part
                self._warm = True
        except GeneratorExit:
            # The stage was left in the middle of an epoch.
            self._stop()
            raise

    def on_train_end(self, logs: Any = None) -> None:
        """End the record, where the stage had fewer steps."""
        self._stop()

    def _recorded(self, part: Steps) -> Iterator[Steps]:
        if not self._on:
            self._on = True
            self._try(lambda: tf.profiler.experimental.start(str(self._folder)))
        with tf.profiler.experimental.Trace("train", step_num=self._number, _r=1):
            yield part
        self._number += 1
        self._left -= len(part.labels)
        if self._left <= 0:
            self._stop()

    def _stop(self) -> None:
        if self._on:
            self._on = False
            self._try(tf.profiler.experimental.stop)

    def _try(self, act: Callable[[], None]) -> None:
        if not attempt(self._folder, act):
            self._left, self._on = 0, False


def attempt(folder: Path, tell: Callable[[], None]) -> bool:
    """Write something, and return whether it could be; its failing costs no result."""
    try:
        tell()
    except (OSError, tf.errors.OpError, UserError) as error:
        words = str(error).splitlines()[0]
        console.warn(f"warning: {folder}: nothing more is written there: {words}")
        return False
    return True


def compared(settings: RunSettings) -> dict[str, bool | float | str]:
    """Return the settings by which runs are compared, by their dotted names.

    Args:
        settings: Of a run; what is null is left out.
    """
    found: dict[str, bool | float | str] = {"seed": settings.seed}
    for section in _SECTIONS:
        for name, value in dataclasses.asdict(getattr(settings, section)).items():
            plain = isinstance(value, bool | int | float | str)
            if value is not None and name not in _UNTOLD:
                found[f"{section}.{name}"] = value if plain else str(value)
    return found


def confusion(
    logits: np.ndarray, label: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """Return a picture of the confusion matrix.

    Args:
        logits: Shape (n, classes).
        label: Index of the true class, shape (n,).
        labels: Class names.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    called = logits.argmax(axis=1)
    shown = confusion_matrix.hardest(label, called, len(labels), _MOST_CLASSES)
    pairs = confusion_matrix.pairs(label, called, len(labels))
    counts = confusion_matrix.matrix(pairs, shown)[:, : len(shown)]
    return pixels(charts.confusion([labels[i] for i in shown], counts))
