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
        images: Number of images that are read and sent through the network in each
            round, at least 64.
        epochs: Number of epochs of the training whose time is predicted, at least 1.
        rounds: Number of repetitions of each measurement, interleaved; medians are
            reported.
        precision: As `train.precision`.
        seed: Random seed of images, weights and order.
        cache_dir: Cache folder (default: `~/.cache/tfpipeline`).
        overwrite: Whether an earlier result in the folder may be replaced.
        data: Data; `--data.batch_size auto` picks the smallest batch that is nearly as
            fast as the fastest.
        model: Network; without `weights` it is untrained, which does not change its
            speed.
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
