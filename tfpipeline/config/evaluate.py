"""Settings of `evaluate`."""

from dataclasses import dataclass, field

from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.train import DistributeSettings


@dataclass(frozen=True)
class ReadSettings:
    """How a source other than the run's own is read (default: as in the run).

    Args:
        classes: CSV with the columns class and new, which maps the source's class names
            to those of the run.
        max_bad_fraction: As `data.max_bad_fraction` of `train`.
        tfds_dir: As `data.tfds_dir` of `train`.
        path_column: As `data.path_column` of `train`.
        label_column: As `data.label_column` of `train`.
        label_columns: As `data.label_columns` of `train`.
        label_from: As `data.label_from` of `train`.
        group_column: CSV column with the groups of this source; null: no groups,
            whatever the run has.
        group_from: Regular expression that finds the groups of this source; null: no
            groups, whatever the run has.
        weight_column: CSV column with the weights of this source, if there is such a
            column; null ignores it.
    """

    classes: str | None = None
    max_bad_fraction: float | None = None
    tfds_dir: str | None = None
    path_column: str | None = None
    label_column: str | None = None
    label_columns: str | None = None
    label_from: str | None = None
    group_column: str | None = None
    group_from: str | None = None
    weight_column: str | None = "weight"


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of `evaluate`.

    Args:
        run: Folder of a finished run.
        source: Any source with the classes of the run (default: the run's test images).
        map_labels: Whether to match classes by name if their order or letter case
            differs from the run's.
        allow_missing_classes: Whether classes of the run may be missing from the
            source; classes are then matched by name.
        robust: Radii in linf for images in [0, 1], such as `1/255,2/255`, at which
            accuracy under attack is measured.
        engine: What computes on a CPU: `tensorflow`, `litert`, or `auto` (with many
            images, the faster in a short trial).
        cache_dir: Cache folder (default: that of the run).
        data: How the source is read.
        adversary: The attack of `robust`; see `attack`.
        distribute: Devices.
    """

    run: str | None = None
    source: str | None = None
    map_labels: bool = False
    allow_missing_classes: bool = False
    robust: str | None = None
    engine: str = "auto"
    cache_dir: str | None = None
    data: ReadSettings = field(default_factory=ReadSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
