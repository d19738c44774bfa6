"""What a finished run is measured on: its own test images, or another source."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from tfpipeline import cli, distribute
from tfpipeline.config import (
    DistributeSettings,
    EvaluateSettings,
    ReadSettings,
    RunSettings,
)
from tfpipeline.core import run_dir, startup
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data import dataset, pipeline, sample_ranges
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import class_map, drawn_world
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.class_map import ClassMap
from tfpipeline.data.sources.opening import open_source
from tfpipeline.evaluate import engine_pass, forward_pass
from tfpipeline.evaluate.forward_pass import Scored
from tfpipeline.metrics import novelty
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import saving
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.inference import Predictor


class Ready(NamedTuple):
    """A run, its settings, and its classifier in memory, on one device."""

    trained: RunSettings
    model: keras.Model
    labels: tuple[str, ...]
    predictor: Predictor
    ranges: Ranges = WHOLE
    # What tells strange images; None where the run has none, as earlier ones.
    novelty: Novelty | None = None
    # What turns outputs into answers.
    decision: Decision = Decision()

    def divide(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the logits, (n, classes), and novelty, (n,), of what it predicts."""
        return forward_pass.divide(outputs, len(self.labels))

    def batches(self, files: Sequence[Row]) -> pipeline.Feed:
        """Return batches of audited files, as the training read its own."""
        height, width = self.model.input_shape[1:3]
        size = min(int(self.trained.data.batch_size), len(files))
        reading = pipeline.Reading(
            *(height, width, self.trained.data.resize, size), ranges=self.ranges
        )
        unknown = np.zeros(len(files), np.int32)
        return pipeline.Batches(files, unknown, reading).plain(np.arange(len(files)))

    def predict(
        self, files: Sequence[Row], engine: str = "auto"
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the logits of audited files, (n, classes), and the novelty, (n,)."""
        cache = startup.cache_folder(self.trained.cache_dir)
        own = engine_pass.engine_of(engine, self.trained.train.engine)
        scored = Scored(self.model, self.novelty)
        outputs = engine_pass.outputs(
            *(self.model, forward_pass.from_features(scored), self.predictor),
            *(self.batches(files), (len(files), "predict")),
            engine_pass.Ways(own, cache),
        )
        return self.divide(outputs)


def ready(run: run_dir.RunFolder) -> Ready:
    """Load a finished run on one device."""
    trained = cli.of_run(run.config)
    with startup.quiet_start():
        strategy = distribute.start(
            DistributeSettings(strategy="one_device"), trained.train.precision, 0
        )
        model, labels = saving.load_classifier(run.model)
    score = novelty.load(run)
    predictor = Predictor(forward_pass.from_images(Scored(model, score)), strategy)
    ranges = saving.load_ranges(run.model)
    decision = saving.load_decision(run.model)
    return Ready(trained, model, labels, predictor, ranges, score, decision)


def examples_of(
    settings: EvaluateSettings,
    trained: RunSettings,
    run: run_dir.RunFolder,
    labels: tuple[str, ...],
) -> Examples:
    """Return the run's own examples and splits, or those of another source.

    Args:
        settings: Which source, and how it is read.
        trained: The settings of the run.
        run: Its folder.
        labels: Its class names; a source with others is refused.
    """
    changes = {k: v for k, v in vars(settings.data).items() if v is not None}
    # The usual one changes nothing of the run's own images; null means none.
    weight = settings.data.weight_column
    own_weight = (
        trained.data if weight == ReadSettings().weight_column else settings.data
    )
    changes["weight_column"] = own_weight.weight_column
    ranges = saving.load_ranges(run.model)
    # What the run did with its classes, `also` with those that it found too small.
    also = class_map.read(run.classes) if run.classes.is_file() else ClassMap()
    # Pictures are measured, whatever the run has learned from.
    data = dataclasses.replace(trained.data, features=None)
    data = dataclasses.replace(data, classes=None, min_per_class=0)
    data = dataclasses.replace(data, **changes, range=str(ranges))
    is_own = settings.source is None or _is_same(settings.source, data.source)
    if is_own:
        fixes = str(run.corrections) if run.corrections.is_file() else None
        data = dataclasses.replace(data, splits=str(run.splits), corrections=fixes)
    else:
        # Groups of another source are its own: its columns may have other names.
        own = settings.data.group_column, settings.data.group_from
        is_table = Path(str(settings.source)).is_file()
        columns = data.label_columns if is_table else settings.data.label_columns
        data = dataclasses.replace(
            data,
            source=str(settings.source),
            splits=None,
            corrections=None,
            label_columns=columns,
            group_column=own[0],
            group_from=own[1],
            weight_column=weight,
        )
    # What limits training says nothing about what is measured.
    data = dataclasses.replace(data, examples_per_class=None, train_fraction=1.0)
    cache = startup.cache_folder(settings.cache_dir or trained.cache_dir)
    draw = drawn_world.drawer(data)
    single = settings.allow_missing_classes
    # A single class that is refused is so below, with the way to allow it.
    source = open_source(data, cache, draw, also, single=True)
    if is_own:
        examples = dataset.prepare(data, trained.seed, cache, draw, source)
    else:
        examples = dataset.open_all(data, cache, draw, source, single=True)
        sample_ranges.report(examples.files, ranges)
    source, names = examples.source, ClassNames(map(class_map.canonical, labels))
    if source.target == targets.NUMBER:
        # A column may have any name.
        return dataclasses.replace(
            examples, source=dataclasses.replace(source, labels=tuple(labels))
        )
    if single:
        matched = _by_name(source, tuple(names), settings.map_labels)
        return dataclasses.replace(examples, source=matched)
    is_reordered = names.is_reordered(source.labels)
    if settings.map_labels and is_reordered:
        return dataclasses.replace(examples, source=source.in_order(names))
    advice = (
        "Rename its classes as in labels.txt of the run, or rename, merge or drop them "
        "with --data.classes FILE, a CSV of class,new."
    )
    if is_reordered:
        advice = (
            "Only their order or letter case differs: add --map_labels true to map "
            "them by name."
        )
    elif set(source.labels) < set(labels):
        advice = (
            f"It has {len(source.labels)} of the {len(labels)} classes: add "
            "--allow_missing_classes true to measure on those."
        )
    if difference := names.difference(source.labels, "the model", "the source"):
        raise UserError(
            f"{source.name}: its classes are not those that the model was trained on. "
            f"{difference} {advice}"
        )
    return examples


def _by_name(source: Source, labels: tuple[str, ...], any_case: bool) -> Source:
    """Return a source of some of the classes with the labels of all of them."""
    fold = str.casefold if any_case else str
    place = {fold(name): i for i, name in enumerate(labels)}
    for number, name in enumerate(source.labels):
        if fold(name) not in place:
            raise UserError(
                f"{source.name}: expected no classes but the {len(labels)} of the "
                f"model. Received: {name!r}, at number {number}."
                f"{suggest(name, labels)} Name its classes as in labels.txt of the "
                "run, or move those images away."
            )
    return source.among(labels, [place[fold(name)] for name in source.labels])


def _is_same(source: str, trained: str) -> bool:
    """Tell whether two sources are the same, written differently perhaps."""
    return source == trained or (
        os.path.exists(source)
        and os.path.exists(trained)
        and os.path.samefile(source, trained)
    )


def measured(examples: Examples) -> np.ndarray:
    """Return the examples of the best split to measure on that there is."""
    for split in ("test", "", "validation", "train"):
        if len(chosen := examples.of(split)):
            return chosen
    raise UserError(f"{examples.source.name}: expected images, found none.")


def calibration_of(run: run_dir.RunFolder) -> Calibration:
    """Return the calibration of a run; one that changes nothing where it has none."""
    if not run.calibration.is_file():
        return Calibration(reason=f"there is no {run.calibration.name} in the run")
    try:
        return Calibration.of(json.loads(run.calibration.read_text(encoding="utf-8")))
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"{run.calibration}: expected what `train` wrote, but it cannot be used: "
            f"{error}. Restore it from a copy, or train again."
        ) from None
