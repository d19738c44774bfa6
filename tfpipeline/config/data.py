"""Which images, how they are split and augmented; settings of `audit` and `pack`."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class DataSettings:
    """Where the images come from and how they reach the network.

    Args:
        source: `demo`, `tfds:NAME[:SPLIT]`, a folder of class folders (perhaps within
            `train/`, `validation/` and `test/`), or a CSV file of path,label.
        target: What is learned: `single` (one class), `multi` (any number of classes),
            `soft` (shares of the classes), or `number` (default: what the source has).
        batch_size: Images per step, over all replicas; `auto` is the largest that pays.
        validation_fraction: Share of images that chooses the best epoch, if the source
            has no validation split.
        test_fraction: Share of images that measures the result, if the source has no
            test split.
        splits: `splits.csv` of an earlier run, to reuse its splits.
        corrections: `cleaning.csv` with actions: images to keep, relabel or drop.
        classes: A CSV of class,new that renames classes, merges those with the same new
            name, and drops those without; `*` stands for all classes not listed.
        min_per_class: Drop classes with fewer distinct usable images than this.
        group: Copies that share a split: `exact`, `near` (alike), or `none`.
        group_column: The column of a CSV that says which images belong together, such
            as `patient`; they share a split, and so do copies of them.
        group_from: A regular expression that finds the same in the path of an image:
            its first group in parentheses, or all that it matches.
        folds: Parts of the training images, each predicted by a head that was trained
            on the others; 0 for none. Labels are judged, and calibration is chosen, by
            these predictions.
        examples_per_class: Most training images of each class (default: all).
        train_fraction: Share of each class's training images that is used.
        sampling: `natural`, or `balanced` (every class equally often).
        min_class_share: Warn about classes smaller than this share of the largest one.
        augmentation: `none`, `light` (flips, small shifts, rotations and zooms),
            `randaugment`, `mixup`, or `cutmix`.
        views: Augmented copies of each image whose features are cached; 0 augments
            anew in every epoch, through the whole network.
        cache: Where decoded images are kept: `ram`, `disk`, `none`, or `auto`.
        resize: How an image becomes square: `squash`, `crop` (the middle), or `pad`.
        range: What is black and white in pictures of more than 8 bits: `auto` (by all
            of the data set), `full` (all that a sample holds), or two numbers, like
            `0 4095` or `-1..1`.
        max_bad_fraction: Stop if a larger share of the files is unusable.
        max_pixels: Largest height times width of a picture; larger ones are rejected.
        tfds_dir: Folder of TensorFlow Datasets (default: its own).
        path_column: The column of a CSV that holds the image's path.
        label_column: The column of a CSV that holds the class name; for `multi` several
            as `a|b`, for `number` the number.
        label_columns: The columns of a CSV, `cat,dog`, that hold 0 or 1 for each class
            (`multi`) or its share (`soft`).
        annotator_counts: Whether the columns of `soft` count annotators; each row is
            then divided by its sum.
        weight_column: The column of a CSV, if it is there, that says what a row counts:
            2 is the same row twice, 0 leaves it out. Default: none is used.
        label_from: What names the class: `folder` (refused where folders look like
            splits or versions), `top` (the same, unasked), or `file_name` up to its
            last `_`.
        demo_per_class: Images per class that the `demo` source draws.
        demo_seed: Seed of the `demo` source.
    """

    source: str = "demo"
    target: str | None = None
    batch_size: int | Literal["auto"] = 32
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    splits: str | None = None
    corrections: str | None = None
    classes: str | None = None
    min_per_class: int = 0
    group: str = "exact"
    group_column: str | None = None
    group_from: str | None = None
    folds: int = 0
    examples_per_class: int | None = None
    train_fraction: float = 1.0
    sampling: str = "natural"
    min_class_share: float = 0.2
    augmentation: str = "none"
    views: int = 0
    cache: str = "auto"
    resize: str = "squash"
    range: str = "auto"
    max_bad_fraction: float = 0.1
    max_pixels: int = 250_000_000
    tfds_dir: str | None = None
    path_column: str = "path"
    label_column: str = "label"
    label_columns: str | None = None
    annotator_counts: bool = False
    weight_column: str | None = "weight"
    label_from: str = "folder"
    demo_per_class: int = 60
    demo_seed: int = 0


@dataclass(frozen=True)
class AuditSettings:
    """Settings of `audit`.

    Args:
        source: What to audit, as for `train` (default: `data.source`).
        output: Folder for `audit.html`, `quarantine.csv`, `findings.csv`,
            `statistics.json` and contact sheets.
        cache_dir: Cache folder of all commands (default: the user's).
        overwrite: Whether an earlier result in the folder may be replaced.
        data: How the source is read, as for `train`.
    """

    source: str | None = None
    output: str = "audit"
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)


@dataclass(frozen=True)
class PackSettings:
    """Settings of `pack`.

    Args:
        source: What to pack, as for `train` (default: `data.source`).
        output: A new folder for the shards.
        shard_megabytes: Size at which the next shard begins.
        cache_dir: Cache folder of all commands (default: the user's).
        overwrite: Whether a packed source may be replaced.
        data: How the source is read, as for `train`.
    """

    source: str | None = None
    output: str | None = None
    shard_megabytes: int = 150
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)


def with_source(data: DataSettings, source: str | None) -> DataSettings:
    """Return a section `data` whose source is what a command's own flag names."""
    return data if source is None else dataclasses.replace(data, source=source)


def check_fraction(name: str, value: float) -> str | None:
    """Return what is wrong with a share that should be in [0, 1), or None."""
    if 0 <= value < 1:
        return None
    return f"--{name}: expected a share from 0 up to, but not, 1. Received: {value}."
