"""Which examples belong together: one patient's, one slide's, one video's, or copies.

Imports no TensorFlow.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources.base import Source

COLUMN, PATTERN = "--data.group_column", "--data.group_from"


def check(column: str | None, pattern: str | None) -> None:
    """Refuse a pattern that is none, and two ways at once."""
    if column is not None and pattern is not None:
        raise UserError(f"{COLUMN} and {PATTERN}: expected one of them. Leave one out.")
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"{PATTERN} {pattern!r}: expected a regular expression, but {error}."
            ) from None


def from_ids(ids: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Return the group that a pattern finds in each id, empty where it finds none.

    That is its first group in parentheses, or all that it matches.

    Raises:
        UserError: It matches none of them.
    """
    compiled = re.compile(pattern)
    found = [compiled.search(name.replace("\\", "/")) for name in ids]
    which = 1 if compiled.groups else 0
    names = tuple("" if match is None else match[which] or "" for match in found)
    if not any(names):
        raise UserError(
            f"{PATTERN} {pattern!r}: expected to find a group in paths like "
            f"{ids[0]!r}, but it matches none of the {len(ids)}. Write, for example, "
            r"'([^/_]+)_\d+\.\w+$' where what stands before the last _ is the group."
        )
    return names


def joined(*namings: Sequence[str]) -> list[str]:
    """Return one group for all that are together by any of several namings.

    Args:
        namings: The name of each example's group; an empty one is nobody else's.

    Returns:
        One name an example; those with one name are linked by a chain of groups.
    """
    count = len(namings[0])
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for names in namings:
        first: dict[str, int] = {}
        for i, name in enumerate(names):
            if name:
                a, b = root(i), root(first.setdefault(name, i))
                parent[max(a, b)] = min(a, b)
    return [f"group {root(i)}" for i in range(count)]


def balance(source: Source) -> tuple[float, str, str]:
    """Return how far a class's share of a split is from that of all classes there.

    Of several labels each is a class, and so is none.

    Returns:
        The largest difference, as a share of the class, in [0, 1]; the class; and the
        split. Examples without a split are left out.
    """
    names = sorted(set(source.split) - {""})
    if len(names) < 2:
        return 0.0, "", ""
    split, classes = np.array(source.split, object), len(source.strata)
    inside = [split == name for name in names]
    if source.target == targets.MULTI and source.values is not None:
        # All of its classes, and as the last one of the strata none of them.
        table = np.column_stack([source.values > 0, ~source.values.any(axis=1)])
        counts = np.array([table[there].sum(axis=0) for there in inside])
    else:
        own = [source.label[there] for there in inside]
        counts = np.array([np.bincount(label, minlength=classes) for label in own])
    totals, size = counts.sum(axis=0), np.sum(inside, axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    off = np.abs(shares - size / size.sum())
    off[:, totals == 0] = 0
    at, index = np.unravel_index(int(off.argmax()), off.shape)
    return float(off[at, index]), source.strata[index], names[at]


def cut(group: Sequence[str], split: Sequence[str]) -> list[tuple[int, int]]:
    """Return a pair of examples for each group that is in several splits."""
    first: dict[str, int] = {}
    pairs: dict[str, tuple[int, int]] = {}
    for i, (name, where) in enumerate(zip(group, split)):
        if name and where:
            if split[first.setdefault(name, i)] != where:
                pairs.setdefault(name, (first[name], i))
    return list(pairs.values())


def sizes(group: Sequence[str]) -> list[int]:
    """Return the number of examples of each group that has a name, ascending."""
    return sorted(Counter(name for name in group if name).values())
