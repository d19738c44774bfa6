"""From the name of a source to examples that can be trusted: opened, audited, split."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings, check_fraction
from tfpipeline.core import console, file_io
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data import corrections, duplicates, splits
from tfpipeline.data.corrections import Corrections
from tfpipeline.data.inspect_file import FLAT
from tfpipeline.data.scan import audit, quarantine
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.opening import open_source


def _near(
    files: Sequence[Row], alike: Sequence[Sequence[int]] | None = None
) -> list[str]:
    # Equal files without a telling picture have only their digest in common.
    names = [row.sha256 for row in files]
    for group in duplicates.near(files) if alike is None else alike:
        for i in group:
            names[i] = f"near {group[0]}"
    return names


# From audited files to the name of each one's group of copies.
GROUPS: dict[str, Callable[[Sequence[Row]], list[str]]] = {
    "exact": lambda files: [row.sha256 for row in files],
    "near": _near,
    "none": lambda files: [f"{row.path}:{row.offset}" for row in files],
}


@dataclass(frozen=True)
class Examples:
    """The usable examples of a source, and what was set aside.

    Args:
        source: Files, classes and ids of the usable examples.
        files: The audit of each file.
        split: `train`, `validation` or `test`, one an example, shape (n,).
        quarantined: Id and audit of each file that cannot be used.
        corrected: What a user said of single examples.
    """

    source: Source
    files: tuple[Row, ...]
    split: np.ndarray
    quarantined: tuple[tuple[str, Row], ...]
    corrected: Corrections = corrections.NONE

    @functools.cached_property
    def keys(self) -> list[str]:
        """The digest of each file's content; put together once."""
        return [row.sha256 for row in self.files]

    def of(self, split: str) -> np.ndarray:
        """Return the indices of the examples of a split, ascending, int64."""
        return np.flatnonzero(self.split == split)

    def distinct(self, chosen: np.ndarray) -> np.ndarray:
        """Return the places in `chosen` of the first of all equal files, ascending.

        Equal files are no independent draws: statistics count each once.
        """
        digests = np.array([self.keys[i] for i in chosen])
        return np.sort(np.unique(digests, return_index=True)[1])

    @functools.cached_property
    def alike(self) -> list[list[int]]:
        """Groups of positions whose pictures look alike; looked for once."""
        return duplicates.near(self.files)

    def leaks(self, group: str = "exact") -> int:
        """Count the validation and test examples of which train has a copy."""
        if group == "near":
            return splits.leaks(_near(self.files, self.alike), self.split)
        return splits.leaks(GROUPS[group](self.files), self.split)

    def leak_sheet(self) -> np.ndarray | None:
        """Return pairs of pictures across splits that look alike; None without any."""
        return duplicates.leak_sheet(self.split, self.files, self.alike)

    def counts(self) -> np.ndarray:
        """Return the number of training images of each class, int64."""
        train = self.source.label[self.of("train")]
        return np.bincount(train, minlength=len(self.source.labels))

    def rare(self, min_share: float) -> list[str]:
        """Return the classes with too small a share of the largest one's images."""
        counts = self.counts()
        least = min_share * counts.max()
        return [name for name, n in zip(self.source.labels, counts) if n < least]


def prepare(
    settings: DataSettings,
    seed: int,
    cache: Path,
    draw: Callable[[Path], Path],
    source: Source | None = None,
) -> Examples:
    """Open a source, look at every file, set aside what is broken, split the rest.

    `cache` is shared by runs; `draw` writes the pictures of the source `demo` into it.
    A `source` has been opened before.
    """
    every = _usable(settings, cache, draw, source)
    source, fixes = every.source, every.corrected
    if settings.splits is not None:
        chosen, split = splits.pin(source, Path(settings.splits), fixes.relabelled)
    else:
        chosen = np.arange(len(source))
        split = splits.assign(
            source,
            GROUPS[settings.group](every.files),
            validation_fraction=settings.validation_fraction,
            test_fraction=settings.test_fraction,
            seed=seed,
        )
    used = splits.few(
        source.label[chosen],
        split,
        most=settings.examples_per_class,
        fraction=settings.train_fraction,
        seed=seed,
    )
    examples = _corrected(every, chosen[used], split[used])
    _check_train(examples)
    return examples


def open_all(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    *,
    single: bool = False,
) -> Examples:
    """Open and look at a source without splitting it: for evaluation and packing.

    The split of an example is what the source says, or an empty string. It may have a
    `single` class, or needs two.
    """
    every = _usable(settings, cache, draw, single=single)
    return _corrected(every, np.arange(len(every.source)), every.split)


def _usable(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    source: Source | None = None,
    *,
    single: bool = False,
) -> Examples:
    """Return all usable examples, and the corrections, which are not done yet."""
    check(settings)
    if source is None:
        source = open_source(settings, cache, draw, single=single)
    rows = audit(source.paths, source.spans, cache=cache)
    good, bad = quarantine(rows, source.ids, settings.max_bad_fraction)
    _warn_of_flat([(source.ids[i], rows[i]) for i in good])
    source, fixes = source.take(good), corrections.NONE
    if settings.corrections is not None:
        unusable = {name for name, _ in bad}
        fixes = corrections.read(Path(settings.corrections), source, unusable)
    split = np.array(source.split, dtype=object)
    return Examples(source, tuple(rows[i] for i in good), split, tuple(bad), fixes)


def _warn_of_flat(usable: Sequence[tuple[str, Row]]) -> None:
    """Say how many pictures have a single colour, which nothing can be learned from."""
    flat = [(name, row) for name, row in usable if row.warning.startswith(FLAT)]
    if flat:
        name, row = flat[0]
        console.warn_once(
            f"{len(flat)} of {len(usable)} pictures have one colour everywhere, e.g. "
            f"{name} ({row.warning})"
        )


def _corrected(every: Examples, chosen: np.ndarray, split: np.ndarray) -> Examples:
    """Return some examples with what the user says of them done.

    Last, so that no other example changes its split when one is taken away.
    """
    left = every.corrected.left(every.source.take(chosen))
    chosen, split = chosen[left], split[left]
    return dataclasses.replace(
        every,
        source=every.corrected.relabel(every.source.take(chosen)),
        files=tuple(every.files[i] for i in chosen),
        split=split,
    )


def check(settings: DataSettings) -> None:
    """Refuse shares and names that mean nothing."""
    for name in ("max_bad_fraction", "min_class_share"):
        if not 0 <= (value := getattr(settings, name)) <= 1:
            raise UserError(
                f"--data.{name}: expected a share from 0 to 1. Received: {value}."
            )
    shares = {
        "data.validation_fraction": settings.validation_fraction,
        "data.test_fraction": settings.test_fraction,
    }
    for name, value in shares.items():
        if message := check_fraction(name, value):
            raise UserError(message)
    if settings.group not in GROUPS:
        raise unknown("--data.group", settings.group, GROUPS)
    if settings.examples_per_class is not None and settings.examples_per_class < 1:
        raise UserError(
            "--data.examples_per_class: expected a positive number, or null. Received: "
            f"{settings.examples_per_class}."
        )
    if not 0 < settings.train_fraction <= 1:
        raise UserError(
            "--data.train_fraction: expected a share above 0 and up to 1. Received: "
            f"{settings.train_fraction}."
        )
    if sum(shares.values()) >= 1:
        raise UserError(
            "--data.validation_fraction and --data.test_fraction: expected a sum below "
            f"1, or nothing is left to train on. Received: {sum(shares.values()):g}."
        )


def _check_train(examples: Examples) -> None:
    """Refuse classes that are evaluated but never trained."""
    for label, count in zip(examples.source.labels, examples.counts()):
        if not count:
            raise UserError(
                f"{examples.source.name}: class {label!r} has no usable image to train "
                "on. Add images, or remove the class."
            )


def write_quarantine(path: Path, rows: Sequence[tuple[str, Row]]) -> None:
    """Write which files could not be used, and why."""
    cells = [(name, row.path, row.reason) for name, row in rows]
    file_io.write_csv(path, ("id", "path", "reason"), cells)
