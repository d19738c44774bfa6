"""Classifiers on features that need no training: least squares in closed form, k-NN."""

from collections.abc import Callable, Iterator, Sequence
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
    gather_values,
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
    label = np.asarray(label)
    gram = gram or gather(features, label, classes)
    shares = gram.counts / len(features)

    def targets(rows: np.ndarray) -> np.ndarray:
        return np.eye(classes)[label[rows]] - shares

    return _fit(features, targets, shares, ridges, gram)


def fit_values(
    features: Rows,
    values: np.ndarray,
    ridges: Sequence[float] = RIDGES,
    gram: Gram | None = None,
) -> Probe:
    """Return the regularised least-squares fit to several labels, or to a number.

    One ridge is chosen for all labels, as for the classes of `fit_probe`: one-hot rows
    give the same fit.

    Args:
        features: As for `fit_probe`.
        values: Several labels as 0 and 1, or a number: shape (n, k).
        ridges: To choose from.
        gram: Of these features and values, where it is known.
    """
    values = np.asarray(values, np.float64)
    mean = values.mean(axis=0)
    gram = gram or gather_values(features, values)
    return _fit(features, lambda rows: values[rows] - mean, mean, ridges, gram)


def _fit(
    features: Rows,
    targets: Callable[[np.ndarray], np.ndarray],
    mean: np.ndarray,
    ridges: Sequence[float],
    gram: Gram,
) -> Probe:
    """Return the fit to what `targets` gives for some rows, about its mean."""
    count, outputs = len(features), len(mean)
    unit = float(np.trace(gram.matrix)) / count or 1.0
    if count > features.shape[1]:
        squares, right = eigenvectors(gram.matrix, count)
    else:
        _, squares, right = decompose(np.asarray(features[:], np.float64) - gram.mean)
    roots = np.sqrt(squares)
    turned = right.T @ gram.sums.T / roots[:, None]
    errors = np.zeros(len(ridges))
    chosen = few(count, LEFT_OUT)
    for part in blocks(len(chosen), max(outputs, features.shape[1])):
        rows = np.asarray(features[chosen[part]], np.float64) - gram.mean
        left = rows @ right / roots
        wanted = targets(chosen[part])
        for number, ridge in enumerate(ridges):
            shrink = squares / (squares + ridge * unit)
            # The diagonal of the hat matrix; 1 / n of it is the bias.
            leverage = 1 / count + (left * left) @ shrink
            rest = wanted - left @ (shrink[:, None] * turned)
            rest /= np.maximum(1 - leverage, 1e-12)[:, None]
            errors[number] += float((rest * rest).sum()) / len(chosen)
    best = ridges[int(np.argmin(errors))]
    kernel = right @ ((roots / (squares + best * unit))[:, None] * turned)
    return Probe(kernel, mean - gram.mean @ kernel, best, tuple(errors.tolist()))


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
    label = np.asarray(label)
    totals = np.zeros((len(queries), classes))
    for part, votes, nearest in _votes(features, queries, count):
        rows = np.repeat(np.arange(len(votes)), votes.shape[1])
        np.add.at(totals[part], (rows, label[nearest].ravel()), votes.ravel())
    return totals


def neighbour_means(
    features: Rows, values: np.ndarray, queries: Rows, count: int
) -> np.ndarray:
    """Return the mean of the nearest training examples' values, by their votes.

    Of several labels it is the share of the votes that each has. Near is as for
    `neighbours`.

    Args:
        features: Shape (n, width), in memory or read block by block.
        values: Several labels as 0 and 1, or a number: shape (n, k).
        queries: Shape (queries, width).
        count: Of the neighbours.

    Returns:
        float64, shape (queries, k).
    """
    values = np.asarray(values, np.float64)
    means = np.zeros((len(queries), values.shape[1]))
    for part, votes, nearest in _votes(features, queries, count):
        votes = votes / votes.sum(axis=1, keepdims=True)
        # One neighbour at a time: all at once, many labels would take much memory.
        for rank in range(votes.shape[1]):
            means[part] += votes[:, rank, None] * values[nearest[:, rank]]
    return means


def _votes(
    features: Rows, queries: Rows, count: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield blocks of queries: which, the votes of the nearest, and who these are."""
    count = min(count, len(features))
    most = max(1, _CELLS // (_BLOCK + count))
    for start in range(0, len(queries), most):
        part = slice(start, start + most)
        likeness, nearest = _nearest(features, _directions(queries[part]), count)
        yield part, np.exp((likeness - likeness[:, :1]) / VOTE_TEMPERATURE), nearest


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


def answers(
    answer: Callable[[np.ndarray], np.ndarray], features: Rows, columns: int
) -> np.ndarray:
    """Return the answers for all examples, a block at a time: float64, (n, columns).

    Args:
        answer: From features to answers, shape (n, columns).
        features: Shape (n, width), in memory or read block by block.
        columns: How many numbers an example's answer has.
    """
    found = np.zeros((len(features), columns))
    for part in blocks(len(features), max(columns, features.shape[1])):
        found[part] = answer(features[part])
    return found
