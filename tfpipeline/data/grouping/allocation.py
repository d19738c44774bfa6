"""Whole groups of examples divided among parts, each class by the same shares.

Imports no TensorFlow.
"""

from collections.abc import Sequence

import numpy as np

from tfpipeline.data.grouping.cells import Cells

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


def evened(
    part: np.ndarray,
    group: np.ndarray,
    label: np.ndarray,
    shares: Sequence[float],
    seed: int,
) -> np.ndarray:
    """Return parts whose sizes are nearly their shares.

    That is by less than one example, or by half a percent of all. What many small
    classes are rounded by may add up to more: then examples that are a group of their
    own move, out of the classes of which their part has most too many.

    Args:
        part: Of each example, as `allocate` returns it.
        group: Its group, shape (n,).
        label: Its class, int, shape (n,).
        shares: Of each part.
        seed: Which examples of a class move.
    """
    part = part.copy()
    if not len(part):
        return part
    _, code, sizes = np.unique(group, return_inverse=True, return_counts=True)
    alone = np.random.default_rng([seed, 7]).permutation(
        np.flatnonzero(sizes[code] == 1)
    )
    excess = -np.outer(shares, np.bincount(label)).astype(float)
    np.add.at(excess, (part, label), 1)
    least = max(1 - 1e-9, 0.005 * len(part))
    for _ in range(len(part)):
        off = excess.sum(axis=1)
        high, low = int(off.argmax()), int(off.argmin())
        able = alone[part[alone] == high]
        if max(off[high], -off[low]) < least or not len(able):
            break
        gain = (excess[high] - excess[low])[label[able]]
        moved = able[int(gain.argmax())]
        part[moved] = low
        excess[[high, low], label[moved]] += -1, 1
    return part


class _Table(Cells):
    """Examples of one class each."""

    def __init__(self, code: np.ndarray, label: np.ndarray, share: np.ndarray) -> None:
        classes = int(label.max()) + 1
        super().__init__(code, np.arange(len(label)), label, share, classes)

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
            part[group] = self.best(filled, group)
        self.move(part, filled, order, rng, _PASSES)
        self._deal(part, filled, rng)
        self.fill_gaps(part, filled)
        return part

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
