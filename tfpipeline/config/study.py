"""Settings of `study`."""

from dataclasses import dataclass, field

from tfpipeline.config import DataSettings, DistributeSettings


@dataclass(frozen=True)
class StudySettings:
    """Settings of `study`.

    Args:
        sources: Data sets, each as for `train`: `demo`, folders, CSV files, ...; all of
            one `--data.target`.
        backbones: Frozen networks, `NAME[:ALPHA][:WEIGHTS][@SIZE]`: `MobileNetV2`,
            `MobileNet:0.25`, `demo`, or untrained `MobileNetV2:0.35:none@96`; of your
            own, `FILE.keras[:PREPROCESSING][:none][@SIZE]`, `kerashub:PRESET`.
        output: Folder for `study.csv`, `study.json`, `table.md` and the figures.
        seeds: Repetitions, each with other splits, examples and initial weights.
        shots: Examples per class (of numbers, per tenth) to learn from; `all` is always
            included.
        heads: Heads to train and choose from, by validation images if there are any.
        neighbours: Largest number of neighbours of the k-NN probe.
        scratch: Whether to train `PlainCNN` from scratch too, on all examples.
        scratch_epochs: Passes over the training images for it.
        workers: Processes that share the work. Start each with the same command but its
            own `--index`; the last to finish writes the result.
        index: Which of the workers this is, from 0.
        engine: What computes features on a CPU: `tensorflow`, `litert`, or `auto`: the
            faster in a trial, for many images.
        seed: Of the first repetition; the others count up from it.
        cache_dir: Cache folder (default: `~/.cache/tfpipeline`).
        overwrite: Whether an earlier result may be replaced; an unfinished one is
            resumed.
        data: Data.
        distribute: Devices.
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
    engine: str = "auto"
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
