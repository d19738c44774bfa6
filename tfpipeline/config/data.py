"""Which images, how they are split and augmented; settings of `audit` and `pack`."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from tfpipeline.config.beam import LOCAL, BeamSettings


@dataclass(frozen=True)
class DataSettings:
    """Where the images come from and how they reach the network.

    Args:
        source: `demo`, `tfds:NAME[:SPLIT]`, a folder with one folder per class
            (optionally below `train/`, `validation/` and `test/`), or a CSV file with
            the columns path and label.
        features: Local folder written by `embed`, from whose features `train` learns
            without the pictures. The labels are the class folders in the ids, or come
            from a `source` joined by id.
        target: What is predicted: `single` (one class), `multi` (any number of
            classes), `soft` (a share of each class), or `number` (default: what the
            source provides).
        batch_size: Images per step, over all replicas; `auto` finds the largest size,
            up to 256, that still raises the speed and fits the memory.
        validation_fraction: Share of the images, in [0, 1), held out to choose the best
            epoch; used if the source has no validation split.
        test_fraction: Share of the images, in [0, 1), held out to measure the result;
            used if the source has no test split.
        splits: `splits.csv` of an earlier run, whose splits are reused.
        corrections: `cleaning.csv` with its column `action` filled in: images to keep,
            relabel or drop.
        classes: CSV with the columns class and new. It renames classes, merges classes
            that get the same new name, and drops classes whose new name is empty; `*`
            stands for all classes not listed. With several labels per image, an image
            whose labels are dropped stays; shares of merged classes are added.
        min_per_class: Classes with fewer distinct usable images than this are dropped.
            With several labels per image, only the label is dropped.
        group: Which copies of an image stay in the same split: `exact` (identical
            files), `near` (near duplicates too), or `none`.
        group_column: CSV column that names the group of an image, such as `patient`.
            Images of one group, and copies of them, stay in the same split.
        group_from: Regular expression that finds the group in the path of an image: its
            first group in parentheses, or the whole match.
        folds: Number of folds of the training images; 0 turns folds off. Each fold is
            predicted by a classifier trained on the others. These predictions are used
            to find label errors, and for calibration and thresholds.
        examples_per_class: Largest number of training images of each class (default:
            all).
        train_fraction: Share of each class's training images that is used, in (0, 1].
        sampling: `natural` (each image once per epoch), or `balanced` (each class
            equally often).
        min_class_share: Warn about classes with fewer images than this share, from 0 to
            1, of the largest class.
        augmentation: `none`, `light` (flips, small shifts, rotations and zooms),
            `randaugment`, `mixup`, or `cutmix`.
        views: Number of augmented copies of each image whose features are cached. 0:
            images are augmented again in every epoch and pass the whole network.
        cache: Where decoded images are kept: `ram`, `disk`, `none`, or `auto`.
        resize: How an image is made square: `squash` (change the aspect ratio), `crop`
            (keep the middle), or `pad`.
        range: Sample values that mean black and white in images of more than 8 bits:
            `auto` (from the whole data set), `full` (the range of the sample type), or
            two numbers, such as `0 4095` or `-1..1`.
        max_bad_fraction: Stop if more than this share of the files, from 0 to 1, is
            unusable.
        max_pixels: Largest height times width of a picture, in pixels; larger pictures
            are rejected.
        tfds_dir: Folder of TensorFlow Datasets (default: the library's own).
        path_column: CSV column with the path of the image.
        label_column: CSV column with the class name; for `multi`, several names as
            `a|b`; for `number`, the number.
        label_columns: CSV columns, such as `cat,dog`, with 0 or 1 for each class
            (`multi`) or the share of each class (`soft`).
        annotator_counts: Whether the columns of `soft` hold numbers of annotators; each
            row is then divided by its sum.
        weight_column: CSV column with the weight of a row, if there is such a column: 2
            has the effect of the same row twice, 0 skips the row. null ignores it.
        label_from: What names the class: `folder` (an error where folders look like
            splits or versions), `top` (the top folder, without that check), or
            `file_name` (the name up to its last `_`).
        demo_per_class: Number of images per class that the source `demo` draws.
        demo_seed: Random seed of the source `demo`.
    """

    source: str = "demo"
    features: str | None = None
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
        source: Data set to check, as for `train` (default: `data.source`); or pictures
            without classes: a `.txt` with one path per line, a glob, or a URL.
        output: Folder for `audit.html`, `quarantine.csv`, `findings.csv`,
            `statistics.json` and contact sheets. With shards, it also gets the folder
            `shards`, in which an interrupted command resumes, and may be a URL.
        shard_images: Number of pictures per shard; 0 writes no shards, unless
            `workers`, `part`, `runner` or a URL as `output` asks for them (then 2000).
        part: Which of the `parts` this process inspects, counted from 0; `auto` takes
            the index of the task in a job array of SLURM, Kubernetes or AWS Batch.
        parts: Number of parts into which the shards are divided (default: 1, or the
            size of the job array).
        workers: Number of processes on this machine that share the shards.
        runner: What distributes the shards: `local` (this command) or `beam` (Apache
            Beam).
        cache_dir: Cache folder of all commands (default: `~/.cache/tfpipeline`).
        overwrite: Whether an earlier result in the folder may be replaced; with shards,
            also those of other pictures or settings.
        data: How the source is read, as for `train`.
        beam: Apache Beam, with `--runner beam`.
    """

    source: str | None = None
    output: str = "audit"
    shard_images: int = 0
    part: str = "0"
    parts: int = 0
    workers: int = 1
    runner: str = LOCAL
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
    beam: BeamSettings = field(default_factory=BeamSettings)


@dataclass(frozen=True)
class PackSettings:
    """Settings of `pack`.

    Args:
        source: Data set to pack, as for `train` (default: `data.source`).
        output: New or empty folder for the shards.
        shard_megabytes: Size of a shard, in megabytes; a shard that reaches it is
            closed.
        cache_dir: Cache folder of all commands (default: `~/.cache/tfpipeline`).
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
