"""Linear discriminant analysis, from the moments of features."""

import numpy as np

from tfpipeline.study.gram import Gram, Linear, Rows, blocks, few

# Examples that the shrinkage is estimated from.
EXAMPLES = 8192


def fit_lda(
    features: Rows, label: np.ndarray, gram: Gram, shrinkage: float | None = None
) -> Linear:
    """Return the classifier that is right if all classes are Gaussians of one shape.

    Scores are log probabilities but for what all classes share. The covariance within
    classes is shrunk towards a multiple of the identity.

    Args:
        features: Shape (n, width), in memory or read block by block.
        label: Of each example.
        gram: Of these features.
        shrinkage: From 0, the covariance as it is, to 1, a sphere; None estimates what
            comes nearest to the true covariance.

    Source: Fisher (1936); shrinkage by Ledoit and Wolf, J. Multivariate Analysis 88
        (2004).
    """
    present = gram.counts > 0
    means = gram.sums / np.maximum(gram.counts, 1)[:, None]
    within = gram.matrix - (gram.counts[:, None] * means).T @ means
    width, count = len(within), gram.count
    within /= count
    unit = float(np.trace(within)) / width
    total = float(np.trace(gram.matrix)) / (width * count)
    if unit <= total * np.finfo(float).eps * count:
        # One example a class, or equal ones: the nearest mean answers.
        within, unit, shrinkage = np.zeros_like(within), total or 1.0, 1.0
    if shrinkage is None:
        shrinkage = _shrinkage(features, np.asarray(label), gram.mean, means, within)
    within *= 1 - shrinkage
    within.flat[:: width + 1] += shrinkage * unit
    kernel = np.linalg.solve(within, means.T)
    with np.errstate(divide="ignore"):
        bias = np.log(gram.counts / count) - 0.5 * (kernel.T * means).sum(axis=1)
    bias = np.where(present, bias - gram.mean @ kernel, -np.inf)
    return Linear(kernel, bias)


def _shrinkage(
    features: Rows,
    label: np.ndarray,
    mean: np.ndarray,
    means: np.ndarray,
    within: np.ndarray,
) -> float:
    """Return the share of the sphere that minimises the expected squared error."""
    chosen = few(len(features), EXAMPLES)
    fourth, width = 0.0, len(mean)
    for part in blocks(len(chosen), width):
        rows = np.asarray(features[chosen[part]], np.float64) - mean
        rows -= means[label[chosen[part]]]
        fourth += float((np.square(rows).sum(axis=1) ** 2).sum()) / len(chosen)
    unit = float(np.trace(within)) / width
    squares = float(np.square(within).sum())
    error = (fourth - squares) / len(features)
    apart = squares - width * unit**2
    return min(1.0, error / apart) if apart > 0 else 1.0
