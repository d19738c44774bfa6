"""Settings of `evaluate`."""

from dataclasses import dataclass, field

from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.train import DistributeSettings


@dataclass(frozen=True)
class ReadSettings:
    """How a source other than the run's own is read (default: as in the run).

    Args:
        classes: A CSV of class,new that maps its class names to those of the run.
        max_bad_fraction: As in the section `data` of a run.
        tfds_dir: Likewise.
        path_column: Likewise.
        label_column: Likewise.
        label_columns: Likewise.
        label_from: Likewise.
        group_column: Its column of groups; unlike the others, null is none.
        group_from: Likewise.
        weight_column: Its column of weights, if it is there; null is none.
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
        run: The folder of a finished run.
        source: Any source with the run's classes (default: the run's test images).
        map_labels: Whether to match classes by name if order or letter case differ.
        allow_missing_classes: Whether the source may lack classes of the run; classes
            are then matched by name.
        robust: Radii in linf, `1/255,2/255`, at which to measure accuracy under attack.
        engine: What computes on a CPU: `tensorflow`, `litert`, or `auto`: the faster in
            a trial, for many images.
        cache_dir: Cache folder (default: that of the run).
        data: How the source is read.
        adversary: The attack for `robust`; see `attack`.
        distribute: The devices.
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
