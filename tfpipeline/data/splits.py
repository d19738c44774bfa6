"""Which example trains, which chooses, which measures: stratified, seeded, pinned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sampling import by_class
from tfpipeline.data.sources.base import SPLITS, Source

HEADER = ("id", "path", "label", "split", "sha256")


def assign(
    source: Source,
    groups: Sequence[str],
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> np.ndarray:
    """Return the split of each example; what the source says already stands.

    Each class is divided by itself, so that its share is the same in every split. A
    split that the source does not name is taken out of its training examples.
    Examples of one group (equal files) are never divided between two splits that are
    made here.
    """
    given = set(source.split)
    split = _with_their_groups(source.split, groups)
    fractions = {
        "test": 0.0 if "test" in given else test_fraction,
        "validation": 0.0 if "validation" in given else validation_fraction,
    }
    leaders = _leaders(groups, split)
    divided = np.flatnonzero(split == "train")
    mine_by_class = by_class(divided, source.label, len(source.labels))
    for index, all_mine in enumerate(mine_by_class):
        mine = all_mine[leaders[all_mine] == all_mine]
        led, sizes = np.unique(leaders[all_mine], return_counts=True)
        where = f"{source.name}: class {source.labels[index]!r}"
        parts = _divide(
            mine, sizes[np.searchsorted(led, mine)], fractions, [seed, index], where
        )
        for name, part in parts.items():
            split[part] = name
    return split[leaders]


def _with_their_groups(named: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Give examples without a split that of their group's others, else train."""
    of_group: dict[str, str] = {}
    for name in ("train", "validation", "test"):
        of_group |= {g: n for g, n in zip(groups, named) if n == name}
    return np.array(
        [n or of_group.get(g, "train") for n, g in zip(named, groups)], dtype=object
    )


def _leaders(groups: Sequence[str], split: np.ndarray) -> np.ndarray:
    """Return for each example the first one of its group within its given split."""
    first: dict[tuple[str, str], int] = {}
    return np.array(
        [first.setdefault((g, s), i) for i, (g, s) in enumerate(zip(groups, split))],
        dtype=np.int64,
    )


def _divide(
    mine: np.ndarray,
    sizes: np.ndarray,
    fractions: dict[str, float],
    seed: list[int],
    where: str,
) -> dict[str, np.ndarray]:
    """Draw each split's share out of one class; what is left goes on to train.

    Each split is filled, by images, with groups in a random order; one that does not
    fit any more is left to the next split, and the largest to train.
    """
    total = int(sizes.sum())
    counts = {
        name: max(1, round(share * total)) if share > 0 else 0
        for name, share in fractions.items()
    }
    needed = 1 + sum(count > 0 for count in counts.values())
    if len(mine) < needed or sum(counts.values()) >= total:
        names = ", ".join(["train", *(n for n, count in counts.items() if count)])
        raise UserError(
            f"{where}: expected at least {needed} different images for the "
            f"splits {names}, found {len(mine)}. Add images, or remove the class."
        )
    rest = list(np.random.default_rng(seed).permutation(len(mine)))
    parts = {}
    for name in ("test", "validation"):
        chosen = _fill(rest, sizes, counts[name])
        taken = set(chosen)
        rest = [i for i in rest if i not in taken]
        parts[name] = mine[np.array(chosen, np.int64)]
    return parts


def _fill(order: list[int], sizes: np.ndarray, count: int) -> list[int]:
    """Take groups in order while they fit; the smallest where none does."""
    chosen, filled = [], 0
    for i in order:
        if filled + sizes[i] <= count:
            chosen.append(i)
            filled += int(sizes[i])
    if count and not chosen:
        chosen = [min(order, key=lambda i: int(sizes[i]))]
    return chosen


def write(
    path: Path, source: Source, split: np.ndarray, digests: Sequence[str]
) -> None:
    """Write the splits as a CSV that pins them, and that is a source itself."""
    rows = [
        (identity, file.absolute(), source.labels[label], name, digest)
        for identity, file, label, name, digest in zip(
            source.ids, source.paths, source.label, split, digests
        )
    ]
    file_io.write_csv(path, HEADER, rows)


def pin(
    source: Source, file: Path, relabelled: Mapping[str, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the examples and splits that an earlier `splits.csv` names."""
    try:
        rows = file_io.read_csv(file)
    except OSError as error:
        raise UserError(f"--data.splits {file}: {error.strerror}.") from None
    if not rows or not {"id", "label", "split"} <= set(rows[0]):
        raise UserError(
            f"--data.splits {file}: expected a CSV with the columns id, label, split, "
            "as splits.csv of a run has them."
        )
    position = {identity: i for i, identity in enumerate(source.ids)}
    for line, row in enumerate(rows, 2):
        _check_row(f"{file}: line {line}", row, source, position, relabelled or {})
    twice = [name for name, n in Counter(row["id"] for row in rows).items() if n > 1]
    if twice:
        raise UserError(f"--data.splits {file}: {twice[0]!r} stands there twice.")
    indices = np.array([position[row["id"]] for row in rows], np.int64)
    split = np.array([row["split"] for row in rows], dtype=object)
    return indices, split


def _check_row(
    where: str,
    row: dict[str, str],
    source: Source,
    position: dict[str, int],
    relabelled: Mapping[str, int],
) -> None:
    index = position.get(row["id"])
    if index is None:
        raise UserError(
            f"{where}: {source.name} has no example {row['id']!r}. The splits belong "
            "to another source, or the file is gone, or can no longer be read."
        )
    labels = {int(source.label[index]), relabelled.get(row["id"])}
    if row["label"] not in {source.labels[n] for n in labels if n is not None}:
        raise UserError(
            f"{where}: {row['id']!r} is {row['label']!r} there, but "
            f"{source.labels[source.label[index]]!r} in {source.name}."
        )
    if row["split"] not in SPLITS:
        raise UserError(
            f"{where}: expected a split of {', '.join(SPLITS)}. Received: "
            f"{row['split']!r}."
        )


def trained_digests(file: Path, names: Sequence[str] = ("train",)) -> set[str]:
    """Return the digests of the images that a run has trained on."""
    rows = file_io.read_csv(file)
    return {row.get("sha256", "") for row in rows if row["split"] in names} - {""}


def few(
    label: np.ndarray,
    split: np.ndarray,
    *,
    most: int | None,
    fraction: float,
    seed: int,
) -> np.ndarray:
    """Return the examples that are left when each class may train on few images only.

    The same seed takes the same images, and more of them include the fewer ones.

    Args:
        label: Index of the class of each example, int32, shape (n,).
        split: The split of each; only `train` is thinned out.
        most: Training images a class, at most; all where None.
        fraction: Share of each class's training images, in (0, 1]; at least one stays.
        seed: Of the choice.

    Returns:
        Indices, ascending, int64.
    """
    keep = split != "train"
    for index, mine in enumerate(by_class(np.flatnonzero(~keep), label)):
        count = min(len(mine), max(1, round(fraction * len(mine))))
        count = count if most is None else min(count, most)
        order = np.random.default_rng([seed, index, 1]).permutation(mine)
        keep[order[:count]] = True
    return np.flatnonzero(keep)


def leaks(groups: Sequence[str], split: np.ndarray) -> int:
    """Count the examples outside train whose equal stands in train."""
    seen = {group for group, name in zip(groups, split) if name == "train"}
    return sum(name != "train" and g in seen for g, name in zip(groups, split))
