"""The stages of a training: the head first, then part of the backbone."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from tfpipeline import distribute
from tfpipeline.attack.engine import robust_accuracy
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config import FineTuneSettings
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core import console
from tfpipeline.metrics import calibration, classification
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.models import classifier, constant_weights, unfreezing
from tfpipeline.models.inference import Predictor
from tfpipeline.train import (
    adversarial,
    from_scratch,
    lr_finder,
    optimizers,
    train_step,
)
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.fit import Fit
from tfpipeline.train.fit_spec import Row, Stage
from tfpipeline.train.inputs import Task
from tfpipeline.train.objective import Criterion
from tfpipeline.train.setup import Work, fine_tuning
from tfpipeline.train.tasks import head_task, image_task
from tfpipeline.train.tensorboard import Board

HEAD, FINE_TUNE = "head", "fine_tune"

# A stage that took longer is not to be made again if its measuring is interrupted.
_WORTH_SECONDS = 20.0


@dataclass
class Course:
    """A training on its way through its stages.

    Args:
        work: What it needs.
        cache: What all runs share.
        checkpoints: Where it is noted how far it is.
        state: The checkpoint that it goes on from, if any.
        history: A row an epoch, of all stages.
        seconds: Of each epoch that this process made.
        task: What the last stage was fed with.
        kept_epoch: Whose weights the last stage ended with, where validation chose.
        undone: Whether no epoch of fine-tuning was better than none.
        search: What the search for a learning rate found, if there was one.
        logits: Of the examples of each split that was measured, in their order.
        calibration: What the validation images say of the probabilities.
        board: Is shown each epoch, for TensorBoard.
    """

    work: Work
    cache: Path
    checkpoints: Checkpoints
    state: State | None
    history: list[Row] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    task: Task | None = None
    kept_epoch: int | None = None
    undone: bool = False
    search: lr_finder.Search | None = None
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    calibration: Calibration = Calibration()
    board: Board | None = None

    def extract(self) -> None:
        """Compute the features that the first stage needs, unless it is over."""
        if not self._over(HEAD):
            self.task = head_task(self.work, self.cache)

    def train_head(self) -> None:
        """Train the head, or go on with it."""
        if self._over(HEAD):
            return
        assert self.task is not None
        work, task = self.work, self.task
        models = from_scratch.learning(work.model, work.settings)
        rate = work.settings.train.learning_rate
        if self.state is not None:
            self._recall_rate(self.state)
        elif rate != "auto":
            self._set_rate(float(rate))
        else:
            self.search = self._find_rate(task, models)
            self._set_rate(self.search.rate)
            console.note(f"learning rate: {self.search.rate:g} (found)")
        trainer = _trainer(self.work, task, models, None)
        weights = [weight for model in models for weight in model.weights]
        stage = _stage(self.work, task, trainer, HEAD, weights)
        # Cached features say nothing of how fast images are read.
        if task.fingerprint is None:
            stage = dataclasses.replace(stage, meter=work.meter)
        self._fit(stage)
        classifier.backbone_of(work.model).trainable = False

    def fine_tune(self) -> None:
        """Let part of the backbone learn, or go on with it, where that is asked for."""
        settings = self.work.settings.fine_tune
        if not settings.epochs:
            if settings != FineTuneSettings() and self.work.chief:
                console.note(
                    "without --fine_tune.epochs, the other settings of fine_tune have "
                    "no effect"
                )
            return
        if self.state is not None:
            self._recall_rate(self.state)
        work = self.work
        backbone = classifier.backbone_of(work.model)
        _, head = classifier.split_classifier(work.model)
        with work.strategy.scope():
            unfrozen = unfreezing.unfreeze(backbone, settings.unfreeze)
        task = self.task = image_task(work, self.cache)
        models = [head, backbone]
        variables = train_step.trainable(models)
        scales = settings.layer_decay < 1 or settings.gradual_epochs > 0
        first = unfrozen.multipliers(settings, variables, 0) if scales else None
        trainer = _trainer(work, task, models, first)

        def begin_epoch(epoch: int) -> None:
            if settings.gradual_epochs:
                now = unfrozen.multipliers(settings, variables, epoch)
                optimizers.set_multipliers(trainer.optimizer, now)

        joined = 1 + (settings.epochs - 1) // max(1, settings.gradual_epochs)
        if settings.gradual_epochs and joined < len(unfrozen.blocks) and work.chief:
            console.note(
                f"fine-tuning: in {settings.epochs} epochs, {joined} of "
                f"{len(unfrozen.blocks)} blocks join; the others stay as they are"
            )
        weights = [*head.weights, *backbone.trainable_variables]
        stage = dataclasses.replace(
            _stage(work, task, trainer, FINE_TUNE, weights),
            begin_epoch=begin_epoch,
            keeps_start=True,
            meter=work.meter,
        )
        before = unfreezing.moving_statistics(backbone)
        self._fit(stage)
        unfreezing.check_unmoved(backbone, before)
        backbone.trainable = False

    def measure(self) -> dict[str, dict[str, object]]:
        """Return the metrics of the splits that the training did not learn from."""
        assert self.task is not None
        work = self.work
        source = work.examples.source
        predictor = Predictor(self.task.inference, work.strategy, shared=True)
        result: dict[str, dict[str, object]] = {}
        for split in ("test", "validation"):
            some = work.examples.of(split)
            if len(some):
                logits = predictor.all(self.task.inputs.batches(some), len(some), split)
                self.logits[split] = logits
                label = source.label[some]
                result[split] = classification.classification(
                    logits, label, source.labels
                )
                if work.settings.robust.method != "none":
                    result[split]["robust"] = self._robust(some)
        self._calibrate(result)
        return result

    def _calibrate(self, result: dict[str, dict[str, object]]) -> None:
        """Choose the temperature on validation images; say what the test has of it."""
        examples = self.work.examples
        classes = len(examples.source.labels)
        label = {
            s: examples.source.label[examples.of(s)] for s in ("test", "validation")
        }
        once = examples.distinct(examples.of("validation"))
        self.calibration = calibration.calibrate(
            self.logits.get("validation", np.zeros((0, classes)))[once],
            label["validation"][once],
            self.work.settings.calibration.target_error,
            self.work.settings.calibration.confidence,
        )
        for split in result:
            result[split]["calibration"] = calibration.told(
                self.calibration, self.logits[split], label[split]
            )

    def _robust(self, some: np.ndarray) -> dict[str, object]:
        """Return the accuracy under attack, at the radius that was trained for."""
        work, chosen = self.work, self.work.settings.robust
        return robust_accuracy.measure(
            constant_weights.traced(work.model, work.model.input_shape[1:3]),
            work.alone.plain(some),
            AdversarySettings(attack="apgd", eight_bit=False),
            [Epsilon.parse(chosen.epsilon, "--robust.epsilon")],
            work.strategy,
            work.settings.seed,
        )

    def _over(self, stage: str) -> bool:
        """Tell whether a checkpoint is of a later stage."""
        return self.state is not None and self.state.values["stage"] != stage

    def _recall_rate(self, state: State) -> None:
        """Know the learning rate that was trained at, and how it was found."""
        if found := state.values["search"]:
            self.search = lr_finder.Search(**found)
        self._set_rate(float(state.values["learning_rate"]))

    def _set_rate(self, rate: float) -> None:
        settings = self.work.settings
        train = dataclasses.replace(settings.train, learning_rate=rate)
        settings = dataclasses.replace(settings, train=train)
        self.work = dataclasses.replace(self.work, settings=settings)

    def _fit(self, stage: Stage) -> None:
        rate = self.work.settings.train.learning_rate
        search = self.search and dataclasses.asdict(self.search)
        notes = {"learning_rate": rate, "search": search}
        notes["batch_size"] = self.work.settings.data.batch_size
        if self.board is not None:
            stage = self.board.watch(stage, self.history, self.work.settings)
        fit = Fit(stage, self.checkpoints, self.history, notes)
        if self.state is not None:
            fit.restore(self.state)
            self.state = None
            if self.work.chief:
                at = f"step {fit.step} of epoch {len(self.history) + 1}"
                console.note(f"going on with {stage.name} after {at}")
        elif stage.name != HEAD or distribute.workers(self.work.strategy)[1] > 1:
            # What came before is not lost any more, and a worker may be at any time.
            fit.save()
        before = len(self.history) - fit.epoch
        fit.run()
        self.kept_epoch = before + fit.best.epoch if fit.best.weights else None
        if sum(fit.seconds) > _WORTH_SECONDS:
            fit.save()
        self.seconds += fit.seconds
        self.undone = bool(fit.best.weights) and fit.best.epoch == 0

    def _find_rate(self, task: Task, models: list[keras.Model]) -> lr_finder.Search:
        """Search for a learning rate; the weights are as before afterwards."""
        work = self.work
        train = dataclasses.replace(
            work.settings.train, learning_rate=lr_finder.LOWEST, averaging="none"
        )
        settings = dataclasses.replace(work.settings, train=train)
        trainer = _trainer(
            dataclasses.replace(work, settings=settings), task, models, None
        )
        chosen = work.examples.of("train")
        return lr_finder.search(
            trainer,
            [weight for model in models for weight in model.weights],
            lambda epoch: task.inputs.steps(
                work.batches.shuffled(chosen, epoch), epoch, 0
            ),
            work.settings.seed,
        )


def _trainer(
    work: Work,
    task: Task,
    models: list[keras.Model],
    multipliers: list[float] | None,
) -> train_step.Trainer:
    settings, examples = work.settings, work.examples
    fine = len(models) > 1
    first = not fine or settings.train.from_scratch
    train = settings.train if first else fine_tuning(settings)
    if train.ema_momentum is None:
        steps = len(work.batches.arrange(examples.of("train"))[0])
        momentum = min(0.999, max(0.5, 1 - 1 / steps))
        train = dataclasses.replace(train, ema_momentum=momentum)
    half = keras.mixed_precision.dtype_policy().name == "mixed_float16"
    with work.strategy.scope():
        optimizer = optimizers.build_optimizer(
            train, train_step.trainable(models), multipliers, scale_loss=fine and half
        )
    method = adversarial.choose(settings.robust)
    criterion = Criterion(
        len(examples.source.labels),
        train.label_smoothing,
        optimizers.class_weights(train.class_weights, examples.counts()),
        (method, task.inference) if method is not None else None,
    )
    return train_step.Trainer(
        task.training, models, optimizer, criterion, work.strategy, train
    )


def _stage(
    work: Work,
    task: Task,
    trainer: train_step.Trainer,
    name: str,
    weights: list[keras.Variable],
) -> Stage:
    examples, batches = work.examples, work.batches
    chosen, chooses = examples.of("train"), examples.of("validation")
    predictor = Predictor(task.inference, work.strategy, shared=True)
    size = batches.reading.batch_size

    def validate() -> dict[str, float]:
        logits = predictor.all(task.inputs.batches(chooses), len(chooses), None)
        return classification.loss_and_accuracy(logits, examples.source.label[chooses])

    def ids(epoch: int, step: int) -> list[str]:
        order = batches.shuffled(chosen, epoch)[step * size : (step + 1) * size]
        return [examples.source.ids[i] for i in order]

    return Stage(
        name,
        trainer,
        trainer.settings,
        weights,
        lambda epoch, step: task.inputs.steps(
            batches.shuffled(chosen, epoch), epoch, step
        ),
        steps_per_epoch=len(batches.arrange(chosen)[0]),
        validate=validate if len(chooses) else None,
        seed=work.settings.seed * 2 + (name == FINE_TUNE),
        ids=ids,
    )
