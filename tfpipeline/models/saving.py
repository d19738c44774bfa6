"""A classifier and its class names in one file, which plain Keras loads as well.

What is not Keras' own in it is read without importing Keras.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfpipeline.core import brightness, disk, file_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.core.target import SINGLE
from tfpipeline.metrics.decision import Decision
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.own import archive as archive_of_keras

if TYPE_CHECKING:
    import keras

# Members that Keras does not look at: the file stays a valid `.keras` archive.
_LABELS, _RANGES, _DECISION = "labels.txt", "range.txt", "target.json"
# One of Keras' own.
_CONFIG = "config.json"


def save_classifier(
    path: Path,
    model: keras.Model,
    labels: Sequence[str],
    ranges: Ranges = WHOLE,
    decision: Decision = Decision(),
) -> None:
    """Write a classifier, its class names and its ranges, whole or not at all.

    Where no single class is the answer, what turns outputs into answers is in it too.
    """
    with file_io.replacing(path) as temporary, disk.naming(temporary):
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_LABELS, "".join(f"{label}\n" for label in labels))
            archive.writestr(_RANGES, f"{ranges}\n")
            if decision.target != SINGLE:
                archive.writestr(_DECISION, json.dumps(decision.to_json(), indent=1))


def load_ranges(path: Path) -> Ranges:
    """Return what is black and white for a classifier that `save_classifier` wrote.

    One of before this was kept was shown all that a sample holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if _RANGES not in archive.namelist():
                return WHOLE
            return brightness.parse(archive.read(_RANGES).decode()) or WHOLE
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def load_decision(path: Path) -> Decision:
    """Return what turns the outputs of a saved classifier into answers."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _DECISION not in archive.namelist():
                return Decision()
            return Decision.of(json.loads(archive.read(_DECISION)))
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def load_classifier(path: Path) -> tuple[keras.Model, ClassNames]:
    """Return a classifier that `save_classifier` wrote, and its class names."""
    import keras

    from tfpipeline.models.own import graphs, hub

    try:
        with zipfile.ZipFile(path) as archive:
            labels = ClassNames(archive.read(_LABELS).decode().split("\n")[:-1])
            needs_hub = archive_of_keras.uses_hub(json.loads(archive.read(_CONFIG)))
        if needs_hub:
            hub.library(str(path))
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    for layer in model._flatten_layers() if needs_hub else ():
        if layer.name.startswith("own_"):
            graphs.freeze(layer)
    if len(labels) != model.output_shape[-1]:
        raise UserError(
            f"{path}: expected one class name a logit, found {len(labels)} names for "
            f"{model.output_shape[-1]} logits."
        )
    return model, labels


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: expected a classifier that `python -m tfpipeline.train` saved, "
        f"but it cannot be read ({error}). Train again, or name another run."
    )
