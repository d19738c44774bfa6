"""Settings of `evaluate`."""

from dataclasses import dataclass, field

from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.train import DistributeSettings


@dataclass(frozen=True)
class ReadSettings:
    """How another source than the run's own is read; null is as the run says.

    Args:
        classes: A CSV of class,new, from its class names to those of the run.
        max_bad_fraction: As in the section `data` of a run.
        tfds_dir: Likewise.
        path_column: Likewise.
        label_column: Likewise.
        label_from: Likewise.
    """

    classes: str | None = None
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
        map_labels: Whether classes in another order are mapped by name, not refused.
        allow_missing_classes: Whether the source may have a part of the classes alone;
            they are then matched by name.
        robust: Radii in linf, `1/255,2/255`, to measure the accuracy under attack at.
        engine: What computes on a CPU: `tensorflow`, `litert`, or `auto`: the faster in
            a trial, for many images.
        cache_dir: What all runs share; null is what the run used.
        data: How the source is read.
        adversary: The attack on it; see `attack`.
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
