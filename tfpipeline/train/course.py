"""The course of a training: the head first, then part of the backbone."""

import contextlib
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline import distribute
from tfpipeline.config import FineTuneSettings
from tfpipeline.core import console
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.models import classifier, unfreezing
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.models.engines.trial import Run
from tfpipeline.models.inference import Predictor
from tfpipeline.train import from_scratch, lr_finder, optimizers, stages
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.fit import Fit, longer
from tfpipeline.train.fit_state import Row, Stage
from tfpipeline.train.inputs import (
    CachedFeatures,
    Task,
    head_task,
    image_task,
    steps_in_bfloat16,
)
from tfpipeline.train.setup import Work
from tfpipeline.train.stages import FINE_TUNE, HEAD
from tfpipeline.train.tensorboard import Board
from tfpipeline.train.train_step import trainable

# A stage that took longer is not to be made again if its measuring is interrupted.
_WORTH_SECONDS = 20.0


@dataclass
class Course:
    """A training on its way through its stages, and what they leave behind."""

    work: Work
    cache: Path
    checkpoints: Checkpoints
    # The checkpoint that it resumes from.
    state: State | None
    history: list[Row] = field(default_factory=list)
    # Of each epoch that this process made.
    seconds: list[float] = field(default_factory=list)
    # Of the last stage, as is the epoch whose weights it ended with by validation.
    task: Task | None = None
    kept_epoch: int | None = None
    # Whether no epoch of fine-tuning was better than none.
    undone: bool = False
    # The flag that would let the last stage learn on, where its loss was still falling.
    longer: str | None = None
    search: lr_finder.Search | None = None
    # What the head alone comes to on held-out images, before the backbone learns.
    frozen: dict[str, dict[str, float]] = field(default_factory=dict)
    # What was found of families across splits; see `run_writer.draw`.
    related: dict[str, Any] = field(default_factory=dict)
    # Of the examples of each split that was measured, in their order.
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    calibration: Calibration = Calibration()
    # What turns outputs into answers.
    decision: Decision = Decision()
    # What computed the features of training images, and milliseconds by engine.
    engines: dict[str, Any] = field(default_factory=dict)
    board: Board | None = None
    # The task of the head, where this process had one; and logits of the training
    # images by classifiers that did not train on them, and each one's fold.
    first: Task | None = None
    out_of_fold: np.ndarray | None = None
    folds: np.ndarray | None = None
    # Whether a line an epoch is printed.
    logs: bool = True

    def maps(self) -> Run | None:
        """Return what makes the maps that are pooled; None if the model is quicker."""
        # Fine-tuning has changed the network that the first stage has asked.
        if self.first is None or self.task is not self.first:
            return None
        return self.first.maps()

    @property
    def bears_bfloat16(self) -> bool:
        """Whether bfloat16 was taken for the features, and changed them by little."""
        inputs = self.task.inputs if self.task is not None else None
        is_own = isinstance(inputs, CachedFeatures) and not inputs.is_coarse
        return is_own and self.engines.get("training") == BFLOAT16

    def extract(self) -> None:
        """Compute the features that the first stage needs, unless it is over."""
        if not self._is_over(HEAD):
            self._recall_engines()
            self.task = self.first = head_task(self.work, self.cache)
            if self.task.fingerprint is not None:
                # The same settings then give the same features once more.
                self.engines["training"] = self.task.engine
                self.engines["milliseconds"] = dict(self.task.milliseconds)
                self.work = self.work.changed("train", engine=self.task.engine)

    def train_head(self) -> None:
        """Train the head, or resume it."""
        if self._is_over(HEAD):
            return
        assert self.task is not None
        task, settings = self.task, self.work.settings
        models = from_scratch.trained_parts(self.work.model, settings)
        weights = [weight for model in models for weight in model.weights]
        rate = settings.train.learning_rate
        if self.state is not None:
            self._recall_rate(self.state)
        elif rate != "auto":
            self._set_rate(float(rate))
        else:
            self._find_rate(task, models, weights)
        trainer = stages.build_trainer(self.work, task, models)
        stage = stages.build_stage(self.work, task, trainer, HEAD, weights)
        # Cached features say nothing of how fast images are read.
        if task.fingerprint is None:
            stage = dataclasses.replace(stage, meter=self.work.meter)
        self._fit(stage)
        classifier.backbone_of(self.work.model).trainable = False

    def fine_tune(self) -> None:
        """Let part of the backbone learn, or resume it, where that is asked for."""
        settings = self.work.settings.fine_tune
        if not settings.epochs:
            if settings != FineTuneSettings() and self.work.chief:
                console.note(
                    "without --fine_tune.epochs, the rest of fine_tune has no effect"
                )
            return
        if self.state is not None:
            self._recall_rate(self.state)
            self._recall_engines()
            self.frozen = self.state.values.get("frozen", {})
        else:
            self._measure_frozen()
        work = self.work
        backbone = classifier.backbone_of(work.model)
        _, head = classifier.split_classifier(work.model)
        with work.strategy.scope():
            unfrozen = unfreezing.unfreeze(backbone, settings.unfreeze)
        task = self.task = image_task(work, self.cache)
        models = [head, backbone]
        variables = trainable(models)
        scales = settings.layer_decay < 1 or settings.gradual_epochs > 0
        first = unfrozen.multipliers(settings, variables, 0) if scales else None
        trainer = stages.build_trainer(work, task, models, first)
        trainer.rewrites = steps_in_bfloat16(work, task, models, self.cache)
        self.engines["fine_tuning"] = own = BFLOAT16 if trainer.rewrites else TENSORFLOW
        self.work = work = work.changed("fine_tune", engine=own)

        def begin_epoch(epoch: int) -> None:
            if settings.gradual_epochs:
                multipliers = unfrozen.multipliers(settings, variables, epoch)
                optimizers.set_multipliers(trainer.optimizer, multipliers)

        joined = 1 + (settings.epochs - 1) // max(1, settings.gradual_epochs)
        if settings.gradual_epochs and joined < len(unfrozen.blocks) and work.chief:
            console.note(
                f"fine-tuning: in {settings.epochs} epochs, {joined} of "
                f"{len(unfrozen.blocks)} blocks join; the others stay as they are"
            )
        weights = [*head.weights, *backbone.trainable_variables]
        stage = dataclasses.replace(
            stages.build_stage(work, task, trainer, FINE_TUNE, weights),
            begin_epoch=begin_epoch,
            keeps_start=True,
            meter=work.meter,
        )
        before = unfreezing.moving_statistics(backbone)
        self._fit(stage)
        unfreezing.check_unmoved(backbone, before)
        backbone.trainable = False

    def _measure_frozen(self) -> None:
        """Measure the head on the frozen backbone, where its features are at hand."""
        task, examples = self.task, self.work.examples
        if task is None or task.fingerprint is None:
            return
        predictor = Predictor(task.inference, self.work.strategy, shared=True)
        for split in ("test", "validation"):
            if count := len(chosen := examples.of(split)):
                metrics = stages.metrics(predictor, task, self.work, chosen)
                self.frozen[split] = {**metrics, "n": count}

    def _is_over(self, stage: str) -> bool:
        return self.state is not None and self.state.values["stage"] != stage

    def _recall_rate(self, state: State) -> None:
        """Restore the learning rate that was trained at, and its search."""
        if search := state.values["search"]:
            self.search = lr_finder.Search(**search)
        self._set_rate(float(state.values["learning_rate"]))

    def _recall_engines(self) -> None:
        """Restore which engines computed what: a stage goes on as it began."""
        values = self.state.values if self.state is not None else {}
        self.engines = dict(values.get("engines", self.engines))
        for section, name in (("train", "training"), ("fine_tune", "fine_tuning")):
            if engine := self.engines.get(name):
                self.work = self.work.changed(section, engine=engine)

    def _set_rate(self, rate: float) -> None:
        self.work = self.work.changed("train", learning_rate=rate)

    def _find_rate(
        self, task: Task, models: list[keras.Model], weights: list[keras.Variable]
    ) -> None:
        """Search for a learning rate; the weights are as before afterwards."""
        work = self.work
        slow = work.changed("train", learning_rate=lr_finder.LOWEST, averaging="none")
        self.search = lr_finder.search(
            stages.build_trainer(slow, task, models),
            weights,
            lambda epoch: stages.steps(work, task, epoch),
            work.settings.seed,
        )
        self._set_rate(self.search.rate)
        console.note(f"learning rate: {self.search.rate:g} (found)")

    def _fit(self, stage: Stage) -> None:
        settings = self.work.settings
        notes = {
            "learning_rate": settings.train.learning_rate,
            "search": self.search and dataclasses.asdict(self.search),
            "batch_size": settings.data.batch_size,
            "frozen": self.frozen,
            "related": self.related,
            "engines": self.engines,
        }
        stage = dataclasses.replace(stage, logs=self.logs)
        with contextlib.ExitStack() as stack:
            if self.board is not None:
                watched = self.board.watch(stage, self.history, settings)
                stage = stack.enter_context(watched)
            self._run(Fit(stage, self.checkpoints, self.history, notes))

    def _run(self, fit: Fit) -> None:
        name = fit.stage.name
        if self.state is not None:
            fit.restore(self.state)
            self.state = None
            if self.work.chief:
                at = f"step {fit.step} of epoch {len(self.history) + 1}"
                console.note(f"resuming {name} after {at}")
        elif name != HEAD or distribute.workers(self.work.strategy)[1] > 1:
            # What came before is not lost any more, and a worker may be at any time.
            fit.save()
        before = len(self.history) - fit.epoch
        fit.run()
        if fit.exact_from is not None:
            self.engines["float32_from_epoch"] = fit.exact_from
        self.kept_epoch = before + fit.best.epoch if fit.best.weights else None
        if sum(fit.seconds) > _WORTH_SECONDS:
            fit.save()
        self.seconds += fit.seconds
        self.undone = bool(fit.best.weights) and fit.best.epoch == 0
        section = "train" if name == HEAD else name
        self.longer = longer(fit, self.history[before:], section)
