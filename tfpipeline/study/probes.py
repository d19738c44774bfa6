"""Classifiers on features that need no training: least squares in closed form, k-NN."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tfpipeline.study.gram import (
    CELLS,
    Gram,
    Linear,
    Rows,
    blocks,
    eigenvectors,
    few,
    gather,
)

# What is added to the squares of the weights, in units of the features' mean square.
RIDGES = tuple(float(10.0**power) for power in np.arange(-5.0, 3.1, 0.5))

# Temperature of the votes of neighbours, as in arXiv:1805.01978.
VOTE_TEMPERATURE = 0.07

# Training examples that neighbours are looked for among at a time, and numbers that a
# block of likenesses may have.
_BLOCK, _CELLS = 2048, CELLS


# Training examples that the ridge is chosen by, each left out in turn.
LEFT_OUT = 8192


@dataclass(frozen=True)
class Probe(Linear):
    """A regularised least-squares fit; its scores estimate the one-hot targets."""

    ridge: float  # What was chosen, in the units of `RIDGES`.
    errors: tuple[float, ...]  # Leave-one-out mean squared error of each ridge.


def fit_probe(
    features: Rows,
    label: np.ndarray,
    classes: int,
    ridges: Sequence[float] = RIDGES,
    gram: Gram | None = None,
) -> Probe:
    """Return the regularised least-squares fit to one-hot targets.

    The bias is not regularised. The ridge is the one with the least exact
    leave-one-out error over the examples, or over `LEFT_OUT` of them that are drawn
    where there are more; all examples are fitted. Every ridge comes out of one
    eigendecomposition of the smaller of the two Gram matrices, in float64. Times the
    mean square length of the centred features it is what is added to the diagonal.

    Args:
        features: Shape (n, width), in memory or read block by block.
        label: From 0 to below `classes`, shape (n,).
        classes: How many there are.
        ridges: To choose from.
        gram: Of these features, where it is known.

    Source: leave-one-out by the hat matrix, Allen, Technometrics 16 (1974), PRESS;
        least squares as a classifier, Rifkin et al. (2003).
    """
    label, count = np.asarray(label), len(features)
    gram = gram or gather(features, label, classes)
    shares = gram.counts / count
    unit = float(np.trace(gram.matrix)) / count or 1.0
    if count > features.shape[1]:
        squares, right = eigenvectors(gram.matrix, count)
    else:
        _, squares, right = decompose(np.asarray(features[:], np.float64) - gram.mean)
    roots = np.sqrt(squares)
    turned = right.T @ gram.sums.T / roots[:, None]
    errors = np.zeros(len(ridges))
    chosen = few(count, LEFT_OUT)
    for part in blocks(len(chosen), max(classes, features.shape[1])):
        rows = np.asarray(features[chosen[part]], np.float64) - gram.mean
        left = rows @ right / roots
        targets = np.eye(classes)[label[chosen[part]]] - shares
        for number, ridge in enumerate(ridges):
            shrink = squares / (squares + ridge * unit)
            # The diagonal of the hat matrix; 1 / n of it is the bias.
            leverage = 1 / count + (left * left) @ shrink
            rest = targets - left @ (shrink[:, None] * turned)
            rest /= np.maximum(1 - leverage, 1e-12)[:, None]
            errors[number] += float((rest * rest).sum()) / len(chosen)
    best = ridges[int(np.argmin(errors))]
    kernel = right @ ((roots / (squares + best * unit))[:, None] * turned)
    return Probe(kernel, shares - gram.mean @ kernel, best, tuple(errors.tolist()))


def decompose(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, the squares of S, and V of x = U S V', by the Gram matrix of its rows.

    What is below float64's precision of the largest is left out.
    """
    values, vectors = eigenvectors(x @ x.T, max(x.shape))
    return vectors, values, x.T @ vectors / np.sqrt(values)


def neighbours(
    features: Rows,
    label: np.ndarray,
    queries: Rows,
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
    features: Rows, queries: np.ndarray, count: int
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


def accuracy(
    answer: Callable[[np.ndarray], np.ndarray],
    features: Rows,
    label: np.ndarray,
    columns: int,
) -> float:
    """Return the share of right answers, a block of examples at a time.

    Args:
        answer: From features to scores, shape (n, classes).
        features: Shape (n, width), in memory or read block by block.
        label: Of each example.
        columns: How many numbers an example's answer takes.
    """
    right = np.zeros(len(label), bool)
    for part in blocks(len(label), max(columns, features.shape[1])):
        right[part] = answer(features[part]).argmax(axis=1) == label[part]
    return share(right)


def share(right: np.ndarray) -> float:
    """Return the share of right answers; NaN without examples."""
    return float(right.mean()) if len(right) else float("nan")
