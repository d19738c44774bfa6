"""Which images, how they are split, and how they are changed."""

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DataSettings:
    """Where the images come from and how they reach the network.

    Args:
        source: `demo`, `tfds:NAME[:SPLIT]`, a folder of class folders (with or without
            `train/`, `validation/` and `test/`), or a CSV file of path,label.
        batch_size: Images a step, over all replicas and workers; `auto` finds the
            largest that this machine gains by.
        validation_fraction: Share of the images that choose the best epoch, where the
            source names none.
        test_fraction: Share of the images that the result is measured on, where the
            source names none.
        splits: A `splits.csv` of an earlier run, to use just its splits.
        corrections: A `cleaning.csv` of an earlier run in which actions were written:
            examples to keep, relabel or drop.
        group: Which copies never straddle two splits: `exact` (equal files), `near`
            (pictures that look alike as well), or `none`.
        examples_per_class: Training images of each class that are used, at most; null
            is all. Validation and test stay whole.
        train_fraction: Share of each class's training images that is used.
        sampling: `natural` (every image once an epoch), or `balanced` (every class
            equally often, an image of a rare class several times).
        min_class_share: A class with a smaller share of the largest one's training
            images is warned of.
        augmentation: `none`, `light` (flips, small shifts, rotations and zooms),
            `randaugment`, `mixup`, or `cutmix`.
        views: With augmentation, changed copies of each image that are computed once
            and kept as features; 0 changes every image anew in every epoch, through
            the whole network.
        cache: Where decoded images are kept when every epoch needs them: `ram`, `disk`,
            `none`, or `auto` by their size and the room there is.
        resize: How a picture becomes square: `squash`, `crop` (the middle), or `pad`.
        max_bad_fraction: Training stops where a larger share of the files is unusable.
        tfds_dir: Where TensorFlow Datasets keeps its files; its own default where null.
        path_column: The column of a CSV that holds the image's path.
        label_column: The column of a CSV that holds the class name.
        label_from: What names the class in a folder: `folder`, or `file_name` (up to
            its last underscore, in lower case: `Great_Pyrenees_12.jpg`).
        demo_per_class: Pictures a class that the `demo` source draws.
        demo_seed: Seed of the `demo` source.
    """

    source: str = "demo"
    batch_size: int | Literal["auto"] = 32
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    splits: str | None = None
    corrections: str | None = None
    group: str = "exact"
    examples_per_class: int | None = None
    train_fraction: float = 1.0
    sampling: str = "natural"
    min_class_share: float = 0.2
    augmentation: str = "none"
    views: int = 0
    cache: str = "auto"
    resize: str = "squash"
    max_bad_fraction: float = 0.1
    tfds_dir: str | None = None
    path_column: str = "path"
    label_column: str = "label"
    label_from: str = "folder"
    demo_per_class: int = 60
    demo_seed: int = 0


def with_source(data: DataSettings, source: str | None) -> DataSettings:
    """Return a section `data` whose source is what a command's own flag names.

    Args:
        data: The section.
        source: The flag; null leaves the section as it is.
    """
    return data if source is None else dataclasses.replace(data, source=source)


def check_fraction(name: str, value: float) -> str | None:
    """Return what is wrong with a share, or None.

    Args:
        name: The setting's dotted name.
        value: What the user gave.

    Returns:
        A sentence, or None where `value` lies in [0, 1).
    """
    if 0 <= value < 1:
        return None
    return f"--{name}: expected a share from 0 up to, but not, 1. Received: {value}."
