"""Which runs can be combined: the same classes, sizes, networks, and honest splits."""

from collections.abc import Sequence

import keras

from tfpipeline.config import RunSettings
from tfpipeline.core import console, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples

MEASURED = ("test", "validation")

# What has to be equal for weights to be averaged.
_NETWORK = ("backbone", "weights", "alpha", "pooling", "hidden", "batch_norm")


def check_labels(
    first: run_dir.RunFolder,
    expected: Sequence[str],
    run: run_dir.RunFolder,
    labels: Sequence[str],
) -> None:
    """Refuse a run whose classes are others, or are in another order."""
    for number in range(max(len(expected), len(labels))):
        one, two = (
            names[number] if number < len(names) else None
            for names in (expected, labels)
        )
        if one != two:
            raise UserError(
                f"{run.path}: its classes, or their order, are not those of "
                f"{first.path}. First difference, at number {number}: {one!r} there, "
                f"{two!r} here."
            )


def check_sizes(
    folders: Sequence[run_dir.RunFolder],
    told: Sequence[RunSettings],
    models: Sequence[keras.Model],
) -> None:
    """Refuse runs that are shown pictures of other shapes."""
    found = [
        (f"{m.input_shape[1]} x {m.input_shape[2]} pixels", f"resize {t.data.resize}")
        for t, m in zip(told, models)
    ]
    for run, one in zip(folders, found):
        if one != found[0]:
            raise UserError(
                f"{run.path}: expected {', '.join(found[0])}, as {folders[0].path} "
                f"has. Received: {', '.join(one)}. Train it with the same "
                "--model.image_size and --data.resize."
            )


def check_networks(
    folders: Sequence[run_dir.RunFolder],
    told: Sequence[RunSettings],
    models: Sequence[keras.Model],
) -> None:
    """Refuse to average the weights of networks that are not alike."""
    shapes = [[tuple(one.shape) for one in model.weights] for model in models]
    for run, trained, mine in zip(folders, told, shapes):
        for name in _NETWORK:
            expected, one = (getattr(t.model, name) for t in (told[0], trained))
            if one != expected:
                raise UserError(
                    f"{run.path}: expected --model.{name} {expected}, as "
                    f"{folders[0].path} has. Received: {one}. Weights of different "
                    "networks have no mean: say --how ensemble."
                )
        # One that was combined itself says what its first member was told.
        if mine != shapes[0]:
            raise UserError(
                f"{run.path}: expected weights of the shapes that {folders[0].path} "
                f"has ({len(shapes[0])} arrays). Received: {len(mine)} arrays of other "
                "shapes. Weights of different networks have no mean: say --how "
                "ensemble."
            )


def check_unseen(
    first: run_dir.RunFolder, examples: Examples, run: run_dir.RunFolder
) -> None:
    """Refuse a run that has trained on what the result is measured on."""
    if not run.learned.is_file():
        console.warn(f"{run.path}: no splits.csv tells what it has trained on")
        return
    keys = examples.keys
    for split in MEASURED:
        # What was chosen by validation images has learned from those.
        names = ("train", "validation") if split == "test" else ("train",)
        seen = splits.trained_digests(run.learned, names)
        count = sum(keys[i] in seen for i in examples.of(split))
        if count:
            raise UserError(
                f"{run.path}: expected the splits of {first.path}. It has learned from "
                f"{count} of the {split} images there, so nothing could be measured. "
                f"Train it with --data.splits {first.splits}."
            )
