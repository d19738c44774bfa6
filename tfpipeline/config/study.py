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
            `MobileNet:0.25`, `demo`, or the untrained `MobileNetV2:0.35:none@96`;
            networks of your own, `FILE.keras[:PREPROCESSING][:none][@SIZE]` or
            `kerashub:PRESET`.
        output: Folder for `study.csv`, `study.json`, `table.md` and the figures.
        seeds: Number of repetitions, each with its own splits, examples and initial
            weights.
        shots: Numbers of training examples per class (of numbers, per tenth); `all` is
            always included.
        heads: Number of heads that are trained; the best is chosen on validation
            images, if there are any.
        neighbours: Largest number of neighbours of the k-NN probe.
        scratch: Whether `PlainCNN` is also trained from scratch, on all examples.
        scratch_epochs: Number of passes over the training images of `PlainCNN`.
        workers: Number of processes that share the work. Start each with the same
            command but its own `--index`; the last to finish writes the result.
        index: Number of this process among the workers, from 0.
        engine: What computes features on a CPU: `tensorflow`, `litert`, or `auto` (with
            many images, the faster in a short trial).
        seed: Random seed of the first repetition; each further one adds 1.
        cache_dir: Cache folder (default: `~/.cache/tfpipeline`).
        overwrite: Whether an earlier result may be replaced; an unfinished one is
            always resumed.
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
