"""The one training loop: `strategy.run` and GradientTape, under every strategy."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfpipeline import atomic, distribution
from tfpipeline.config import TrainSettings
from tfpipeline.errors import UserError
from tfpipeline.training.meter import Meter

Forward = Callable[[Any], Any]


@dataclass(frozen=True)
class Steps:
    """Some global batches in a row, to be trained on in one call.

    Args:
        inputs: float32, shape (steps, batch, ...).
        labels: int32, shape (steps, batch); or targets, shape (steps, batch, classes).
        weights: float32, shape (steps, batch); 0 leaves an example out.
    """

    inputs: Any
    labels: Any
    weights: Any


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy, and what each example counts in it.

    Args:
        classes: Number of logits.
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: What an example of each class weighs, shape (classes,); loss and
            accuracy are then weighted means. All weigh the same where None.
    """

    classes: int
    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None

    def targets(self, labels: Any) -> Any:
        """Return one-hot targets for class indices; targets stay as they are.

        Args:
            labels: int32, shape (steps, batch); or float32, (steps, batch, classes).
        """
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank == 3:
            return labels
        return tf.one_hot(labels, self.classes)

    def weigh(self, targets: Any, weights: Any) -> Any:
        """Return the weights of the examples, multiplied by those of their classes.

        Args:
            targets: float32, shape (steps, batch, classes).
            weights: float32, shape (steps, batch).
        """
        if self.class_weights is None:
            return tf.convert_to_tensor(weights)
        return weights * tf.linalg.matvec(targets, self.class_weights)


class Trainer:
    """What one step of training does, traced once and run on every replica.

    Args:
        forward: From inputs to logits, in training mode.
        variables: What is trained.
        optimizer: Built for `variables` under the strategy's scope.
        criterion: What is minimised.
        strategy: Where the steps run.
        meter: Is told how long the steps have waited for their input.
    """

    def __init__(
        self,
        forward: Forward,
        variables: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        criterion: Criterion,
        strategy: tf.distribute.Strategy,
        meter: Meter | None = None,
    ) -> None:
        self.forward = forward
        self.variables = [variable.value for variable in variables]
        self.optimizer = optimizer
        self.criterion = criterion
        self.strategy = strategy
        self.meter = meter or Meter()
        self.loss = keras.losses.CategoricalCrossentropy(
            from_logits=True,
            label_smoothing=criterion.label_smoothing,
            reduction="none",
        )
        self._run = tf.function(self._run_steps, reduce_retracing=True)

    def run(self, steps: Steps) -> Any:
        """Train on some global batches; return sums, without waiting for them.

        Args:
            steps: The batches.

        Returns:
            Tensor of shape (3,): loss and correct answers summed over the examples, and
            the sum of their weights.
        """
        targets = self.criterion.targets(steps.labels)
        weights = self.criterion.weigh(targets, steps.weights)
        # Of the global batch: every replica divides by the same number.
        totals = tf.reduce_sum(weights, axis=1)
        parts = distribution.split(
            self.strategy, (steps.inputs, targets, weights), axis=1
        )
        return self._run(*parts, totals)

    def _run_steps(self, inputs: Any, targets: Any, weights: Any, totals: Any) -> Any:
        sums = tf.zeros([3])
        for k in tf.range(tf.shape(totals)[0]):
            each = self.strategy.run(
                self._step, args=(inputs, targets, weights, totals, k)
            )
            sums += self.strategy.reduce("SUM", each, axis=None)
        return sums

    def _step(
        self, inputs: Any, targets: Any, weights: Any, totals: Any, k: Any
    ) -> Any:
        x, target, weight = inputs[k], targets[k], weights[k]
        with tf.GradientTape() as tape:
            logits = tf.cast(self.forward(x), tf.float32)
            each = self.loss(target, logits) * weight
            # The optimizer sums over replicas: divide by the global batch, not ours.
            loss = self.optimizer.scale_loss(tf.reduce_sum(each) / totals[k])
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply(gradients)
        right = tf.argmax(logits, 1) == tf.argmax(target, 1)
        correct = tf.cast(right, tf.float32) * weight
        return tf.stack(
            [tf.reduce_sum(each), tf.reduce_sum(correct), tf.reduce_sum(weight)]
        )


def fit(
    trainer: Trainer,
    model: keras.Model,
    epoch_steps: Callable[[int], Iterable[Steps]],
    validate: Callable[[], Mapping[str, float]] | None,
    settings: TrainSettings,
    *,
    steps_per_epoch: int,
) -> list[dict[str, float]]:
    """Train epoch by epoch, with Keras' callbacks at their usual places.

    Args:
        trainer: One step.
        model: Whose weights the callbacks see; they stop it by `stop_training`.
        epoch_steps: The batches of an epoch, by its number from 0.
        validate: Metrics after each epoch, e.g. `loss` and `accuracy`.
        settings: The section `train`. Where there is validation, the best epoch's
            weights are put back at the end.
        steps_per_epoch: Batches of an epoch, for the progress bar.

    Returns:
        One row an epoch: `epoch` from 1, `loss`, `accuracy`, `val_...` of what
        `validate` returns, `learning_rate`, `seconds`.

    Raises:
        UserError: The loss is no number any more.
    """
    history: list[dict[str, float]] = []
    model.stop_training = False
    best = [_keep_best(settings)] if validate else []
    listeners = keras.callbacks.CallbackList(best, model=model)
    listeners.on_train_begin()
    total = settings.epochs * steps_per_epoch
    with tqdm(total=total, desc="train", unit="batch", disable=None, miniters=1) as bar:
        for epoch in range(settings.epochs):
            started = time.perf_counter()
            listeners.on_epoch_begin(epoch)
            logs = _epoch(trainer, epoch_steps(epoch), epoch, bar)
            for name, value in (validate() if validate else {}).items():
                logs[f"val_{name}"] = float(value)
            listeners.on_epoch_end(epoch, logs)
            rate = float(np.asarray(trainer.optimizer.learning_rate))
            seconds = time.perf_counter() - started
            extra = {"learning_rate": rate, "seconds": seconds}
            history.append({"epoch": epoch + 1, **logs, **extra})
            shown = {name: f"{value:.3f}" for name, value in logs.items()}
            bar.set_postfix({"epoch": epoch + 1, **shown})
            if model.stop_training:
                break
    listeners.on_train_end()
    return history


def _epoch(
    trainer: Trainer, steps: Iterable[Steps], epoch: int, bar: Any
) -> dict[str, float]:
    sums = []
    for part in trainer.meter.watch(steps):
        sums.append(trainer.run(part))
        # Waits for the step before last: a device that works on its own is kept busy,
        # and the meter sees who waits for whom.
        np.asarray(sums[-3:][0])
        bar.update(len(part.labels))
        trainer.meter.count(part.labels.shape[0] * part.labels.shape[1])
    loss, correct, count = np.sum([np.asarray(one) for one in sums], axis=0)
    if not math.isfinite(loss):
        raise UserError(
            f"The loss of epoch {epoch + 1} is {loss}: training has diverged. Lower "
            "--train.learning_rate, or set --train.precision float32."
        )
    return {"loss": float(loss / count), "accuracy": float(correct / count)}


def _keep_best(settings: TrainSettings) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=settings.epochs if settings.patience is None else settings.patience,
        restore_best_weights=True,
    )


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one line an epoch.

    Args:
        path: The file, `history.csv` of a run.
        history: What `fit` returned.
    """
    header = list(history[0]) if history else ["epoch"]
    atomic.write_csv(path, header, ([row[key] for key in header] for row in history))
