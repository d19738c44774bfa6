"""From the name of a source to examples that can be trusted: opened, audited, split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline import runs
from tfpipeline.config import DataSettings, check_fraction
from tfpipeline.data import splits
from tfpipeline.data.audit import Row, audit, quarantine
from tfpipeline.data.sources import Source, open_source
from tfpipeline.errors import UserError


@dataclass(frozen=True)
class Examples:
    """The usable examples of a source, and what was set aside.

    Args:
        source: Files, classes and ids of the usable examples.
        files: The audit of each file.
        split: `train`, `validation` or `test`, one an example, shape (n,).
        quarantined: Id and audit of each file that cannot be used.
    """

    source: Source
    files: tuple[Row, ...]
    split: np.ndarray
    quarantined: tuple[tuple[str, Row], ...]

    @property
    def keys(self) -> list[str]:
        """The digest of each file's content."""
        return [row.sha256 for row in self.files]

    def of(self, split: str) -> np.ndarray:
        """Return the indices of the examples of a split, ascending, int64."""
        return np.flatnonzero(self.split == split)

    def leaks(self) -> int:
        """Count the validation and test examples whose equal file is in train."""
        return splits.leaks(self.keys, self.split)


def prepare(
    settings: DataSettings, seed: int, cache: Path, draw: Callable[[Path], Path]
) -> Examples:
    """Open a source, look at every file, set aside what is broken, and split the rest.

    Args:
        settings: The section `data`.
        seed: Of the splits.
        cache: The folder that runs share.
        draw: Writes the pictures of the source `demo` and returns their folder.

    Returns:
        Examples in the source's order.

    Raises:
        UserError: The source cannot be used, or too many of its files are broken.
    """
    _check(settings)
    source = open_source(settings, cache, draw)
    source, files, quarantined = _audited(source, settings, cache)
    if settings.splits is not None:
        chosen, split = splits.pin(source, Path(settings.splits))
        source, files = source.take(chosen), tuple(files[i] for i in chosen)
    else:
        split = splits.assign(
            source,
            [row.sha256 for row in files],
            validation_fraction=settings.validation_fraction,
            test_fraction=settings.test_fraction,
            seed=seed,
        )
    _check_train(source, split)
    return Examples(source, files, split, quarantined)


def open_all(
    settings: DataSettings, cache: Path, draw: Callable[[Path], Path]
) -> Examples:
    """Open and look at a source without splitting it: for evaluation.

    Args:
        settings: The section `data`.
        cache: The folder that runs share.
        draw: Writes the pictures of the source `demo` and returns their folder.

    Returns:
        Examples whose split is what the source says, `test` where it says nothing.

    Raises:
        UserError: The source cannot be used, or too many of its files are broken.
    """
    _check(settings)
    source, files, quarantined = _audited(
        open_source(settings, cache, draw), settings, cache
    )
    split = np.array([name or "test" for name in source.split], dtype=object)
    return Examples(source, files, split, quarantined)


def _audited(
    source: Source, settings: DataSettings, cache: Path
) -> tuple[Source, tuple[Row, ...], tuple[tuple[str, Row], ...]]:
    rows = audit(source.paths, cache=cache)
    good, bad = quarantine(rows, source.ids, settings.max_bad_fraction)
    return source.take(good), tuple(rows[i] for i in good), tuple(bad)


def _check(settings: DataSettings) -> None:
    shares = {
        "data.validation_fraction": settings.validation_fraction,
        "data.test_fraction": settings.test_fraction,
    }
    for name, value in shares.items():
        if message := check_fraction(name, value):
            raise UserError(message)
    if sum(shares.values()) >= 1:
        raise UserError(
            "--data.validation_fraction and --data.test_fraction: expected a sum below "
            f"1, or nothing is left to train on. Received: {sum(shares.values()):g}."
        )


def _check_train(source: Source, split: np.ndarray) -> None:
    """Refuse classes that are evaluated but never trained."""
    trained = set(source.label[split == "train"])
    for index, label in enumerate(source.labels):
        if index not in trained:
            raise UserError(
                f"{source.name}: class {label!r} has no usable image to train on. Add "
                "images, or remove the class."
            )


def write_quarantine(path: Path, rows: Sequence[tuple[str, Row]]) -> None:
    """Write which files could not be used, and why.

    Args:
        path: The file, `quarantine.csv` of a run.
        rows: Id and audit of each.
    """
    runs.write_csv(
        path,
        ("id", "path", "reason"),
        ((name, row.path, row.reason) for name, row in rows),
    )
