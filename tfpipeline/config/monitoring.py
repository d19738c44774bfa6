"""Settings of `similar` and `monitor`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SimilarSettings:
    """What `similar` can be told.

    Args:
        run: The folder of a finished run.
        images: Pictures: files, folders, or globs.
        output: Folder for the page and `similar.json`.
        count: Training pictures to find for each.
        metric: `cosine` (1 less the cosine of the angle between features), or
            `euclidean`.
        max_pixels: Height times width of a picture, at most; more is not opened.
        overwrite: Whether an earlier result in the folder may be replaced.
    """

    run: str | None = None
    images: list[str] = field(default_factory=list)
    output: str = "similar"
    count: int = 5
    metric: str = "cosine"
    max_pixels: int = 250_000_000
    overwrite: bool = False


@dataclass(frozen=True)
class MonitorSettings:
    """What `monitor` can be told.

    Args:
        run: The folder of a finished run; for tables of `predict`, an exported version
            or the folder above its versions will do.
        images: Pictures that have arrived: files, folders, or globs.
        predictions: Instead of those, CSV or JSON lines that `predict` wrote (only what
            they say is compared, without features), or request logs of TF Serving,
            whose pictures are read.
        output: Folder for the page and `monitor.json`.
        false_alarms: How often an alarm may be false: the share of batches like the
            run's own pictures.
        ignore_shares: Whether classes may be as frequent as they like: only pictures
            that are predicted as the same class are then compared.
        fail_on_drift: Whether an alarm ends with exit code 1.
        most: Pictures that are compared, at most; of more a random part.
        permutations: Random choices that the test compares with.
        seed: Of all that is random.
        max_pixels: Height times width of a picture, at most; more is not opened.
        overwrite: Whether an earlier result in the folder may be replaced.
    """

    run: str | None = None
    images: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)
    output: str = "monitor"
    false_alarms: float = 0.05
    ignore_shares: bool = False
    fail_on_drift: bool = False
    most: int = 4000
    permutations: int = 999
    seed: int = 0
    max_pixels: int = 250_000_000
    overwrite: bool = False
