"""Settings of `benchmark`."""

from dataclasses import dataclass, field

from tfpipeline.config import DataSettings, DistributeSettings, ModelSettings
from tfpipeline.core.errors import UserError


@dataclass(frozen=True)
class BenchmarkSettings:
    """Settings of `benchmark`.

    Args:
        source: Images to read, as for `train` (default: generated JPEGs that are as
            hard to decode as photographs).
        output: Folder for `benchmark.json`.
        images: Images that are read and sent through the network in each round.
        epochs: Epochs of the training whose time is predicted.
        rounds: Repetitions of each measurement, interleaved; medians are reported.
        precision: As `train.precision`.
        seed: Of images, weights and order.
        cache_dir: Cache folder (default: `~/.cache/tfpipeline`).
        overwrite: Whether an earlier result in the folder may be replaced.
        data: Data; `data.batch_size auto` takes the smallest batch that is nearly the
            fastest.
        model: Network; untrained without `weights`, which is as fast.
        distribute: Devices.
    """

    source: str | None = None
    output: str = "benchmark"
    images: int = 512
    epochs: int = 10
    rounds: int = 5
    precision: str = "auto"
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=lambda: DataSettings(batch_size="auto"))
    model: ModelSettings = field(default_factory=ModelSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


def check(settings: BenchmarkSettings) -> None:
    """Refuse numbers that nothing can be measured by."""
    for name, least in (("images", 64), ("epochs", 1), ("rounds", 1)):
        value = getattr(settings, name)
        if value < least:
            raise UserError(
                f"--{name}: expected at least {least}, so that there is something to "
                f"measure. Received: {value}."
            )
