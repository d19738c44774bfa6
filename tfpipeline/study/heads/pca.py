"""Principal axes of features, which heads are searched on."""

from dataclasses import dataclass

import numpy as np

from tfpipeline.study.gram import Gram, Rows, eigenvectors, gather

# Training examples for each axis that is kept, and axes that are kept in any case.
_EXAMPLES, _LEAST = 8, 128


@dataclass(frozen=True)
class Axes:
    """A change of coordinates from features to their principal axes."""

    mean: np.ndarray  # Of the training features, float64.
    basis: np.ndarray  # An axis a column; those that the features do not have are 0.
    scale: float  # That the new coordinates are divided by.

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return features in the new coordinates, float32, shape (n, count)."""
        centred = np.asarray(features, np.float64) - self.mean
        return (centred @ self.basis / self.scale).astype(np.float32)


def count_for(examples: int, width: int) -> int:
    """Return how many axes so many training examples distinguish from noise."""
    return min(width, max(_LEAST, examples // _EXAMPLES))


def fit(features: Rows, count: int, gram: Gram | None = None) -> Axes:
    """Return the principal axes of training features, the longest first.

    Args:
        features: Shape (n, width), in memory or read block by block.
        count: Of the axes.
        gram: Of these features, where it is known.

    Source: a diagonal step such as Adam's fits these coordinates best, Vyas et al.
        (SOAP), arXiv:2409.11321.
    """
    if tall := len(features) > features.shape[1]:
        gram = gram or gather(features, np.zeros(len(features), int), 1)
        mean, matrix = gram.mean, gram.matrix
    else:
        x = np.asarray(features[:], np.float64)
        mean = x.mean(axis=0)
        x = x - mean
        matrix = x @ x.T
    squares, vectors = eigenvectors(matrix, max(features.shape))
    squares, vectors = squares[::-1][:count], vectors[:, ::-1][:, :count]
    basis = vectors if tall else x.T @ vectors / np.sqrt(squares)
    unit = float(np.sqrt(squares.sum() / (len(features) * count))) or 1.0
    unused = count - basis.shape[1]
    # The signs are an accident of the solver: the largest entry is positive.
    signs = np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
    return Axes(mean, np.pad(basis * signs, ((0, 0), (0, unused))), unit)
