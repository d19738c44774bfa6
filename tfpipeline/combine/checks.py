"""Which runs can be combined: the same classes, sizes, networks, and honest splits."""

from collections.abc import Sequence

import keras

from tfpipeline.config import RunSettings
from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics.decision import Decision
from tfpipeline.models import saving
from tfpipeline.models.class_names import ClassNames

MEASURED = ("test", "validation")

# What has to be equal for weights to be averaged.
_NETWORK = (
    *("backbone", "weights", "alpha", "preprocessing", "cut"),
    *("pooling", "hidden", "batch_norm"),
)


def check_labels(
    folders: Sequence[RunFolder], labels: Sequence[tuple[str, ...]]
) -> None:
    """Refuse a run whose classes are others, or are in another order."""
    expected = ClassNames(labels[0])
    for run, names in zip(folders, labels):
        if difference := expected.difference(names, "that run", "this one"):
            raise UserError(
                f"{run.path}: its classes, or their order, are not those of "
                f"{folders[0].path}. {difference}"
            )


def check_targets(folders: Sequence[RunFolder], decisions: Sequence[Decision]) -> None:
    """Refuse runs that answer something else: a class, several, a number."""
    classes = [one.target in targets.CLASSES for one in decisions]
    # Networks of single classes, and of shares of these, answer the same.
    names = [targets.SINGLE if c else d.target for c, d in zip(classes, decisions)]
    flags = [f"{targets.FLAG} {name}" for name in names]
    _check_equal(folders, flags, "Combine runs of one target.")


def check_units(folders: Sequence[RunFolder], decisions: Sequence[Decision]) -> None:
    """Refuse to average the weights of heads that answer numbers in other units."""
    units = [f"mean {one.mean:g}, deviation {one.deviation:g}" for one in decisions]
    advice = "Heads of different training images have no mean: say --how ensemble."
    _check_equal(folders, units, advice)


def check_sizes(
    folders: Sequence[RunFolder],
    settings: Sequence[RunSettings],
    models: Sequence[keras.Model],
) -> None:
    """Refuse runs that are shown pictures of other shapes."""
    sizes = [
        f"{m.input_shape[1]} x {m.input_shape[2]} pixels, resize {s.data.resize}"
        for s, m in zip(settings, models)
    ]
    advice = "Train it with the same --model.image_size and --data.resize."
    _check_equal(folders, sizes, advice)
    every = [saving.load_ranges(run.model) for run in folders]
    # Of the sample types that a run has seen; how that was written does not matter.
    kinds = sorted({kind for each in every for kind, _, _ in each.pairs} - {""})
    spans = [[(kind, *each.of(kind)) for kind in kinds] for each in every]
    ranges = [f"range {Ranges(tuple(pairs))}" for pairs in spans]
    _check_equal(folders, ranges, "Train it with the same --data.range.")


def check_networks(
    folders: Sequence[RunFolder],
    settings: Sequence[RunSettings],
    models: Sequence[keras.Model],
) -> None:
    """Refuse to average the weights of networks that are not alike."""
    advice = "Weights of different networks have no mean: say --how ensemble."
    for name in _NETWORK:
        flags = [f"--model.{name} {getattr(run.model, name)}" for run in settings]
        _check_equal(folders, flags, advice)
    # The settings of a run that was combined itself are those of its first member.
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in models]
    for folder, each in zip(folders, shapes):
        if each != shapes[0]:
            raise UserError(
                f"{folder.path}: expected {len(shapes[0])} weights of the shapes that "
                f"{folders[0].path} has. Received {len(each)}, of other shapes. "
                f"{advice}"
            )


def _check_equal(
    folders: Sequence[RunFolder], values: Sequence[str], advice: str
) -> None:
    for run, value in zip(folders, values):
        if value != values[0]:
            raise UserError(
                f"{run.path}: expected {values[0]}, as {folders[0].path} has. "
                f"Received: {value}. {advice}"
            )


def check_unseen(folders: Sequence[RunFolder], examples: Examples) -> None:
    """Refuse a run that has trained on what is measured: splits of the first run."""
    for run in folders[1:]:
        if not run.learned.is_file():
            console.warn(f"{run.path}: no splits.csv tells what it has trained on")
            continue
        for split in MEASURED:
            # What was chosen by validation images has learned from those.
            names = ("train", "validation") if split == "test" else ("train",)
            digests = splits.trained_digests(run.learned, names)
            if count := sum(examples.keys[i] in digests for i in examples.of(split)):
                raise UserError(
                    f"{run.path}: expected the splits of {folders[0].path}. It has "
                    f"learned from {count} of the {split} images there, so nothing "
                    "could be measured. Train it with --data.splits "
                    f"{folders[0].splits}."
                )
