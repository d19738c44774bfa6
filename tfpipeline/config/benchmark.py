"""Settings of `benchmark`."""

from dataclasses import dataclass, field

from tfpipeline.config import DataSettings, DistributeSettings, ModelSettings
from tfpipeline.core.errors import UserError


@dataclass(frozen=True)
class BenchmarkSettings:
    """What `benchmark` can be told.

    Args:
        source: Pictures to read, as for `train`; null draws JPEG files of 500 x 375
            pixels that are as hard to decode as photographs.
        output: Folder for `benchmark.json`.
        images: How many pictures are read and put through the network in each round;
            where there are fewer they are repeated.
        epochs: Of the head, in what a whole training is expected to take.
        rounds: How often each thing is measured, in turn; medians are told.
        precision: As `train.precision`.
        seed: Of the pictures, weights and order.
        cache_dir: Where drawn pictures are kept; null is the user's cache folder.
        overwrite: Whether an earlier result in the folder may be replaced.
        data: How the source is read, as for `train`; `data.batch_size auto` tries
            several and takes the smallest that is nearly as fast as the best.
        model: The network, as for `train`; without `weights` it is an untrained one,
            which is as fast as a trained one.
        distribute: The devices.
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
    """Refuse numbers that nothing can be measured by.

    Args:
        settings: Of the command.

    Raises:
        UserError: One is out of range.
    """
    for name, least in (("images", 64), ("epochs", 1), ("rounds", 1)):
        value = getattr(settings, name)
        if value < least:
            raise UserError(
                f"--{name}: expected at least {least}, so that there is something to "
                f"measure. Received: {value}."
            )
