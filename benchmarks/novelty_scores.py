"""Published scores of novelty on features, and the package's; see `novelty.py`."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tfpipeline.metrics import classification, novelty

# Weights and bias; and a score of features, higher where they are stranger.
Head = tuple[np.ndarray, np.ndarray]
Score = Callable[[np.ndarray], np.ndarray]


def unit(x: np.ndarray) -> np.ndarray:
    """Return rows of length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities."""
    return classification.probabilities(logits)


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exponentials of each row."""
    most = logits.max(axis=1)
    return most + np.log(np.exp(logits - most[:, None]).sum(axis=1))


def linear_head(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias of a softmax head, learned on all images at a time."""
    mean, scale = x.mean(axis=0), x.std(axis=0).mean() + 1e-9
    z, truth = (x - mean) / scale, np.eye(y.max() + 1, dtype=np.float32)[y]
    weights = np.zeros((x.shape[1], truth.shape[1]), np.float32)
    speed = np.zeros_like(weights)
    # The largest curvature of the loss is at most half this norm.
    rate = np.float32(len(z) / np.linalg.norm(z, 2) ** 2)
    for _ in range(300):
        error = np.float32(softmax(z @ weights)) - truth
        speed = 0.9 * speed - rate * (z.T @ error / len(z) + 1e-4 * weights)
        weights = weights + speed
    return weights / scale, -(mean / scale) @ weights


def maximum_softmax(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Hendrycks and Gimpel, arXiv:1610.02136."""
    weights, bias = head
    return lambda q: -softmax(q @ weights + bias).max(axis=1)


def energy(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Liu et al., arXiv:2010.03759."""
    weights, bias = head
    return lambda q: -log_sum_exp(q @ weights + bias)


def nearest(x: np.ndarray, y: np.ndarray, head: Head, k: int) -> Score:
    """Source: Sun et al., arXiv:2204.06507; of unit features, 2,000 images at most."""
    rows = np.random.default_rng(0).permutation(len(x))[:2000]
    kept = unit(x[rows])
    return lambda q: -np.partition(unit(q) @ kept.T, -k, axis=1)[:, -k]


def vim(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Wang et al., arXiv:2203.10807; a third of the directions is principal."""
    weights, bias = head
    origin = -np.linalg.pinv(weights.T) @ bias
    _, _, directions = np.linalg.svd(x - origin, full_matrices=False)
    kept = directions[: max(1, min(x.shape) // 3)]

    def rest(q: np.ndarray) -> np.ndarray:
        moved = q - origin
        return np.linalg.norm(moved - moved @ kept.T @ kept, axis=1)

    scale = (x @ weights + bias).max(axis=1).mean() / rest(x).mean()
    return lambda q: scale * rest(q) - log_sum_exp(q @ weights + bias)


def gaussian(rest: np.ndarray, means: np.ndarray) -> Score:
    """Return squared Mahalanobis distances to the nearest mean, as the package's."""
    shrinkage, average, values, vectors, others = novelty._spectrum(rest)
    stiff = 1 / ((1 - shrinkage) * others + shrinkage * average)
    soft = 1 / ((1 - shrinkage) * values + shrinkage * average) - stiff

    vectors, centre = np.float32(vectors), means.mean(axis=0)
    own = means - centre
    at = own @ vectors

    def score(q: np.ndarray) -> np.ndarray:
        moved = q - centre
        place = moved @ vectors
        each = []
        for mean, middle in zip(own, at):
            square = (moved**2).sum(axis=1) - 2 * moved @ mean + mean @ mean
            each.append(stiff * square + ((place - middle) ** 2) @ soft)
        return np.min(each, axis=0)

    return score


def means_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean of each class."""
    return np.stack([x[y == k].mean(axis=0) for k in range(y.max() + 1)])


def mahalanobis(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Lee et al., arXiv:1807.03888; the covariance shrunk."""
    means = means_of(x, y)
    return gaussian(x - means[y], means)


def mahalanobis_unit(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Mueller and Hein, arXiv:2505.18032: of unit features."""
    score = novelty.fit(x, y)
    return lambda q: parts(score, head, q)[:, 0]


def parts(score: novelty.Novelty, head: Head, q: np.ndarray) -> np.ndarray:
    """Return distance and energy of features, shape (n, 2)."""
    weights, bias = head
    return np.stack([np.asarray(p) for p in score.parts(q, q @ weights + bias)], axis=1)


def combined(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Return the package's score: that distance and energy, in units of their spreads.

    The spreads are those of a quarter of the images, by a fit to the others.
    """
    order = np.random.default_rng(0).permutation(len(x))
    aside, others = np.split(order, [len(x) // 4])
    labels, own = np.unique(y[others], return_inverse=True)
    first = novelty.fit(x[others], own), linear_head(x[others], own)
    spreads = parts(*first, x[aside]).std(axis=0)
    score = novelty.fit(x, y)
    return lambda q: (parts(score, head, q) / spreads).sum(axis=1)


def relative(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Source: Ren et al., arXiv:2106.09022; both covariances shrunk."""
    means, mean = means_of(x, y), x.mean(axis=0)
    own, every = gaussian(x - means[y], means), gaussian(x - mean, mean[None])
    return lambda q: own(q) - every(q)


def relative_unit(x: np.ndarray, y: np.ndarray, head: Head) -> Score:
    """Return the same of unit features."""
    score = relative(unit(x), y, head)
    return lambda q: score(unit(q))


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, Head], Score]] = {
    "maximum softmax": maximum_softmax,
    "energy": energy,
    "KNN, k = 1": partial(nearest, k=1),
    "KNN, k = 5": partial(nearest, k=5),
    "KNN, k = 10": partial(nearest, k=10),
    "ViM": vim,
    "Mahalanobis": mahalanobis,
    "Mahalanobis, unit features": mahalanobis_unit,
    "Mahalanobis, unit features, and energy": combined,
    "relative Mahalanobis": relative,
    "relative Mahalanobis, unit features": relative_unit,
}

# Those that need neither classes nor logits: of several labels, or of a number.
ALONE = [
    *("KNN, k = 1", "KNN, k = 5", "KNN, k = 10"),
    *("Mahalanobis", "Mahalanobis, unit features"),
]
