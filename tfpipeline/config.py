"""GROUND: frozen dataclasses of settings, one section a room."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from tfpipeline.config_adversary import AdversarySettings, RobustSettings
from tfpipeline.config_serving import ServerSettings
from tfpipeline.config_training import (
    CalibrationSettings,
    CheckpointSettings,
    DistributeSettings,
    FineTuneSettings,
    LogSettings,
    TrainSettings,
)

__all__ = [
    "AuditSettings",
    "CalibrationSettings",
    "CheckpointSettings",
    "DataSettings",
    "DistributeSettings",
    "EvaluateSettings",
    "FineTuneSettings",
    "LogSettings",
    "ModelSettings",
    "PackSettings",
    "PredictSettings",
    "ReadSettings",
    "RunSettings",
    "TrainSettings",
    "check_fraction",
    "with_source",
]


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


@dataclass(frozen=True)
class ModelSettings:
    """The frozen backbone and the new head.

    Args:
        backbone: A name from the table of backbones, e.g. `VGG16`, `MobileNetV2`, or
            `PlainCNN`, which learns from scratch.
        weights: `imagenet`, `demo`, `none`, or a weights file; null is `demo` for the
            demo source and `imagenet` otherwise.
        alpha: Width of a MobileNet; null is 0.35 with the demo weights, else 1.0.
        image_size: Height and width in pixels; null is the backbone's own size.
        pooling: How the feature map becomes a vector: `avg`, `max` or `flatten`.
        hidden: Units of hidden dense layers, e.g. `[256]`.
        dropout: Share of the inputs of each dense layer that is dropped in training.
        batch_norm: Whether hidden layers are batch-normalised, by the global batch;
            the copies that fill up the last batch of an epoch count in its statistics.
        initialiser: Of the dense layers, e.g. `glorot_uniform` or `he_normal`.
    """

    backbone: str = "MobileNetV2"
    weights: str | None = None
    alpha: float | None = None
    image_size: int | None = None
    pooling: str = "avg"
    hidden: list[int] = field(default_factory=list)
    dropout: float = 0.2
    batch_norm: bool = False
    initialiser: str = "glorot_uniform"


@dataclass(frozen=True)
class RunSettings:
    """Everything that `train` can be told; `config.yaml` of a run holds it.

    Args:
        workdir: The run folder; null is a new one below `runs/`.
        seed: Of splits, initial weights, order and augmentation.
        cache_dir: Features and drawn pictures that all runs share; null is the user's
            cache folder.
        overwrite: Whether a finished run may be replaced.
        data: The images.
        model: The network.
        train: The training of the head.
        fine_tune: The training of part of the backbone after it.
        robust: What makes it resist attacks.
        calibration: How far its probabilities are to be believed.
        checkpoint: When it is noted where the training stands.
        logs: What TensorBoard shows of it.
        distribute: The devices.
    """

    workdir: str | None = None
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    fine_tune: FineTuneSettings = field(default_factory=FineTuneSettings)
    robust: RobustSettings = field(default_factory=RobustSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


@dataclass(frozen=True)
class ReadSettings:
    """How another source than the run's own is read; null is as the run says.

    Args:
        max_bad_fraction: As in the section `data` of a run.
        tfds_dir: Likewise.
        path_column: Likewise.
        label_column: Likewise.
        label_from: Likewise.
    """

    max_bad_fraction: float | None = None
    tfds_dir: str | None = None
    path_column: str | None = None
    label_column: str | None = None
    label_from: str | None = None


@dataclass(frozen=True)
class EvaluateSettings:
    """What `evaluate` can be told.

    Args:
        run: The folder of a finished run.
        source: Any source with the run's classes; null is the run's own test images.
        map_labels: Whether a source with the same classes in another order is measured,
            each class mapped by its name; otherwise it is refused.
        robust: Radii in linf, `1/255,2/255,4/255`, at which its accuracy under attack
            is measured as well.
        cache_dir: What all runs share; null is what the run used.
        data: How the source is read.
        adversary: The attack on it; see `attack`.
        distribute: The devices.
    """

    run: str | None = None
    source: str | None = None
    map_labels: bool = False
    robust: str | None = None
    cache_dir: str | None = None
    data: ReadSettings = field(default_factory=ReadSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


@dataclass(frozen=True)
class PredictSettings:
    """What `predict` can be told.

    Args:
        model: The folder of a finished run; a SavedModel that `export` wrote, or the
            folder above its versions (the stable one is taken, or the newest); or the
            address of a server, `http://HOST:PORT/v1/models/NAME` or
            `grpc://HOST:PORT/NAME`, perhaps with `/labels/stable` or `/versions/N`.
        images: Files, folders, or globs.
        output: A file in `.csv` or `.jsonl`; null writes CSV to the screen.
        top_k: How many classes to name, best first; of an exported model at most as
            many as it was exported with.
        server: How a server is asked.
    """

    model: str | None = None
    images: list[str] = field(default_factory=list)
    output: str | None = None
    top_k: int = 3
    server: ServerSettings = field(default_factory=ServerSettings)


@dataclass(frozen=True)
class AuditSettings:
    """What `audit` can be told.

    Args:
        source: What to look at, as for `train`; null is `data.source`.
        output: Folder for `quarantine.csv`, `findings.csv`, `statistics.json` and a
            contact sheet.
        cache_dir: Findings that all commands share; null is the user's cache folder.
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
    """What `pack` can be told.

    Args:
        source: What to pack, as for `train`; null is `data.source`.
        output: A new folder for the shards.
        shard_megabytes: Size at which the next shard begins.
        cache_dir: Findings that all commands share; null is the user's cache folder.
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
