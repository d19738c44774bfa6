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
from tfpipeline.combine import checks
from tfpipeline.combine.checks import MEASURED
from tfpipeline.config import DistributeSettings, EvaluateSettings, RunSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console, file_io, provenance, run_dir, run_replacement
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline, splits
from tfpipeline.data.dataset import Examples
from tfpipeline.evaluate import run_inputs
from tfpipeline.metrics import calibration, classification
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.models import ensembles, saving
from tfpipeline.models.inference import Predictor
from tfpipeline.report.closing import closing
from tfpipeline.report.diagnosis import Measured

# What a combined run has from its first member.
_TAKEN = ("labels", "splits", "quarantine", "corrections")


@dataclass(frozen=True)
class Members:
    """Runs that are combined, and what they are measured on.

    Args:
        folders: Of the runs.
        told: What each of them was told.
        models: Their classifiers.
        labels: Class names of all.
        examples: Of the first run, in its splits.
        strategy: Where they are asked.
    """

    folders: Sequence[run_dir.RunFolder]
    told: Sequence[RunSettings]
    models: Sequence[keras.Model]
    labels: tuple[str, ...]
    examples: Examples
    strategy: tf.distribute.Strategy

    def logits(
        self, model: keras.Model, splits: Sequence[str] = MEASURED
    ) -> dict[str, np.ndarray]:
        """Return what a classifier says of the images of each split.

        Args:
            model: One of the members, or made of them.
            splits: `test`, `validation` or both; one without images is left out.
        """
        data = self.told[0].data
        height, width = model.input_shape[1:3]
        reading = pipeline.Reading(height, width, data.resize, int(data.batch_size))
        batches = pipeline.Batches(self.examples.files, self._label, reading)
        predictor = Predictor(lambda x: model(x, training=False), self.strategy)
        chosen = {split: self.examples.of(split) for split in splits}
        return {
            split: predictor.all(batches.plain(some), len(some), split)
            for split, some in chosen.items()
            if len(some)
        }

    @property
    def _label(self) -> np.ndarray:
        return self.examples.source.label

    def label(self, split: str) -> np.ndarray:
        """Return the true classes of the images of a split.

        Args:
            split: `validation` or `test`.
        """
        return self._label[self.examples.of(split)]

    def calibrate(self, logits: dict[str, np.ndarray]) -> Calibration:
        """Return the calibration of a classifier, by validation images.

        Args:
            logits: What `logits` returned for it.
        """
        once = self.examples.distinct(self.examples.of("validation"))
        return calibration.calibrate(
            logits.get("validation", np.zeros((0, len(self.labels))))[once],
            self.label("validation")[once],
            self.told[0].calibration.target_error,
            self.told[0].calibration.confidence,
        )


@dataclass(frozen=True)
class Combined:
    """A classifier that was made of several.

    Args:
        how: It was made.
        model: From images to logits.
        kept: Folders of the runs that are in it.
        of_members: Metrics of each run by itself, `test` and `validation`.
    """

    how: str
    model: keras.Model
    kept: list[str]
    of_members: list[dict[str, Any]]


def open_members(
    folders: Sequence[run_dir.RunFolder], settings: CombineSettings
) -> Members:
    """Load runs, and refuse those that cannot be combined.

    Args:
        folders: Of finished runs, at least two.
        settings: Of the command.

    Raises:
        UserError: Classes or sizes differ, or one has trained on what is measured.
    """
    told = [cli.of_run(run.config) for run in folders]
    strategy = distribute.start(
        DistributeSettings(strategy="one_device"), told[0].train.precision, 0
    )
    with strategy.scope():
        loaded = [saving.load_classifier(run.model) for run in folders]
    models, names = zip(*loaded)
    for run, labels in zip(folders[1:], names[1:]):
        checks.check_labels(folders[0], names[0], run, labels)
    checks.check_sizes(folders, told, models)
    if settings.how != "ensemble":
        checks.check_networks(folders, told, models)
    asked = EvaluateSettings(run=str(folders[0].path), cache_dir=settings.cache_dir)
    examples = run_inputs.examples_of(asked, told[0], folders[0], names[0])
    members = Members(folders, told, models, names[0], examples, strategy)
    for run in folders[1:]:
        checks.check_unseen(folders[0], examples, run)
    if settings.how == "greedy_soup" and not len(examples.of("validation")):
        raise UserError(
            f"--how greedy_soup: {folders[0].path} has no validation images, by which "
            "runs are chosen. Say --how soup."
        )
    return members


def combined(members: Members, how: str) -> Combined:
    """Return one classifier of several.

    Args:
        members: What `open_members` returned.
        how: See `CombineSettings`.
    """
    logits = [members.logits(model) for model in members.models]
    told = [_metrics(members, one) for one in logits]
    names = [str(run.path) for run in members.folders]
    if how == "ensemble":
        found = [members.calibrate(one) for one in logits]
        model = ensembles.ensemble(members.models, [one.temperature for one in found])
        return Combined(how, model, names, told)
    model, kept = members.models[0], list(range(len(names)))
    weights = [member.get_weights() for member in members.models]
    if how == "greedy_soup":
        kept = _greedily(members, weights, told)
    ensembles.soup(model, [weights[number] for number in kept])
    return Combined(how, model, [names[number] for number in kept], told)


def _greedily(
    members: Members, weights: Sequence[Any], told: Sequence[dict[str, Any]]
) -> list[int]:
    """Return the runs whose weights are averaged: each that does not lower accuracy.

    Source: greedy soup, Wortsman et al., arXiv:2203.05482.
    """

    def worth(found: dict[str, Any]) -> tuple[float, float]:
        return found["accuracy"], -found["loss"]

    order = sorted(range(len(told)), key=lambda i: worth(told[i]["validation"]))[::-1]
    kept, best = order[:1], told[order[0]]["validation"]["accuracy"]
    for number in order[1:]:
        ensembles.soup(members.models[0], [weights[i] for i in [*kept, number]])
        answers = members.logits(members.models[0], ["validation"])["validation"]
        label = members.label("validation")
        accuracy = classification.loss_and_accuracy(answers, label)["accuracy"]
        if accuracy >= best:
            kept, best = [*kept, number], accuracy
    return kept


def write(
    folder: run_dir.RunFolder,
    members: Members,
    found: Combined,
    phases: provenance.Phases,
) -> tuple[dict[str, Any], Measured]:
    """Measure what was combined, and write it as a run.

    Args:
        folder: Of the new run.
        members: What it was made of.
        found: What `combined` returned.
        phases: Are told how long it takes.

    Returns:
        The content of `metrics.json`, and what the page is made of.
    """
    run, first, trained = folder.staged(), members.folders[0], members.told[0]
    _clear(run)
    file_io.write_json(
        run.manifest, {"finished": False, "command": provenance.command()}
    )
    own = dataclasses.replace(trained, workdir=str(folder.path))
    file_io.write_text(run.config, cli.dump(cli.anchored(own)))
    for name in _TAKEN:
        if (file := getattr(first, name)).is_file():
            file_io.write_bytes(getattr(run, name), file.read_bytes())
    learned = sorted(_learned(members))
    file_io.write_csv(run.inherited, ("split", "sha256"), map(list, learned))
    saving.save_classifier(run.model, found.model, members.labels)
    with phases("evaluate"):
        logits = members.logits(found.model)
    told, chosen = _calibrated(members, logits)
    file_io.write_json(run.calibration, chosen.to_json())
    result: dict[str, Any] = {
        **told,
        "combined": {
            "how": found.how,
            "runs": [str(one.path) for one in members.folders],
            "kept": found.kept,
            "members": found.of_members,
        },
        "seconds": phases.report(),
    }
    file_io.write_json(run.metrics, result)
    file_io.write_json(
        run.manifest,
        {
            "finished": True,
            "command": provenance.command(),
            "versions": provenance.versions(),
            "seed": trained.seed,
            "combined": {"how": found.how, "kept": found.kept},
            "seconds": result["seconds"],
        },
    )
    run_replacement.publish(folder, run)
    resize = trained.data.resize
    return result, Measured(found.model, members.examples, logits, chosen, resize)


def _clear(run: run_dir.RunFolder) -> None:
    """Remove what a training leaves in its folder, and a combined run does not have."""
    for file in (run.history, run.evaluation, run.corrections, *run.told):
        file.unlink(missing_ok=True)
    for old in (run.figures, run.logs, run.checkpoints):
        shutil.rmtree(old, ignore_errors=True)


def _learned(members: Members) -> set[tuple[str, str]]:
    """Return what any of the runs has learned from: the split, and a digest."""
    return {
        (split, digest)
        for run in members.folders
        if run.learned.is_file()
        for split in ("train", "validation")
        for digest in splits.trained_digests(run.learned, (split,))
    }


def _calibrated(
    members: Members, logits: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Calibration]:
    """Return metrics, and a calibration by validation images."""
    found = _metrics(members, logits)
    chosen = members.calibrate(logits)
    for split in found:
        told = calibration.told(chosen, logits[split], members.label(split))
        found[split]["calibration"] = told
    return found, chosen


def _metrics(members: Members, logits: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        split: classification.classification(
            found, members.label(split), members.labels
        )
        for split, found in logits.items()
    }


def closing_words(look: Path, result: dict[str, Any]) -> console.Closing:
    """Say what came out, beside each of the runs: `look` is the page, or the run."""
    split = next((name for name in MEASURED if name in result), None)
    return closing("combine", look, "metrics.json", result=result, split=split)
