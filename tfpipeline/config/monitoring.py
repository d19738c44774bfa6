"""Settings of `similar` and `monitor`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SimilarSettings:
    """Settings of `similar`.

    Args:
        run: Folder of a finished run.
        images: Pictures: files, folders, or globs.
        output: Folder for the page and `similar.json`.
        count: Number of training pictures to find for each picture, at least 1.
        metric: Distance of features: `cosine` (1 minus the cosine of the angle) or
            `euclidean`.
        max_pixels: Largest height times width of a picture, in pixels; larger pictures
            are rejected.
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
    """Settings of `monitor`.

    Args:
        run: Folder of a finished run; for predictions in CSV or JSON lines, also an
            exported version or the folder above the versions.
        images: New pictures: files, folders, or globs.
        predictions: Instead of pictures: CSV or JSON lines written by `predict`, of
            which the predictions are compared but no features, or request logs of TF
            Serving, whose pictures are read.
        output: Folder for the page and `monitor.json`.
        false_alarms: Rate of false alarms, between 0 and 1: the share of batches
            without drift that raise an alarm.
        ignore_shares: Whether to ignore how often each class is predicted: pictures are
            then compared only with those of the same predicted class. Only for runs
            that predict one class per image.
        fail_on_drift: Whether the exit code is 1 if drift is found.
        most: Largest number of pictures to compare, at least 2; if there are more, a
            random sample is compared.
        permutations: Number of random permutations of the test.
        seed: Random seed of the sample and the permutations.
        max_pixels: Largest height times width of a picture, in pixels; larger pictures
            are rejected.
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
