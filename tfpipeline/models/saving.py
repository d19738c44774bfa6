"""A classifier and its class names in one file, which plain Keras loads as well."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras

from tfpipeline.core import disk, file_io
from tfpipeline.core.errors import UserError

# A member that Keras does not look at: the file stays a valid `.keras` archive.
_LABELS = "labels.txt"


def save_classifier(path: Path, model: keras.Model, labels: Sequence[str]) -> None:
    """Write a classifier with its class names, whole or not at all.

    Args:
        path: A file that ends in `.keras`.
        model: From images in [0, 1] to logits.
        labels: Class names, in the order of the logits.
    """
    with file_io.replacing(path) as temporary, disk.naming(temporary):
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_LABELS, "".join(f"{label}\n" for label in labels))


def load_classifier(path: Path) -> tuple[keras.Model, tuple[str, ...]]:
    """Return a classifier and its class names.

    Args:
        path: A file that `save_classifier` wrote.

    Returns:
        The model, from images in [0, 1] to logits, and one name a logit.

    Raises:
        UserError: The file is damaged, or is not a classifier with names.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            labels = tuple(archive.read(_LABELS).decode().split("\n")[:-1])
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: expected a classifier that `python -m tfpipeline.train` saved, "
            f"but it cannot be read ({error}). Train again, or name another run."
        ) from None
    if len(labels) != model.output_shape[-1]:
        raise UserError(
            f"{path}: expected one class name a logit, found {len(labels)} names for "
            f"{model.output_shape[-1]} logits."
        )
    return model, labels
