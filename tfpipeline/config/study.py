"""Settings of `study`."""

from dataclasses import dataclass, field

from tfpipeline.config import DataSettings, DistributeSettings


@dataclass(frozen=True)
class StudySettings:
    """What `study` can be told.

    Args:
        sources: What to classify, each as for `train`: `demo`, folders, CSV files, ...
        backbones: Frozen networks, `NAME[:ALPHA][:WEIGHTS][@SIZE]`: `MobileNetV2`,
            `MobileNet:0.25`, `demo`, or untrained `MobileNetV2:0.35:none@96`.
        output: Folder for `study.csv`, `study.json`, `table.md` and the figures.
        seeds: How often everything is repeated, each time with other splits (where the
            source names none), other examples and other starts of what is trained.
        shots: Examples of each class to learn from; `all`, every one, always is among
            them. What no class has more than is left out of a source.
        heads: Ways to train a head that are tried together; validation images choose,
            and without any the first is taken.
        neighbours: Training images that vote on an answer, at most.
        scratch: Whether `PlainCNN` is trained from scratch as well, on all examples.
        scratch_epochs: Passes over the training images for it.
        workers: Processes that share the pairs of source and backbone; start each with
            the same command but for `index`, the same `output` and `cache_dir`. The
            last to end writes the result.
        index: Which of the workers this is, from 0.
        seed: Of the first repetition; the others count on from it.
        cache_dir: Features that all commands share; null is the user's cache folder.
        overwrite: Whether an earlier result in the folder may be replaced. Without it,
            an unfinished study goes on.
        data: How the sources are read, as for `train`.
        distribute: The devices.
    """

    sources: list[str] = field(default_factory=lambda: ["demo"])
    backbones: list[str] = field(
        default_factory=lambda: ["demo", "MobileNetV2:0.35:none@96"]
    )
    output: str = "study"
    seeds: int = 3
    shots: str = "1,2,5,10,all"
    heads: int = 8
    neighbours: int = 5
    scratch: bool = False
    scratch_epochs: int = 20
    workers: int = 1
    index: int = 0
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
