"""Whole groups of examples divided among parts, each class by the same shares.

Imports no TensorFlow.
"""

from collections.abc import Sequence

import numpy as np

# Passes in which single groups move to a better part, and orders that are tried.
_PASSES, _ORDERS = 10, 16

# With more cells of groups and classes, one order is tried.
_MANY = 20_000


def allocate(
    group: np.ndarray, label: np.ndarray, shares: Sequence[float], seed: int
) -> np.ndarray:
    """Return the part of each example; no group is in two parts.

    Groups are placed one after the other, the largest first, each where the classes
    then deviate least from the shares; then single groups move while that lowers the
    deviation. Examples that are a group of their own are dealt last, class by class,
    and even out what is left. Of several random orders the best is kept.

    Args:
        group: The group of each example, int64 or text, shape (n,).
        label: Index of its class, int, shape (n,).
        shares: Of each part, positive, with the sum 1. The first part has examples of
            every class; the others have where there are enough groups.
        seed: Of the orders.

    Returns:
        The index of a part, int64, shape (n,).

    Source: the greedy rule is that of scikit-learn's StratifiedGroupKFold; moves and
        dealing are added.
    """
    if not len(group):
        return np.zeros(0, np.int64)
    _, code = np.unique(group, return_inverse=True)
    table = _Table(code, np.asarray(label, np.int64), np.asarray(shares, float))
    tries = 1 if len(table.column) > _MANY else _ORDERS
    rngs = [np.random.default_rng([seed, 2, k]) for k in range(tries)]
    placed = [table.place(rng, 0.5 * (k > 0)) for k, rng in enumerate(rngs)]
    return min(placed, key=table.deviation)[code]


class _Table:
    """How many examples of each class each group has: a cell a place of the arrays."""

    def __init__(self, code: np.ndarray, label: np.ndarray, share: np.ndarray) -> None:
        classes = int(label.max()) + 1
        cells, self.count = np.unique(code * classes + label, return_counts=True)
        self.row, self.column = cells // classes, cells % classes
        self.size = np.bincount(code)
        self.start = np.searchsorted(self.row, np.arange(len(self.size) + 1))
        self.share, self.classes = share, classes
        # The last column is that of all classes together: parts have a size as well.
        totals = np.append(np.bincount(label, minlength=classes), len(label))
        self.wanted = np.outer(share, totals)
        self.scale = 1 / np.outer(share, np.square(np.maximum(totals, 1.0)))

    def cell(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of a group, that of all classes last, and its counts."""
        own = slice(self.start[group], self.start[group + 1])
        columns = np.append(self.column[own], self.classes)
        return columns, np.append(self.count[own], self.size[group])

    def filled(self, part: np.ndarray) -> np.ndarray:
        """Return how many examples of each class are in each part, and in all."""
        filled = np.zeros(self.wanted.shape)
        np.add.at(filled, (part[self.row], self.column), self.count)
        filled[:, -1] = filled[:, :-1].sum(axis=1)
        return filled

    def deviation(self, part: np.ndarray) -> float:
        """Return by how much the classes of all parts miss their shares."""
        missed = self.filled(part) - self.wanted
        return float((self.scale * missed * missed).sum())

    def place(self, rng: np.random.Generator, mixed: float = 0.0) -> np.ndarray:
        """Return the part of each group, for one random order.

        The larger first; the more `mixed`, in [0, 1], the less strictly so.
        """
        part = np.zeros(len(self.size), np.int64)
        filled = np.zeros(self.wanted.shape)
        order = rng.permutation(np.flatnonzero(self.size > 1))
        drawn = self.size[order] * rng.uniform(1 - mixed, 1, len(order))
        order = order[np.argsort(-drawn, kind="stable")]
        for group in order:
            part[group] = self._best(filled, group)
        for _ in range(_PASSES):
            before = part.copy()
            for group in rng.permutation(order):
                columns, counts = self.cell(group)
                filled[part[group], columns] -= counts
                part[group] = self._best(filled, group)
            if np.array_equal(part, before):
                break
        self._deal(part, filled, rng)
        self._fill_gaps(part, filled)
        return part

    def _best(self, filled: np.ndarray, group: int) -> int:
        """Put a group where it adds the least deviation; return that part."""
        columns, counts = self.cell(group)
        missed = 2 * (filled[:, columns] - self.wanted[:, columns]) + counts
        best = int((self.scale[:, columns] * counts * missed).sum(axis=1).argmin())
        filled[best, columns] += counts
        return best

    def _deal(
        self, part: np.ndarray, filled: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Deal out single examples, each class to the parts that lack it most."""
        single = rng.permutation(np.flatnonzero(self.size == 1))
        column = self.column[self.start[single]]
        for index in range(self.classes):
            mine = single[column == index]
            lack = np.clip(self.wanted[:, index] - filled[:, index], 0, None)
            lack = lack if lack.sum() > 0 else self.share
            exact = lack * (len(mine) / lack.sum())
            counts = np.floor(exact + 1e-9).astype(int)
            excess = filled[:, -1] - self.wanted[:, -1] + counts
            first = np.lexsort((excess, -np.round(exact - counts, 9)))
            counts[first[: len(mine) - counts.sum()]] += 1
            part[mine] = np.repeat(np.arange(len(counts)), counts)
            filled[:, index] += counts
            filled[:, -1] += counts

    def _fill_gaps(self, part: np.ndarray, filled: np.ndarray) -> None:
        """Move a group to each part that lacks a class, where another one has two."""
        gaps = np.argwhere((filled == 0) & (self.wanted > 0))
        for to, index in gaps[:, :2].tolist():
            if filled[to, index]:
                continue
            able = self.row[self.column == index]
            able = able[np.argsort(self.size[able], kind="stable")]
            for group in able.tolist():
                columns, counts = self.cell(group)
                left = filled[part[group], columns] - counts
                # Nothing is taken that would leave a gap elsewhere, but for the first.
                if to == 0 or (left > 0).all():
                    filled[part[group], columns] -= counts
                    filled[to, columns] += counts
                    part[group] = to
                    break
