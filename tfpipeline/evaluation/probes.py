"""Classifiers on features that need no training: least squares in closed form, k-NN."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What is added to the squares of the weights, in units of the features' mean square.
RIDGES = tuple(float(10.0**power) for power in np.arange(-5.0, 3.1, 0.5))

# Temperature of the votes of neighbours, as in arXiv:1805.01978.
VOTE_TEMPERATURE = 0.07


@dataclass(frozen=True)
class Probe:
    """A linear classifier from features to one score a class.

    Args:
        kernel: float64, shape (width, classes).
        bias: float64, shape (classes,).
        ridge: What was chosen, in the units of `RIDGES`.
        errors: Leave-one-out mean squared error of each ridge that was tried.
    """

    kernel: np.ndarray
    bias: np.ndarray
    ridge: float
    errors: tuple[float, ...]

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return a score a class; the largest is the answer.

        Args:
            features: Shape (n, width).

        Returns:
            float64, shape (n, classes): estimates of the one-hot targets.
        """
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
    of the two Gram matrices, in float64.

    Args:
        features: Of the training examples, shape (n, width), n at least 2.
        label: Index of the class of each, shape (n,).
        classes: Number of classes.
        ridges: To choose from, all positive; multiplied by the mean square length of
            the centred features they are what is added to the diagonal.

    Returns:
        The probe.

    Source: leave-one-out by the hat matrix, Allen, Technometrics 16 (1974), PRESS;
        least squares as a classifier, Rifkin et al. (2003).
    """
    x = np.asarray(features, np.float64)
    mean, count = x.mean(axis=0), len(x)
    x = x - mean
    targets = np.eye(classes)[np.asarray(label)]
    shares = targets.mean(axis=0)
    unit = float((x * x).sum()) / count or 1.0
    left, squares, right = _decompose(x)
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


def _decompose(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    asked: np.ndarray,
    classes: int,
    count: int,
) -> np.ndarray:
    """Return the votes of the nearest training examples, by the cosine.

    Args:
        features: Of the training examples, shape (n, width).
        label: Index of the class of each, shape (n,).
        asked: Features that are asked about, shape (m, width).
        classes: Number of classes.
        count: Neighbours that vote; all examples where there are fewer.

    Returns:
        float64, shape (m, classes): a nearer neighbour has the larger vote.

    Source: weighted k-NN, Wu et al., arXiv:1805.01978.
    """
    alike = _directions(asked) @ _directions(features).T
    count = min(count, len(features))
    # Of equally near ones the first, so that the answer does not depend on a sort.
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :count]
    likeness = np.take_along_axis(alike, nearest, axis=1)
    votes = np.exp((likeness - likeness[:, :1]) / VOTE_TEMPERATURE)
    found = np.zeros((len(alike), classes))
    rows = np.repeat(np.arange(len(alike)), count)
    np.add.at(found, (rows, np.asarray(label)[nearest].ravel()), votes.ravel())
    return found


def _directions(features: np.ndarray) -> np.ndarray:
    rows = np.asarray(features, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def accuracy(scores: np.ndarray, label: np.ndarray) -> float:
    """Return the share of right answers; NaN without examples.

    Args:
        scores: Shape (n, classes).
        label: Index of the true class, shape (n,).
    """
    if not len(label):
        return float("nan")
    return float((np.argmax(scores, axis=1) == label).mean())
