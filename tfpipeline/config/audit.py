"""Settings of `audit`."""

from dataclasses import dataclass, field

from tfpipeline.config.data import DataSettings


@dataclass(frozen=True)
class AuditSettings:
    """What `audit` can be told.

    Args:
        source: What to look at, as for `train`; null is `data.source`.
        output: Folder for `quarantine.csv`, `findings.csv`, `statistics.json` and a
            contact sheet.
        cache_dir: Findings that all commands share; null is the user's cache folder.
        overwrite: Whether an earlier result in the folder may be replaced.
        data: How the source is read, as for `train`.
    """

    source: str | None = None
    output: str = "audit"
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
