"""Classifiers on features that need no training: least squares in closed form, k-NN."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What is added to the squares of the weights, in units of the features' mean square.
RIDGES = tuple(float(10.0**power) for power in np.arange(-5.0, 3.1, 0.5))

# Temperature of the votes of neighbours, as in arXiv:1805.01978.
VOTE_TEMPERATURE = 0.07

# Training examples that neighbours are looked for among at a time, and numbers that a
# block of likenesses may have: 32 MiB in float64.
_BLOCK, _CELLS = 2048, 2**22


@dataclass(frozen=True)
class Probe:
    """A linear classifier from features to one score a class."""

    kernel: np.ndarray  # float64, shape (width, classes).
    bias: np.ndarray  # float64, shape (classes,).
    ridge: float  # What was chosen, in the units of `RIDGES`.
    errors: tuple[float, ...]  # Leave-one-out mean squared error of each ridge.

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return estimates of the one-hot targets, shape (n, classes)."""
        return np.asarray(features, np.float64) @ self.kernel + self.bias


def fit_probe(
    features: np.ndarray,
    label: np.ndarray,
    classes: int,
    ridges: Sequence[float] = RIDGES,
) -> Probe:
    """Return the regularised least-squares fit to one-hot targets.

    The bias is not regularised. The ridge is the one with the least exact
    leave-one-out error; every ridge comes out of one eigendecomposition of the smaller
    of the two Gram matrices, in float64. Times the mean square length of the centred
    features it is what is added to the diagonal.

    Source: leave-one-out by the hat matrix, Allen, Technometrics 16 (1974), PRESS;
        least squares as a classifier, Rifkin et al. (2003).
    """
    x = np.asarray(features, np.float64)
    mean, count = x.mean(axis=0), len(x)
    x = x - mean
    targets = np.eye(classes)[np.asarray(label)]
    shares = targets.mean(axis=0)
    unit = float((x * x).sum()) / count or 1.0
    left, squares, right = decompose(x)
    turned = left.T @ (targets - shares)
    errors = []
    for ridge in ridges:
        shrink = squares / (squares + ridge * unit)
        # The diagonal of the hat matrix; 1 / n of it is the bias.
        leverage = 1 / count + (left * left) @ shrink
        rest = targets - shares - left @ (shrink[:, None] * turned)
        rest = rest / np.maximum(1 - leverage, 1e-12)[:, None]
        errors.append(float((rest * rest).sum(axis=1).mean()))
    best = ridges[int(np.argmin(errors))]
    scale = np.sqrt(squares) / (squares + best * unit)
    kernel = right @ (scale[:, None] * turned)
    return Probe(kernel, shares - mean @ kernel, best, tuple(errors))


def decompose(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, the squares of S, and V of x = U S V', by the smaller Gram matrix.

    What is below float64's precision of the largest is left out.
    """
    tall = len(x) > x.shape[1]
    values, vectors = np.linalg.eigh(x.T @ x if tall else x @ x.T)
    kept = values > max(float(values[-1]), 0.0) * max(x.shape) * np.finfo(float).eps
    values, vectors = values[kept], vectors[:, kept]
    roots = np.sqrt(values)
    other = (x @ vectors if tall else x.T @ vectors) / roots
    return (other, values, vectors) if tall else (vectors, values, other)


def neighbours(
    features: np.ndarray,
    label: np.ndarray,
    queries: np.ndarray,
    classes: int,
    count: int,
) -> np.ndarray:
    """Return the votes of the nearest training examples, shape (queries, classes).

    Near is by the cosine, and a nearer neighbour has the larger vote. Blocks of both
    sides are compared at a time: memory does not grow with their product. Of equally
    near ones the first votes, whatever the blocks are.

    Source: weighted k-NN, Wu et al., arXiv:1805.01978.
    """
    label, count = np.asarray(label), min(count, len(features))
    totals = np.zeros((len(queries), classes))
    most = max(1, _CELLS // (_BLOCK + count))
    for start in range(0, len(queries), most):
        part = slice(start, start + most)
        likeness, nearest = _nearest(features, _directions(queries[part]), count)
        votes = np.exp((likeness - likeness[:, :1]) / VOTE_TEMPERATURE)
        rows = np.repeat(np.arange(len(votes)), count)
        np.add.at(totals[part], (rows, label[nearest].ravel()), votes.ravel())
    return totals


def _nearest(
    features: np.ndarray, queries: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines and indices of the nearest, the nearest and first ones first.

    A matrix product rounds by the place in its matrix: equal rows may differ in the
    last bits. So it only finds who may be among the nearest; those are multiplied one
    by one, each the same wherever it stands.
    """
    likeness = np.full((len(queries), count), -np.inf)
    nearest = np.zeros((len(queries), count), int)
    slack = 4 * np.finfo(float).eps * (features.shape[1] + 8)
    for start in range(0, len(features), _BLOCK):
        block = _directions(features[start : start + _BLOCK])
        rough = queries @ block.T
        able = min(count, len(block))
        least = np.partition(rough, -able, axis=1)[:, -able]
        # What is as near as the last one so far comes after it.
        least = np.maximum(least, likeness[:, -1]) - slack
        rows, columns = np.nonzero(rough >= least[:, None])
        exact = _products(queries, block, rows, columns)
        rows = np.r_[np.repeat(np.arange(len(queries)), count), rows]
        exact = np.r_[likeness.ravel(), exact]
        index = np.r_[nearest.ravel(), start + columns]
        # Sorted stably, and what was found before stands first.
        order = np.lexsort((-exact, rows))
        firsts = np.searchsorted(rows[order], np.arange(len(queries)))
        chosen = order[firsts[:, None] + np.arange(count)]
        likeness, nearest = exact[chosen], index[chosen]
    return likeness, nearest


def _products(
    x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return the scalar products of some pairs of rows."""
    out = np.empty(len(rows))
    step = max(1, _CELLS // (4 * x.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        out[part] = (x[rows[part]] * y[columns[part]]).sum(axis=1)
    return out


def _directions(features: np.ndarray) -> np.ndarray:
    rows = np.asarray(features, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def accuracy(scores: np.ndarray, label: np.ndarray) -> float:
    """Return the share of right answers; NaN without examples."""
    right = np.argmax(scores, axis=1) == label
    return float(right.mean()) if len(label) else float("nan")
