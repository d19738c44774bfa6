"""What TensorBoard shows of a training or an ascent, and who writes it when."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.config import LogSettings, RunSettings
from tfpipeline.core import console
from tfpipeline.core.errors import UserError
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import confusion_matrix
from tfpipeline.report import measured_parts, second_process
from tfpipeline.train import events
from tfpipeline.train.fit_state import Row, Stage
from tfpipeline.train.train_step import Steps

# Settings by which runs are compared: not where they lie, nor what they ran on.
_SECTIONS = ("data", "model", "train", "fine_tune", "robust")
_HIDDEN = {
    *("cache", "classes", "corrections", "demo_per_class", "demo_seed", "group"),
    *("label_column", "label_from", "max_bad_fraction", "max_pixels"),
    *("min_class_share", "path_column", "splits", "tfds_dir", "on_nan"),
    "jit_compile",
}

# Classes in the picture of the confusion matrix; of more, those with most errors.
_MOST_CLASSES = 30

# Of a curve of scores.
MOST_POINTS = 128


class Board:
    """The event files of a run. Nothing that goes wrong here may cost the training.

    Of several workers one `writes`. Where the training does not begin `anew`, what is
    known of its first epochs is written again, so that no step is there twice.
    """

    def __init__(
        self, folder: Path, settings: LogSettings, *, writes: bool, anew: bool
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.writes = writes
        self._events = events.Events(folder)
        self._written = 0
        self._begun = False
        self._on = writes and settings.tensorboard
        if writes and anew:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def watch(
        self, stage: Stage, history: Sequence[Row], settings: RunSettings
    ) -> Iterator[Stage]:
        """Yield a stage that writes each of its epochs, a row of the history, here."""
        if not self.writes:
            yield stage
            return

        def write() -> None:
            self._try(lambda: self._write_history(history, settings))

        steps = self.settings.profile_steps
        profile = Profile(stage.steps, self.folder / stage.name, steps)
        try:
            yield dataclasses.replace(stage, steps=profile, report=write)
        finally:
            profile.stop()

    def finish(
        self,
        figures_folder: Path,
        epoch: int,
        metrics: Mapping[str, Mapping[str, Any]],
        logits: Mapping[str, np.ndarray],
        examples: Examples,
    ) -> None:
        """Show figures and metrics of each split with logits, and end the session."""

        def write() -> None:
            drawn = {}
            for split, own in logits.items():
                source = examples.source
                label = source.label[examples.of(split)]
                drawn[split] = confusion(own, label, source.labels)
            if (batch := figures_folder / "batch.png").is_file():
                self._events.png("batch", batch.read_bytes(), 0)
            for split, wait in drawn.items():
                self._events.png(f"{split}/confusion", wait(), epoch)
                for name in ("accuracy", "top_3_accuracy", "loss"):
                    value = metrics[split][name]
                    self._events.scalar(f"{split}/{name}", value, epoch)
            self._events.end_session()
            self._events.close()

        self._try(write)

    def _write_history(self, history: Sequence[Row], settings: RunSettings) -> None:
        """Write the epochs that are not written yet."""
        if not self._begun:
            events.remove(self.folder)
            self._events.begin_session(comparable_settings(settings))
            self._begun = True
        for row in history[self._written :]:
            self._write_epoch(row)
        self._written = len(history)
        self._events.flush()

    def _write_epoch(self, row: Row) -> None:
        for name, value in row.items():
            if name not in ("stage", "epoch"):
                split = "validation" if name.startswith("val_") else "train"
                tag, part = name.removeprefix("val_"), f"{row['stage']}/{split}"
                self._events.scalar(tag, float(value), int(row["epoch"]), part)

    def _try(self, write: Callable[[], None]) -> None:
        self._on = self._on and attempt(self.folder, write)


class Profile:
    """Steps of a stage, the first of which are recorded operation by operation.

    The first call is skipped: it traces. The record goes on over the ends of epochs,
    until it is stopped at most; `count` steps are rounded up to calls.
    """

    def __init__(
        self, steps: Callable[[int, int], Iterable[Steps]], folder: Path, count: int
    ) -> None:
        self._steps = steps
        self._folder = folder
        self._left, self._number = count, 0
        self._warm = self._on = False

    def __call__(self, epoch: int, step: int) -> Iterator[Steps]:
        """Yield the batches of an epoch."""
        for part in self._steps(epoch, step):
            if self._warm and self._left > 0:
                yield from self._record(part)
            else:
                yield part
            self._warm = True

    def _record(self, part: Steps) -> Iterator[Steps]:
        if not self._on:
            self._on = True
            self._try(lambda: tf.profiler.experimental.start(str(self._folder)))
        with tf.profiler.experimental.Trace("train", step_num=self._number, _r=1):
            yield part
        self._number += 1
        self._left -= len(part.labels)
        if self._left <= 0:
            self.stop()

    def stop(self) -> None:
        """End the record, if it has begun."""
        if self._on:
            self._on = False
            self._try(tf.profiler.experimental.stop)

    def _try(self, act: Callable[[], None]) -> None:
        if not attempt(self._folder, act):
            self._left, self._on = 0, False


def attempt(folder: Path, write: Callable[[], None]) -> bool:
    """Write below a folder, and return whether that could be; it may cost no result."""
    try:
        write()
    except (OSError, tf.errors.OpError, UserError) as error:
        reason = str(error).splitlines()[0]
        console.warn(f"warning: {folder}: no more logs are written: {reason}")
        return False
    return True


def comparable_settings(settings: RunSettings) -> dict[str, bool | float | str]:
    """Return the settings by which runs are compared, by their dotted names."""
    values: dict[str, bool | float | str] = {"seed": settings.seed}
    for section in _SECTIONS:
        for name, value in dataclasses.asdict(getattr(settings, section)).items():
            plain = isinstance(value, bool | int | float | str)
            if value is not None and name not in _HIDDEN:
                values[f"{section}.{name}"] = value if plain else str(value)
    return values


def confusion(
    logits: np.ndarray, label: np.ndarray, labels: Sequence[str]
) -> Callable[[], bytes]:
    """Return what waits for a picture of the confusion matrix, as PNG."""
    predicted = logits.argmax(axis=1)
    shown = confusion_matrix.hardest(label, predicted, len(labels), _MOST_CLASSES)
    pairs = confusion_matrix.pairs(label, predicted, len(labels))
    counts = confusion_matrix.matrix(pairs, shown)[:, : len(shown)]
    given = [labels[i] for i in shown], counts.tolist()
    return second_process.call(measured_parts.confusion_png, *given)
