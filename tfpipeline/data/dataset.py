"""From the name of a source to examples that can be trusted: opened, audited, split."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings
from tfpipeline.core import console, file_io, remote
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import (
    corrections,
    duplicates,
    rare_classes,
    review,
    sample_ranges,
    splits,
)
from tfpipeline.data.corrections import Corrections
from tfpipeline.data.grouping import names
from tfpipeline.data.grouping.copies import GROUPS, near
from tfpipeline.data.inspect_file import FLAT
from tfpipeline.data.sample_ranges import Choice
from tfpipeline.data.scan import audit, quarantine
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import class_map, label_checks
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.columns import Column, taken, texts
from tfpipeline.data.sources.opening import open_source
from tfpipeline.data.sources.settings import check
from tfpipeline.metrics import weights


def first_unseen(digests: Sequence[str], seen: Collection[str]) -> np.ndarray:
    """Return the places of the first of equal files, but of none that is `seen`."""
    first = np.sort(np.unique(np.array(digests, str), return_index=True)[1])
    return np.array([i for i in first.tolist() if digests[i] not in seen], np.int64)


@dataclass(frozen=True)
class Examples:
    """The usable examples of a source, and what was set aside.

    Args:
        source: Files, classes and ids of the usable examples.
        files: The audit of each file.
        split: `train`, `validation` or `test`, one an example, shape (n,).
        quarantined: Id and audit of each file that cannot be used.
        corrected: What a user said of single examples.
        brightness: What is black and white; chosen by all that are not left out.
    """

    source: Source
    files: Sequence[Row]
    split: np.ndarray
    quarantined: tuple[tuple[str, Row], ...]
    corrected: Corrections = corrections.NONE
    brightness: Choice = Choice()

    @functools.cached_property
    def keys(self) -> Sequence[str]:
        """The digest of each file's content; put together once."""
        own = [row.sha256 for row in self.files]
        return texts(own) if isinstance(self.files, Column) else own

    def of(self, split: str) -> np.ndarray:
        """Return the indices of the examples of a split, ascending, int64."""
        return np.flatnonzero(self.split == split)

    def distinct(self, chosen: np.ndarray) -> np.ndarray:
        """Return the places in `chosen` of the first of all equal files, ascending.

        Equal files are no independent draws: statistics count each once.
        """
        return first_unseen([self.keys[i] for i in chosen], ())

    @functools.cached_property
    def alike(self) -> list[list[int]]:
        """Groups of positions whose pictures look alike; looked for once."""
        return duplicates.near(self.files)

    def leaks(self, group: str = "exact") -> int:
        """Count the validation and test examples of which train has a copy."""
        if group == "near":
            return splits.leaks(near(self.files, self.alike), self.split)
        return splits.leaks(GROUPS[group](self.files), self.split)

    def leak_sheet(self) -> np.ndarray | None:
        """Return pairs of pictures across splits that look alike; None without any."""
        given = self.source, self.split, self.files, self.alike
        return duplicates.leak_sheet(*given, ranges=self.brightness.ranges)

    def review(self, opened: review.Opened, min_class_share: float) -> review.Review:
        """Return what is to be known of the examples before they are used."""
        return review.review(
            review.of_split(self.source, self.split),
            self.files,
            self.alike,
            bad=self.quarantined,
            opened=opened,
            min_class_share=min_class_share,
        )

    def together(self, copies: str) -> list[str]:
        """Return each example's group, by the source and by `copies` (of `GROUPS`)."""
        own = GROUPS[copies](self.files)
        return names.joined(own, self.source.group) if self.source.group else own

    def weights(self, chosen: np.ndarray) -> np.ndarray | None:
        """Return what examples count, float64, shape (k,); None where all count 1."""
        every = self.source.weight
        return np.array([every[i] for i in chosen]) if every else None

    def epoch(self) -> np.ndarray:
        """Return the training examples, each as often as an epoch has it, int64."""
        chosen = self.of("train")
        given = self.weights(chosen)
        return chosen if given is None else chosen[weights.spread(given)[0]]

    def mass(self) -> np.ndarray:
        """Return the sum of the weights of each class's training images, or shares."""
        chosen, classes = self.of("train"), len(self.source.labels)
        given = self.weights(chosen)
        if self.source.values is not None:
            shares = self.source.values[chosen].astype(np.float64)
            return np.asarray(
                (np.ones(len(chosen)) if given is None else given) @ shares
            )
        return np.bincount(self.source.label[chosen], given, minlength=classes)

    def truth(self, chosen: np.ndarray) -> np.ndarray:
        """Return what is true of examples: indices, int32 (k,), or values (k, ...)."""
        source = self.source
        return (source.label if source.values is None else source.values)[chosen]

    def counts(self) -> np.ndarray:
        """Return the number of training images of each class or stratum, int64."""
        return np.array([*label_checks.counts(self.source, self.of("train")).values()])

    def rare(self, min_share: float) -> list[str]:
        """Return the classes with too small a share of the largest one's images."""
        counts = self.counts()
        least = min_share * counts.max()
        names = label_checks.counts(self.source, ())
        return [name for name, n in zip(names, counts) if n < least]


def prepare(
    settings: DataSettings,
    seed: int,
    cache: Path,
    draw: Callable[[Path], Path],
    source: Source | None = None,
    rows: Sequence[Row] | None = None,
) -> Examples:
    """Open a source, look at every file, set aside what is broken, split the rest.

    `cache` is shared by runs; `draw` writes the pictures of the source `demo` into it.
    A `source` has been opened before. Where `rows` say what is known of its files, one
    each, no file is looked at.
    """
    every = _usable(settings, cache, draw, source, rows)
    source, fixes = every.source, every.corrected
    if settings.splits is not None:
        chosen, split = splits.pin(source, Path(settings.splits), fixes.relabelled)
    else:
        chosen = np.arange(len(source))
        split = splits.assign(
            source,
            every.together(settings.group),
            validation_fraction=settings.validation_fraction,
            test_fraction=settings.test_fraction,
            seed=seed,
        )
    every = _with_ranges(settings, every, chosen)
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
    source: Source | None = None,
    *,
    single: bool = False,
) -> Examples:
    """Open and look at a source without splitting it: for evaluation and packing.

    The split of an example is what the source says, or an empty string. It may have a
    `single` class, or needs two.
    """
    every = _usable(settings, cache, draw, source, single=single)
    _warn_of_flat(list(zip(every.source.ids, every.files)))
    chosen = np.arange(len(every.source))
    return _corrected(_with_ranges(settings, every, chosen), chosen, every.split)


def _usable(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    source: Source | None = None,
    rows: Sequence[Row] | None = None,
    *,
    single: bool = False,
) -> Examples:
    """Return all usable examples, and the corrections, which are not done yet."""
    check(settings)
    if source is None:
        source = open_source(settings, cache, draw, single=single)
    if rows is None:
        limit = settings.max_pixels
        rows = audit(source.paths, source.spans, cache=cache, max_pixels=limit)
    good, bad = quarantine(rows, source.ids, settings.max_bad_fraction)
    source, files = source.take(good), taken(rows, good)
    if few := few_classes(settings, source, files):
        left = rare_classes.others(source, few)
        files = taken(files, left)
        dropping, least = class_map.dropping(few), 1 if single else 2
        source = source.with_classes(dropping, rare_classes.FLAG, least=least)
    fixes = corrections.NONE
    if settings.corrections is not None:
        unusable = {name for name, _ in bad}
        fixes = corrections.read(Path(settings.corrections), source, unusable)
    split = np.array(source.split, dtype=object)
    return Examples(source, files, split, tuple(bad), fixes)


def _with_ranges(
    settings: DataSettings, every: Examples, chosen: np.ndarray
) -> Examples:
    """Return all examples, with ranges by those that are chosen and not dropped."""
    left = chosen[every.corrected.left(every.source.take(chosen))]
    choice = sample_ranges.announce(settings.range, taken(every.files, left))
    return dataclasses.replace(every, brightness=choice)


def few_classes(
    settings: DataSettings, source: Source, files: Sequence[Row], *, are: str = "are"
) -> dict[str, str]:
    """Return why a class has too few usable images to be used, by its name.

    What is said of them begins with `are`: left out, here or by another command.
    """
    if not settings.min_per_class:
        return {}
    advice = "Leave it out: classes of few images are reported."
    given = source.target, "--data.min_per_class", advice
    targets.expect(*given, (*targets.CLASSES, targets.MULTI))
    usable = [i for i, row in enumerate(files) if not row.reason]
    groups = GROUPS[settings.group]([files[i] for i in usable])
    usable_source = source.take(np.array(usable, int))
    return rare_classes.few(usable_source, groups, settings.min_per_class, are=are)


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
        files=taken(every.files, chosen),
        split=split,
    )


def _check_train(examples: Examples) -> None:
    """Refuse classes that are evaluated but never trained."""
    source, counts = examples.source, examples.counts()
    if source.target in (targets.MULTI, targets.NUMBER):
        if not counts.sum():
            raise UserError(
                f"{source.name}: expected training images"
                + (" with labels" if source.target == targets.MULTI else "")
                + ", found none."
            )
        return
    if source.target == targets.SOFT:
        # A class may have a share of many images, and the largest of none.
        counts = examples.mass()
    if none := [name for name, count in zip(source.labels, counts) if not count]:
        (line,) = class_map.as_lines([(none[0], "")])
        raise UserError(
            f"{source.name}: {class_map.shorten(list(map(repr, none)))}: classes that "
            f"have no usable image to train on. Add images, or drop them: "
            f"{class_map.FLAG} FILE with a line for each, as in {line}"
        )


def write_quarantine(path: Path, rows: Sequence[tuple[str, Row]]) -> None:
    """Write which files could not be used, and why."""
    cells = [(name, remote.shown(row.path), row.reason) for name, row in rows]
    file_io.write_csv(path, ("id", "path", "reason"), cells)
