"""Which settings cannot be together, and what the second stage takes from the first."""

import dataclasses

import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import RunSettings, TrainSettings
from tfpipeline.core.errors import UserError, check_each
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import calibration, novelty
from tfpipeline.models import unfreezing
from tfpipeline.models.engines import names
from tfpipeline.train import adversarial, optimizers
from tfpipeline.train.checkpoints import State
from tfpipeline.train.targets import limits as target_limits


def fine_tuning(settings: RunSettings) -> TrainSettings:
    """Return how the second stage trains: as the first, but for its own settings."""
    own = settings.fine_tune
    return dataclasses.replace(
        settings.train,
        epochs=own.epochs,
        learning_rate=own.learning_rate,
        optimizer=own.optimizer or settings.train.optimizer,
        schedule=own.schedule,
        warmup_epochs=own.warmup_epochs,
        patience=own.patience,
    )


def check(settings: RunSettings) -> None:
    """Refuse settings that cannot be together, before any work is done."""
    train = settings.train
    optimizers.check(train)
    target_limits.check_settings(settings)
    names.check(train.engine, "--train.engine", exact=False)
    if adversarial.choose(settings.robust) is not None and settings.data.views:
        raise UserError(
            f"--robust.method {settings.robust.method} with --data.views: views are "
            f"features that are computed once, but an attack changes the images in "
            f"every step. "
            "Leave one of them out."
        )
    if settings.data.folds == 1 or settings.data.folds < 0:
        raise UserError(
            f"--data.folds: expected 0, or 2 or more. Received: {settings.data.folds}. "
            "With 5, each head trains on four fifths of the training images."
        )
    unfreezing.check(settings.fine_tune)
    if settings.fine_tune.epochs:
        optimizers.check(fine_tuning(settings), "fine_tune")
    if settings.data.sampling != "natural" and train.class_weights != "none":
        raise UserError(
            "--data.sampling balanced and --train.class_weights balanced: expected one "
            "of them; together they would count rare classes twice. Leave one out."
        )
    kept, logs = settings.checkpoint, settings.logs
    limits = {
        "every_steps": ("0 or more", kept.every_steps >= 0),
        "every_seconds": ("0 or more", kept.every_seconds >= 0),
    }
    check_each("checkpoint", kept, limits)
    check_each("logs", logs, {"profile_steps": ("at least 0", logs.profile_steps >= 0)})
    novelty.check(train.false_alarms)
    calibration.check(
        settings.calibration.target_error, settings.calibration.confidence
    )


def check_devices(settings: RunSettings, strategy: tf.distribute.Strategy) -> None:
    """Refuse what the devices at hand cannot do."""
    replicas, workers = strategy.num_replicas_in_sync, distribute.workers(strategy)[1]
    if settings.train.jit_compile and replicas > 1:
        raise UserError(
            f"--train.jit_compile true with {replicas} replicas: XLA cannot compile "
            f"their communication. Use --distribute.strategy one_device, or leave it "
            f"out."
        )
    if workers > 1 and settings.data.batch_size == "auto":
        raise UserError(
            "--data.batch_size auto with several workers: each could find a different "
            "size. Give a number; it is the size of the global batch."
        )
    if workers > 1 and not settings.workdir:
        raise UserError(
            "--workdir: expected with several workers: a folder that all of them see."
        )


def check_schedules(settings: RunSettings, examples: Examples) -> None:
    """Refuse a schedule that needs validation images where there are none."""
    if len(examples.of("validation")):
        return
    stages = {"train": settings.train.schedule}
    if settings.fine_tune.epochs:
        stages["fine_tune"] = settings.fine_tune.schedule
    for name, schedule in stages.items():
        if schedule == "plateau":
            raise UserError(
                f"--{name}.schedule plateau: it needs the validation loss, but there "
                f"are no validation images. Set --data.validation_fraction, or "
                "choose another schedule."
            )


def check_agreement(strategy: tf.distribute.Strategy, state: State | None) -> None:
    """Make sure that all workers resume from the same checkpoint, or from none."""
    values = {} if state is None else state.values
    distribute.check_same(
        strategy,
        {"checkpoints": lambda: (f"{k}: {values[k]}" for k in sorted(values))},
        "--workdir has to be one folder that all of them see; remove what is left of "
        "other trainings.",
    )
