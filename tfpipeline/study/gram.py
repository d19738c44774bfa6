"""What linear classifiers need of any number of features: one pass, a block at a time.

The Gram matrix about the mean has width x width numbers, whatever the number of
examples: features may lie on disk and are never all in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np

# Float64 numbers that a block may have: 32 MiB.
CELLS = 2**22


class Rows(Protocol):
    """An array of features, or what reads some of them when it is indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Examples and width."""

    def __len__(self) -> int:
        """Return the number of examples."""

    @overload
    def __getitem__(self, chosen: slice, /) -> np.ndarray: ...

    @overload
    def __getitem__(self, chosen: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Linear:
    """A linear classifier from features to one score a class."""

    kernel: np.ndarray  # float64, shape (width, classes).
    bias: np.ndarray  # float64, shape (classes,).

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the scores of some features, shape (n, classes)."""
        return np.asarray(features, np.float64) @ self.kernel + self.bias


@dataclass(frozen=True)
class Gram:
    """Second moments of features, and their sums by class, about the mean; float64.

    Of values that are no single classes, a sum is that of x times the value about its
    mean, and `counts` are the sums of these.
    """

    mean: np.ndarray  # Shape (width,).
    matrix: np.ndarray  # The sum of x x', shape (width, width).
    sums: np.ndarray  # Of each class, shape (classes, width).
    counts: np.ndarray  # Examples of each class.

    @property
    def count(self) -> int:
        """The number of examples, each of one class."""
        return int(self.counts.sum())


def blocks(count: int, columns: int) -> Iterator[slice]:
    """Yield slices of so many rows; with so many columns each has `CELLS` numbers."""
    step = max(1, CELLS // max(1, columns))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def gather(features: Rows, label: Sequence[int] | np.ndarray, classes: int) -> Gram:
    """Return the moments of features, read once.

    Sums are taken about the mean of the first block, and moved to that of all at the
    end: features that lie far from 0 lose no digits.

    Args:
        features: Shape (n, width).
        label: From 0 to below `classes`, shape (n,).
        classes: How many there are; some may have no examples.
    """
    label, width = np.asarray(label), features.shape[1]
    matrix, sums = np.zeros((width, width)), np.zeros((classes, width))
    pivot = None
    for part in blocks(len(label), width):
        x = np.asarray(features[part], np.float64)
        pivot = x.mean(axis=0) if pivot is None else pivot
        x = x - pivot
        matrix += x.T @ x
        order = np.argsort(label[part], kind="stable")
        present, starts = np.unique(label[part][order], return_index=True)
        sums[present] += np.add.reduceat(x[order], starts)
    counts = np.bincount(label, minlength=classes)
    off = sums.sum(axis=0) / len(label)
    matrix -= len(label) * np.outer(off, off)
    sums -= counts[:, None] * off
    return Gram(off + (0 if pivot is None else pivot), matrix, sums, counts)


def gather_values(features: Rows, values: np.ndarray) -> Gram:
    """Return the moments of features whose examples have numbers, not a class.

    Sums are taken about the means of both: numbers that lie far from 0 lose no digits
    either.

    Args:
        features: Shape (n, width).
        values: Several labels as 0 and 1, or a number: shape (n, k).
    """
    width, centred = features.shape[1], np.asarray(values, np.float64)
    centred = centred - centred.mean(axis=0)
    matrix, total = np.zeros((width, width)), np.zeros(width)
    sums, pivot = np.zeros((centred.shape[1], width)), None
    for part in blocks(len(centred), width):
        x = np.asarray(features[part], np.float64)
        pivot = x.mean(axis=0) if pivot is None else pivot
        x = x - pivot
        matrix += x.T @ x
        sums += centred[part].T @ x
        total += x.sum(axis=0)
    off, counts = total / len(centred), centred.sum(axis=0)
    matrix -= len(centred) * np.outer(off, off)
    sums -= counts[:, None] * off
    return Gram(off + (0 if pivot is None else pivot), matrix, sums, counts)


def eigenvectors(matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what stands out from rounding in a Gram matrix, the largest last.

    `size` is the larger side of the features that it is of.
    """
    values, vectors = np.linalg.eigh(matrix)
    kept = values > max(float(values[-1]), 0.0) * size * np.finfo(float).eps
    return values[kept], vectors[:, kept]


def few(count: int, most: int) -> np.ndarray:
    """Return at most so many positions, the same ones each time, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(count).choice(count, most, replace=False))
