"""Which example trains, which chooses, which measures: stratified, seeded, pinned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, remote
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import rare_classes
from tfpipeline.data.grouping import allocation, iterative
from tfpipeline.data.sampling import by_class
from tfpipeline.data.sources import class_map
from tfpipeline.data.sources.base import SPLITS, Source
from tfpipeline.data.sources.csv_file import read_table

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
    made here. Where the source has groups of its own, which may hold several classes,
    whole groups are allocated.
    """
    # Examples without a split have that of their group's others, else train.
    of_group: dict[str, str] = {}
    for name in SPLITS:
        of_group |= {g: n for g, n in zip(groups, source.split) if n == name}
    pairs = [(n or of_group.get(g, "train"), g) for n, g in zip(source.split, groups)]
    # Of each example the first one of its group within its split.
    first: dict[tuple[str, str], int] = {}
    leaders = np.array([first.setdefault(p, i) for i, p in enumerate(pairs)], np.int64)
    split = np.array([name for name, _ in pairs], dtype=object)
    fractions = {
        "test": 0.0 if "test" in source.split else test_fraction,
        "validation": 0.0 if "validation" in source.split else validation_fraction,
    }
    train = np.flatnonzero(split == "train")
    if source.group or source.target in (targets.MULTI, targets.NUMBER):
        _allocate(source, leaders, split, fractions, seed)
        return split
    small: dict[str, int] = {}
    for index, mine in enumerate(by_class(train, source.label, len(source.labels))):
        led, sizes = np.unique(leaders[mine], return_counts=True)
        # A group whose first example is of another class is divided with that.
        own = np.isin(led, mine)
        parts = _divide(led[own], sizes[own], fractions, [seed, index])
        if parts is None and source.target == targets.SOFT:
            continue  # All of it trains: it has shares of other images as well.
        if parts is None:
            small[source.labels[index]] = int(own.sum())
        for name, part in (parts or {}).items():
            split[part] = name
    if small:
        raise _too_few(source, groups, small, fractions)
    return split[leaders]


def _allocate(
    source: Source,
    leaders: np.ndarray,
    split: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
) -> None:
    """Take whole groups out of the training examples for the splits to be made."""
    train = np.flatnonzero(split == "train")
    shares = {name: share for name, share in fractions.items() if share > 0}
    rest = 1 - sum(shares.values())
    count = len(np.unique(leaders[train]))
    if shares and count <= len(shares):
        raise UserError(
            f"{source.name}: expected at least {len(shares) + 1} groups of "
            f"training images, one each for train and {' and '.join(shares)}. "
            f"Received: {count}, by --data.group_column, --data.group_from or copies. "
            f"Set {' or '.join(f'--data.{name}_fraction 0' for name in shares)}, or "
            "group by something finer."
        )
    names = np.array(["train", *shares], object)
    parts = [rest, *shares.values()]

    if source.target == targets.MULTI and source.values is not None:
        values = source.values[train]
        # Images without a label are as even as those of a class.
        both = np.column_stack([values, ~values.any(axis=1)])
        part = iterative.allocate(leaders[train], both, parts, seed)
    else:
        part = allocation.allocate(leaders[train], source.label[train], parts, seed)
        if source.target == targets.NUMBER:
            own = leaders[train], source.label[train]
            part = allocation.evened(part, *own, parts, seed)
    split[train] = names[part]


def _divide(
    mine: np.ndarray, sizes: np.ndarray, fractions: dict[str, float], seed: list[int]
) -> dict[str, np.ndarray] | None:
    """Draw each split's share out of one class; the rest is for train.

    Each split is filled, by images, with groups in a random order; one that does not
    fit any more is left to the next split, and the largest to train. None where there
    are too few of them.
    """
    total = int(sizes.sum())
    counts = {
        name: max(1, round(share * total)) if share > 0 else 0
        for name, share in fractions.items()
    }
    count = 1 + sum(count > 0 for count in counts.values())
    if len(mine) < count or sum(counts.values()) >= total:
        return None
    rest = list(np.random.default_rng(seed).permutation(len(mine)))
    parts = {}
    for name, count in counts.items():
        chosen = _fill(rest, sizes, count)
        taken = set(chosen)
        rest = [i for i in rest if i not in taken]
        parts[name] = mine[np.array(chosen, np.int64)]
    return parts


def _too_few(
    source: Source,
    groups: Sequence[str],
    small: Mapping[str, int],
    fractions: Mapping[str, float],
) -> UserError:
    """Return the error for classes that cannot be divided, by their images."""
    shares = {name: share for name, share in fractions.items() if share > 0}
    flags = [f"--data.{name}_fraction {share:g}" for name, share in shares.items()]
    classes = [f"{name!r} ({count})" for name, count in small.items()]
    counts = dict(zip(source.labels, rare_classes.counts(source, groups).tolist()))
    least = max(counts[name] for name in small) + 1
    advice = f"leave out every class that is as small: {rare_classes.FLAG} {least}"
    # Images of splits that the source has itself count there: it would drop more.
    if any(count < least for name, count in counts.items() if name not in small):
        (line,) = class_map.as_lines([(next(iter(small)), "")])
        advice = (
            f"leave them out: {class_map.FLAG} FILE with the header class,new and a "
            f"line for each, as in {line}"
        )
    others = f" and, by {' and '.join(flags)}, for {' and '.join(shares)}"
    there = {source.labels[label] for label in np.unique(source.label)}
    copied = [name for name, count in small.items() if name in there and not count]
    names = class_map.shorten(list(map(repr, copied)))
    why = f" Every image of {names} is a copy of one of another class."
    return UserError(
        f"{source.name}: expected enough different images of each class for train"
        f"{others if shares else ''}. Received too few of "
        f"{class_map.shorten(classes)}.{why if copied else ''} Add images, or {advice}."
    )


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
    path: Path,
    source: Source,
    split: np.ndarray,
    digests: Sequence[str],
    fold: np.ndarray | None = None,
) -> None:
    """Write the splits as a CSV that pins them, and that is a source itself.

    Where the examples have groups, weights or folds, there is a column `group`,
    `weight` or `fold`; the fold is empty where it is 0. Shares of the classes are in a
    column each.
    """
    files = [
        remote.shown(path) if remote.is_remote(path) else Path(path).absolute()
        for path in source.paths
    ]
    labels = [source.said(index) for index in range(len(source))]
    own: list[Any] = [source.ids, files, labels, split, digests]
    columns: dict[str, Any] = dict(zip(HEADER, own))
    if source.group:
        columns["group"] = source.group
    if source.weight:
        columns["weight"] = source.weight
    if source.target == targets.SOFT and source.values is not None:
        shares = source.values.T.tolist()
        columns |= {
            n: [f"{v:.9g}" for v in own] for n, own in zip(source.labels, shares)
        }
    if fold is not None:
        columns["fold"] = [number or "" for number in fold.tolist()]
    file_io.write_csv(path, tuple(columns), zip(*columns.values()))


def pin(
    source: Source, file: Path, relabelled: Mapping[str, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the examples and splits that an earlier `splits.csv` names.

    The file may be from before or after examples were `relabelled`, and classes joined,
    renamed or dropped.

    Returns:
        Indices of the examples that the file names, int64, and their splits, (k,).
    """
    flag, columns = "--data.splits", ("id", "label", "split")
    position = {identity: i for i, identity in enumerate(source.ids)}
    splits: dict[str, str] = {}
    rows = read_table(flag, file, columns, like="splits.csv")
    for line, row in file_io.numbered(rows):
        where, name = f"{file}: line {line}", row["id"]
        if name in source.dropped:
            continue
        if name not in position:
            raise UserError(
                f"{where}: {source.name} has no example {name!r}. The splits belong to "
                "another source, or the file is gone, or can no longer be read."
            )
        if name in splits:
            raise UserError(f"{flag} {file}: {name!r} is listed twice.")
        index = int(source.label[position[name]])
        known = {index, (relabelled or {}).get(name, index)}
        names = {source.labels[i] for i in known} if source.values is None else set()
        names.add(source.said(position[name]))
        # The file may be from before classes were renamed.
        if not names & {row["label"], source.class_map.now(row["label"])}:
            raise UserError(
                f"{where}: {name!r} is {row['label']!r} there, but "
                f"{source.said(position[name])!r} in {source.name}."
            )
        if row["split"] not in SPLITS:
            raise UserError(
                f"{where}: expected a split of {', '.join(SPLITS)}. Received: "
                f"{row['split']!r}."
            )
        splits[name] = row["split"]
    indices = np.array([position[name] for name in splits], np.int64)
    return indices, np.array(list(splits.values()), dtype=object)


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

    That is a `fraction` of them, and `most` where it is given; at least one stays. The
    same seed takes the same images, and more of them include the fewer ones.
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
