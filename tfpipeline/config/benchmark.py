"""Settings of `benchmark`."""

from dataclasses import dataclass, field

from tfpipeline.config import DataSettings, DistributeSettings, ModelSettings
from tfpipeline.core.errors import UserError


@dataclass(frozen=True)
class BenchmarkSettings:
    """What `benchmark` can be told.

    Args:
        source: Images to read, as for `train`; null draws JPEGs as hard as photographs.
        output: Folder for `benchmark.json`.
        images: How many are read and put through the network in each round.
        epochs: Of the head, in what a whole training is expected to take.
        rounds: How often each thing is measured, in turn; medians are reported.
        precision: As `train.precision`.
        seed: Of the images, weights and order.
        cache_dir: Where drawn images are kept; null is the user's cache folder.
        overwrite: Whether an earlier result in the folder may be replaced.
        data: As for `train`; `data.batch_size auto` takes the smallest nearly best.
        model: The network, as for `train`; without `weights` it is untrained, as fast.
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
    """Refuse numbers that nothing can be measured by."""
    for name, least in (("images", 64), ("epochs", 1), ("rounds", 1)):
        value = getattr(settings, name)
        if value < least:
            raise UserError(
                f"--{name}: expected at least {least}, so that there is something to "
                f"measure. Received: {value}."
            )
