"""Settings of `pack`."""

from dataclasses import dataclass, field

from tfpipeline.config.data import DataSettings


@dataclass(frozen=True)
class PackSettings:
    """What `pack` can be told.

    Args:
        source: What to pack, as for `train`; null is `data.source`.
        output: A new folder for the shards.
        shard_megabytes: Size at which the next shard begins.
        cache_dir: Findings that all commands share; null is the user's cache folder.
        overwrite: Whether a packed source may be replaced.
        data: How the source is read, as for `train`.
    """

    source: str | None = None
    output: str | None = None
    shard_megabytes: int = 150
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
