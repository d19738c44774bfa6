"""Several runs in one: checked, combined, measured, written as a run of its own."""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import cli, distribute
from tfpipeline.combine import checks, figures
from tfpipeline.combine.checks import MEASURED
from tfpipeline.config import DistributeSettings, EvaluateSettings, RunSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console, file_io, provenance, run_replacement, startup
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import pipeline, splits
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources import jpeg_damage
from tfpipeline.data.sources.base import SPLITS
from tfpipeline.evaluate import run_inputs
from tfpipeline.metrics.decision import Decision
from tfpipeline.models import ensembles, saving
from tfpipeline.models.inference import Predictor
from tfpipeline.report.closing import closing
from tfpipeline.report.diagnosis import Measured
from tfpipeline.train import measurement, run_writer

# What a combined run has from its first member.
_COPIED = ("labels", "splits", "quarantine", "corrections", "classes")


@dataclass(frozen=True)
class Members:
    """Runs that are combined, and what they are measured on: examples of the first."""

    folders: Sequence[RunFolder]
    settings: Sequence[RunSettings]
    models: Sequence[keras.Model]
    examples: Examples
    strategy: tf.distribute.Strategy
    # How the outputs of each are answered.
    decisions: Sequence[Decision]

    @property
    def target(self) -> str:
        """What all of them were trained to answer."""
        return self.decisions[0].target

    @property
    def group(self) -> str:
        """Which copies belong together, as the first run has it."""
        return self.settings[0].data.group

    def logits(
        self, model: keras.Model, splits: Sequence[str] = MEASURED
    ) -> dict[str, np.ndarray]:
        """Return the logits of the images of each split that has any."""
        data, examples = self.settings[0].data, self.examples
        height, width = model.input_shape[1:3]
        reading = pipeline.Reading(
            *(height, width, data.resize, int(data.batch_size)),
            ranges=examples.brightness.ranges,
        )
        batches = pipeline.Batches(examples.files, examples.source.label, reading)
        predictor = Predictor(lambda x: model(x, training=False), self.strategy)
        with jpeg_damage.named(examples.files):
            return {
                split: predictor.all(batches.plain(chosen), len(chosen), split)
                for split in splits
                if len(chosen := examples.of(split))
            }


def open_members(folders: Sequence[RunFolder], settings: CombineSettings) -> Members:
    """Load runs, and refuse those that cannot be combined."""
    runs = [cli.of_run(run.config) for run in folders]
    with startup.quiet_start():  # The first use of a device is heard, too.
        strategy = distribute.start(
            DistributeSettings(strategy="one_device"), runs[0].train.precision, 0
        )
    with strategy.scope():
        loaded = [saving.load_classifier(run.model) for run in folders]
    models, labels = zip(*loaded)
    decisions = [saving.load_decision(run.model) for run in folders]
    checks.check_targets(folders, decisions)
    checks.check_labels(folders, labels)
    checks.check_sizes(folders, runs, models)
    if settings.how != "ensemble":
        checks.check_networks(folders, runs, models)
        checks.check_units(folders, decisions)
    source = EvaluateSettings(run=str(folders[0].path), cache_dir=settings.cache_dir)
    examples = run_inputs.examples_of(source, runs[0], folders[0], labels[0])
    checks.check_unseen(folders, examples)
    if settings.how == "greedy_soup" and not len(examples.of("validation")):
        raise UserError(
            f"--how greedy_soup: {folders[0].path} has no validation images, by which "
            "runs are chosen. Say --how soup."
        )
    return Members(folders, runs, models, examples, strategy, decisions)


def merge(members: Members, how: str) -> tuple[keras.Model, dict[str, Any]]:
    """Return one classifier of several, and what `metrics.json` says of them."""
    models, examples = members.models, members.examples
    logits = [members.logits(model) for model in models]
    metrics = [
        figures.measure(examples, values, decision, members.group)
        for values, decision in zip(logits, members.decisions)
    ]
    kept = list(range(len(models)))
    if how == "ensemble":
        temperatures = [decision.temperature for decision in members.decisions]
        if members.target in targets.CLASSES:
            asked = members.settings[0].calibration
            fits = [measurement.calibrate(examples, own, asked) for own in logits]
            temperatures = [fit.temperature for fit in fits]
        model = ensembles.ensemble(models, temperatures, members.target)
    else:
        model, weights = models[0], [member.get_weights() for member in models]
        if how == "greedy_soup":
            kept = _choose_greedily(members, weights, metrics)
        ensembles.soup(model, [weights[number] for number in kept])
    names = [str(run.path) for run in members.folders]
    combined = {"how": how, "runs": names, "kept": [names[i] for i in kept]}
    return model, {**combined, "members": metrics}


def _choose_greedily(
    members: Members, weights: Sequence[Any], metrics: Sequence[dict[str, Any]]
) -> list[int]:
    """Return the runs whose weights are averaged: each that does not lower accuracy.

    Of several labels it is mAP, of a number the mean absolute error that must not rise.

    Source: greedy soup, Wortsman et al., arXiv:2203.05482.
    """
    target = members.target
    ranks = [figures.rank(splits["validation"], target) for splits in metrics]
    order = sorted(range(len(ranks)), key=ranks.__getitem__)[::-1]
    kept, best = order[:1], ranks[order[0]][0]
    for number in order[1:]:
        ensembles.soup(members.models[0], [weights[i] for i in [*kept, number]])
        logits = members.logits(members.models[0], ["validation"])
        own = members.decisions[number]
        given = members.examples, logits, own, members.group
        found = figures.measure(*given)["validation"]
        figure = figures.rank(found, target)[0]
        if figure >= best:
            kept, best = [*kept, number], figure
    return kept


def write(
    folder: RunFolder,
    members: Members,
    model: keras.Model,
    combined: dict[str, Any],
    phases: provenance.Phases,
) -> tuple[dict[str, Any], Measured]:
    """Measure what was combined, and write it as a run.

    Returns:
        The content of `metrics.json`, and what the page is made of.
    """
    run, examples, settings = folder.staged(), members.examples, members.settings[0]
    run_writer.clear(run)
    for old in (run.figures, run.logs, run.checkpoints):
        shutil.rmtree(old, ignore_errors=True)
    own = dataclasses.replace(settings, workdir=str(folder.path))
    file_io.write_text(run.config, cli.dump(cli.anchored(own)))
    for name in _COPIED:
        if (file := getattr(members.folders[0], name)).is_file():
            file_io.write_bytes(getattr(run, name), file.read_bytes())
        else:
            getattr(run, name).unlink(missing_ok=True)
    learned = sorted(_learned_digests(members.folders))
    file_io.write_csv(run.inherited, ("split", "sha256"), learned)
    ranges = examples.brightness.ranges
    with phases("evaluate"):
        logits = members.logits(model)
    asked = settings.calibration
    decision, fit = figures.decide(examples, logits, asked, members.decisions)
    saving.save_classifier(run.model, model, examples.source.labels, ranges, decision)
    if decision.target != targets.SINGLE:
        file_io.write_json(run.decision, decision.to_json())
    file_io.write_json(run.calibration, fit.to_json())
    result: dict[str, Any] = {
        **figures.measure(examples, logits, decision, members.group, fit),
        "combined": combined,
        "seconds": phases.report(),
    }
    file_io.write_json(run.metrics, result)
    manifest = {
        "finished": True,
        "command": provenance.command(),
        "versions": provenance.versions(),
        "seed": settings.seed,
        "target": decision.target,
        "examples": {s: int((examples.split == s).sum()) for s in SPLITS},
        "combined": {name: combined[name] for name in ("how", "kept")},
        "renamed_classes": examples.source.class_map.renamed,
        "dropped_classes": examples.source.class_map.dropped,
        "seconds": result["seconds"],
    }
    file_io.write_json(run.manifest, manifest)
    run_replacement.publish(folder, run)
    shown = fit, settings.data.resize, decision
    return result, Measured(model, examples, logits, *shown)


def _learned_digests(folders: Sequence[RunFolder]) -> set[tuple[str, str]]:
    """Return what any of the runs has learned from: the split, and a digest."""
    return {
        (split, digest)
        for run in folders
        if run.learned.is_file()
        for split in ("train", "validation")
        for digest in splits.trained_digests(run.learned, (split,))
    }


def closing_words(look: Path, result: dict[str, Any]) -> console.Closing:
    """Say what came out, beside each of the runs: `look` is the page, or the run."""
    split = next((name for name in MEASURED if name in result), None)
    return closing("combine", look, "metrics.json", result=result, split=split)
