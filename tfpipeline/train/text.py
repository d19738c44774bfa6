"""The closing words of a training: what was done, what came out, what to do next."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfpipeline.config import ModelSettings, RunSettings
from tfpipeline.core.checks import failed
from tfpipeline.core.console import Closing

# A calibration error that rises by less is not told from an accident of the bins.
_RISE = 0.005


@dataclass(frozen=True)
class Trained:
    """What there is to tell.

    Args:
        settings: Of the run, every null replaced.
        images: Number of training images.
        classes: Number of classes.
        history: A row an epoch, of all stages.
        kept_epoch: Whose weights were the best, as the history counts.
        undone: Whether no epoch of fine-tuning was better than none.
        metrics: As in `metrics.json`.
        folder: Of the run.
        unusable: Number of files that could not be used.
        rare: Classes with few images.
        page: Whether there is a page to look at.
        calibration: As in `calibration.json`.
    """

    settings: RunSettings
    images: int
    classes: int
    history: Sequence[Mapping[str, Any]]
    metrics: dict[str, Any]
    folder: str
    kept_epoch: int | None = None
    undone: bool = False
    unusable: int = 0
    rare: Sequence[str] = field(default_factory=tuple)
    page: bool = False
    calibration: Mapping[str, Any] = field(default_factory=dict)


def trained(told: Trained) -> Closing:
    """Return what was done and what came out, and each thing to be careful of.

    Args:
        told: What there is to tell.
    """
    metrics = told.metrics
    what = f"a new head on {_network(told.settings.model)}"
    if told.settings.train.from_scratch:
        what = f"{_network(told.settings.model)} from scratch"
    done = [
        f"Trained {what}: "
        f"{told.images} images of {told.classes} classes, {_epochs(told)}, "
        f"{metrics['seconds']['total']:.0f} s{_pace(metrics.get('input'))}."
    ]
    if "test" in metrics:
        test = metrics["test"]
        done.append(
            f"Test accuracy {test['accuracy']:.3f} on {test['n']} images that it never "
            f"saw{_believed(test, told.calibration)}."
        )
        done += abstained(test, told.calibration)
        done += robust(test).splitlines()
    else:
        done.append("No test images, so no test accuracy.")
    careful = []
    if told.unusable:
        files = _count(told.unusable, "file")
        careful.append(f"{files} could not be used: {told.folder}/quarantine.csv")
    if alike := metrics["leaks"]["near"]:
        careful.append(
            f"Careful: {_count(alike, 'validation or test image')} look"
            f"{'s' if alike == 1 else ''} like a training image, see {told.folder}/"
            "figures/leaks.png. --data.group near keeps such pictures together."
        )
    careful += raised(metrics.get("test", {}), told.calibration, "test")
    if told.rare:
        careful.append(
            f"Few images of {_some(told.rare)}: --train.class_weights balanced or "
            "--data.sampling balanced may help."
        )
    look = f"{told.folder}/report.html" if told.page else told.folder
    return Closing(done, careful=careful, look=look, then=[_next(told)])


def evaluated(
    result: Mapping[str, Any], file: Path, calibration: Mapping[str, Any]
) -> Closing:
    """Return what a classifier is worth on a source.

    Args:
        result: As in `evaluation.json`.
        file: Where it lies.
        calibration: As in `calibration.json`.
    """
    top_3 = result["top_3_accuracy"]
    more = f" (top 3 {top_3:.3f})" if len(result["classes"]) > 3 else ""
    seen = result["seen_in_training"]
    return Closing(
        [
            f"Accuracy {result['accuracy']:.3f}{more}, loss {result['loss']:.3f} on "
            f"{result['n']} images of {result['source']}, split {result['split']}"
            f"{_believed(result, calibration)}.",
            *abstained(result, calibration),
            robust(result),
        ],
        careful=[
            *([f"Careful: {seen} of them were trained on."] if seen else []),
            *raised(result, calibration, "measured"),
        ],
        look=file,
    )


def _believed(metrics: Mapping[str, Any], calibration: Mapping[str, Any]) -> str:
    """Say the calibration error, and what it is without the temperature."""
    if "calibration" not in metrics:
        return ""
    measured, used = metrics["calibration"], calibration.get("temperature", 1)
    without = f", {measured['ece']:.3f} without the temperature {used:.3g}"
    words = f"; calibration error (ECE) {measured['ece_calibrated']:.3f}"
    return f"{words}{without if used != 1 else ''}"


def abstained(metrics: Mapping[str, Any], calibration: Mapping[str, Any]) -> list[str]:
    """Say in a line how much it accepts, or why that is not known.

    Args:
        metrics: Of a split.
        calibration: As in `calibration.json`.
    """
    measured = metrics.get("calibration", {})
    if measured.get("coverage") is None:
        why = calibration.get("reason")
        return [f"Which answers to accept is not known: {why}."] if why else []
    wrong = round((measured["error"] or 0) * measured["answered"])
    return [
        f"Accepts {measured['answered']} of them, {wrong} of those wrong; of new "
        f"images like these a share of at most {calibration['target_error']:.3g} is, "
        f"with confidence {calibration['confidence']:.3g}."
    ]


def raised(
    metrics: Mapping[str, Any], calibration: Mapping[str, Any], images: str
) -> list[str]:
    """Say where the temperature made probabilities less true.

    Args:
        metrics: Of a split.
        calibration: As in `calibration.json`.
        images: What those of the split are called.
    """
    measured = metrics.get("calibration", {"ece": 0.0, "ece_calibrated": 0.0})
    if measured["ece_calibrated"] <= measured["ece"] + _RISE:
        return []
    return [
        f"Careful: the temperature {calibration['temperature']:.3g}, chosen for its "
        f"lower cross-entropy, raises the calibration error (ECE) on the {images} "
        f"images from {measured['ece']:.3f} to {measured['ece_calibrated']:.3f}."
    ]


def robust(metrics: Mapping[str, Any]) -> str:
    """Say how much of the accuracy is left under attack, in a line; none is none.

    Args:
        metrics: Of a split.
    """
    if "robust" not in metrics:
        return ""
    found = metrics["robust"]
    rates = ", ".join(f"{rate:.3f} at {e}" for e, rate in found["accuracy"].items())
    careful = "".join(
        f"Careful: {name}: {check['otherwise']}.\n"
        for name, check in failed(found["checks"]).items()
    )
    return f"Under attack ({found['attack']}, {found['norm']}): {rates}.\n{careful}"


def _epochs(told: Trained) -> str:
    """Say how many epochs there were, and whether fine-tuning was worth it."""
    fine = sum(row["stage"] == "fine_tune" for row in told.history)
    head = _count(len(told.history) - fine, "epoch")
    words = f"{head}, then {_count(fine, 'epoch')} of fine-tuning" if fine else head
    if fine and told.undone:
        return f"{words} (which did not lower the validation loss and was undone)"
    if told.kept_epoch is None or told.kept_epoch == len(told.history):
        return words
    return f"{words} (the best, number {told.kept_epoch}, is kept)"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _pace(pace: dict[str, Any] | None) -> str:
    if not pace:
        return ""
    if not pace["images_per_second"]:
        return ", from cached features"
    return (
        f"; {pace['verdict']} at {pace['images_per_second']:.0f} images/s, "
        f"{100 * pace['waiting_share']:.0f} % of that time waiting for input"
    )


def _network(model: ModelSettings) -> str:
    width = "" if model.alpha in (None, 1) else f" {model.alpha:g}"
    weights = "no" if model.weights == "none" else model.weights
    weights = f"{weights} weights, {model.image_size} px"
    return f"{model.backbone}{width} ({weights})"


def _next(told: Trained) -> str:
    if told.settings.data.source == "demo":
        command = "python -m tfpipeline.train --data.source FOLDER_OF_CLASS_FOLDERS"
        return f"Your own pictures: {command}"
    command = f"python -m tfpipeline.predict --model {shlex.quote(told.folder)} "
    command += "--images PICTURES"
    return f"Next: {command}"


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
