"""How many examples of each class each group has, and how far parts miss their shares.

Imports no TensorFlow.
"""

import numpy as np


class Cells:
    """Counts of groups and classes: a cell a place of the arrays, by group.

    Args:
        code: Number of the group of each example, from 0 without gaps, shape (n,).
        example: Position of an example, once for each class that it has, shape (m,).
        label: Index of that class, shape (m,).
        share: Of each part, float, shape (parts,).
        classes: How many there are.
    """

    def __init__(
        self,
        code: np.ndarray,
        example: np.ndarray,
        label: np.ndarray,
        share: np.ndarray,
        classes: int,
    ) -> None:
        keys = code[example] * classes + label
        cells, self.count = np.unique(keys, return_counts=True)
        self.row, self.column = cells // classes, cells % classes
        self.size = np.bincount(code)
        self.start = np.searchsorted(self.row, np.arange(len(self.size) + 1))
        # Behind the cells of each group stands one of all of its examples.
        self._columns = np.insert(self.column, self.start[1:], classes)
        self._counts = np.insert(self.count, self.start[1:], self.size)
        self._start = (self.start + np.arange(len(self.start))).tolist()
        self.share, self.classes = share, classes
        # The last column is that of all examples together: parts have a size as well.
        totals = np.append(np.bincount(label, minlength=classes), len(code))
        self.wanted = np.outer(share, totals)
        self.scale = 1 / np.outer(share, np.square(np.maximum(totals, 1.0)))

    def cell(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of a group, that of all examples last, and its counts."""
        own = slice(self._start[group], self._start[group + 1])
        return self._columns[own], self._counts[own]

    def filled(self, part: np.ndarray) -> np.ndarray:
        """Return how many examples of each class are in each part, and in all."""
        filled = np.zeros(self.wanted.shape)
        np.add.at(filled, (part[self.row], self.column), self.count)
        np.add.at(filled[:, -1], part, self.size)
        return filled

    def deviation(self, part: np.ndarray) -> float:
        """Return by how much the classes of all parts miss their shares."""
        missed = self.filled(part) - self.wanted
        return float((self.scale * missed * missed).sum())

    def best(self, filled: np.ndarray, group: int) -> int:
        """Put a group where it adds the least deviation; return that part."""
        columns, counts = self.cell(group)
        missed = 2 * (filled[:, columns] - self.wanted[:, columns]) + counts
        best = int((self.scale[:, columns] * counts * missed).sum(axis=1).argmin())
        filled[best, columns] += counts
        return best

    def move(
        self,
        part: np.ndarray,
        filled: np.ndarray,
        order: np.ndarray,
        rng: np.random.Generator,
        passes: int,
    ) -> None:
        """Move the groups of `order`, one by one, while that lowers the deviation."""
        for _ in range(passes):
            before = part.copy()
            for group in rng.permutation(order):
                columns, counts = self.cell(group)
                filled[part[group], columns] -= counts
                part[group] = self.best(filled, group)
            if np.array_equal(part, before):
                break

    def fill_gaps(self, part: np.ndarray, filled: np.ndarray) -> None:
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
