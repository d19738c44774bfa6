"""A stage of a training: the parts of its loop, from settings and a task."""

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import epoch_metrics
from tfpipeline.models.inference import Predictor
from tfpipeline.train import adversarial, optimizers
from tfpipeline.train.checks import fine_tuning
from tfpipeline.train.fit_state import Stage
from tfpipeline.train.inputs import Task
from tfpipeline.train.setup import Work
from tfpipeline.train.targets import losses, scaling
from tfpipeline.train.targets.objective import Criterion
from tfpipeline.train.train_step import Trainer, trainable

HEAD, FINE_TUNE = "head", "fine_tune"


def build_trainer(
    work: Work,
    task: Task,
    models: list[keras.Model],
    multipliers: list[float] | None = None,
) -> Trainer:
    """Return what learns from a task: its optimizer and its criterion.

    Args:
        work: What the training needs.
        task: What is fed, and the way from it to logits.
        models: Whose variables learn: the head, and the backbone in fine-tuning.
        multipliers: Of the learning rate of each of these variables; None for 1.
    """
    settings, examples, fine = work.settings, work.examples, len(models) > 1
    first = not fine or settings.train.from_scratch
    train = settings.train if first else fine_tuning(settings)
    if train.ema_momentum is None:
        steps = len(work.batches.arrange_epoch(examples.epoch())[0])
        momentum = min(0.999, max(0.5, 1 - 1 / steps))
        train = dataclasses.replace(train, ema_momentum=momentum)
    half = keras.mixed_precision.dtype_policy().name == "mixed_float16"
    with work.strategy.scope():
        optimizer = optimizers.build_optimizer(
            train, trainable(models), multipliers, scale_loss=fine and half
        )
    method = adversarial.choose(settings.robust)
    criterion = Criterion(
        len(examples.source.labels),
        train.label_smoothing,
        scaling.class_weights(train.class_weights, examples),
        (method, task.inference) if method is not None else None,
        _loss(work),
    )
    return Trainer(task.training, models, optimizer, criterion, work.strategy, train)


def steps(work: Work, task: Task, epoch: int, first: int = 0) -> Any:
    """Return the batches of an epoch, from a step on."""
    order = work.batches.shuffled(work.examples.epoch(), epoch)
    return task.inputs.steps(order, epoch, first)


def _loss(work: Work) -> epoch_metrics.Loss:
    target, scale = work.examples.source.target, scaling.deviation_of(work.model)
    return losses.choose(work.settings.train, target, scale)


def metrics(
    predictor: Predictor, task: Task, work: Work, chosen: np.ndarray
) -> dict[str, float]:
    """Return loss and accuracy on some examples, or what stands for that."""
    outputs = task.inputs.outputs(predictor, chosen, None)
    truth, weight = work.examples.truth(chosen), work.examples.weights(chosen)
    return epoch_metrics.watched(_loss(work), outputs, truth, weight)


def build_stage(
    work: Work,
    task: Task,
    trainer: Trainer,
    name: str,
    weights: list[keras.Variable],
) -> Stage:
    """Return a stage, `HEAD` or `FINE_TUNE`, that changes some weights.

    Args:
        work: What the training needs.
        task: What is fed.
        trainer: That learns from it.
        name: Of the stage.
        weights: All that a checkpoint has to keep of it.
    """
    examples, batches = work.examples, work.batches
    chosen, held_out = examples.epoch(), examples.of("validation")
    predictor = Predictor(task.inference, work.strategy, shared=True)
    validate = functools.partial(metrics, predictor, task, work, held_out)

    def ids(epoch: int, step: int) -> list[str]:
        rows = batches.step(batches.shuffled(chosen, epoch), step)
        return [examples.source.ids[i] for i in rows]

    return Stage(
        name,
        trainer,
        trainer.settings,
        weights,
        lambda epoch, step: steps(work, task, epoch, step),
        steps_per_epoch=len(batches.arrange_epoch(chosen)[0]),
        validate=validate if len(held_out) else None,
        seed=work.settings.seed * 2 + (name == FINE_TUNE),
        ids=ids,
        watched=targets.quantity(examples.source.target),
    )
