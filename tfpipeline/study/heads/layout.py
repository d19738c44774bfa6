"""Where each head of a search stands in the arrays that all of them share."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfpipeline.study.heads.space import Head


class Layout:
    """Groups of heads with the same dropout; in a group the linear ones come first.

    Args:
        heads: What is trained together.
        classes: Number of logits.
    """

    def __init__(self, heads: Sequence[Head], classes: int) -> None:
        self.heads, self.classes = tuple(heads), classes
        self.units = max(head.hidden for head in heads)
        self.dropout = np.array(
            list(dict.fromkeys(head.dropout for head in heads)), np.float32
        )
        # The number of the head at each place of each group; -1 where there is none.
        self.linear, self.deep = self._table(False), self._table(True)
        self.groups, self.flat = self.linear.shape
        self.hidden = self.deep.shape[1]
        self.rows = [classes * self.flat, self.hidden * self.units]

    def _table(self, deep: bool) -> np.ndarray:
        found = [
            [
                number
                for number, head in enumerate(self.heads)
                if np.float32(head.dropout) == rate and bool(head.hidden) == deep
            ]
            for rate in self.dropout
        ]
        most = max(map(len, found))
        return np.array([row + [-1] * (most - len(row)) for row in found], int)

    @staticmethod
    def places(table: np.ndarray) -> Iterator[tuple[tuple[int, int], int]]:
        """Yield group and place of each head, and its number.

        Args:
            table: `linear` or `deep`.
        """
        for group, place in np.argwhere(table >= 0):
            yield (int(group), int(place)), int(table[group, place])

    def each(self, table: np.ndarray, *names: str) -> np.ndarray:
        """Return the product of some numbers of each head.

        Args:
            table: `linear` or `deep`.
            names: Fields of a head.

        Returns:
            float32, shape (groups, heads, 1, 1), 0 where there is no head.
        """
        found = np.zeros(table.shape, np.float32)
        for place, number in self.places(table):
            found[place] = np.prod([getattr(self.heads[number], n) for n in names])
        return found[:, :, None, None]

    def each_row(self, *names: str) -> np.ndarray:
        """Return the same for each row of the first layers, shape (groups, rows, 1).

        Args:
            names: Fields of a head.
        """
        flat, deep = (
            self.each(table, *names)[:, :, :, 0] for table in (self.linear, self.deep)
        )
        parts = [np.tile(flat, (1, self.classes, 1)), np.repeat(deep, self.units, 1)]
        return np.concatenate(parts, axis=1)

    def by_head(self, logits: Sequence[Any]) -> np.ndarray:
        """Return logits in the order of the heads, shape (heads, n, classes).

        Args:
            logits: Of linear heads, shape (groups, classes, heads, n), and of the
                others, shape (groups, heads, classes, n), where there are any.
        """
        first, *others = (np.asarray(part) for part in logits)
        found: list[Any] = [None] * len(self.heads)
        arrays = (first.swapaxes(1, 2), *others)
        for table, array in zip((self.linear, self.deep), arrays):
            for place, number in self.places(table):
                found[number] = array[place].T
        return np.stack(found)
