"""Crops, frames and patches of one original that stand in different splits.

Pixels do not tell them, features do. Imports no TensorFlow; `benchmarks/folds.py`
measures what is found.
"""

from dataclasses import dataclass

import numpy as np

# Images that are compared, at most: a second of arithmetic, and little memory.
MOST_TRAINED, MOST_HELD_OUT = 50_000, 2_000

# Relatives are nearer than this part of the median distance of strangers.
_PART = 0.5

_BLOCK = 256


@dataclass(frozen=True)
class Families:
    """Held-out images that are nearer to a training image than strangers are.

    Args:
        pairs: Positions of a training and a held-out image, the nearest pair first.
        distances: Of each pair; see `across`.
        threshold: What is nearer counts.
        compared: Number of held-out images that were looked at.
    """

    pairs: tuple[tuple[int, int], ...] = ()
    distances: tuple[float, ...] = ()
    threshold: float = 0.0
    compared: int = 0


def sampled(split: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the held-out images to compare, ascending, int64."""
    rng = np.random.default_rng([seed, 5])
    both = np.flatnonzero(split == "train"), np.flatnonzero(split != "train")
    trained, held_out = (
        np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
        for rows, most in zip(both, (MOST_TRAINED, MOST_HELD_OUT))
    )
    return trained, held_out


def across(
    trained: np.ndarray,
    held_out: np.ndarray,
    trained_label: np.ndarray,
    label: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return which held-out images have a relative among the training images.

    From each image's features the mean of its class is subtracted, so that images of
    one class are no nearer for that; a distance is 1 less the cosine of what is left.
    Two images of different classes have no original in common: how far the nearest
    training image of another class is, in the median, says how near strangers come. A
    pair within half of that is a family. Where strangers are alike it is small, so that
    less is found, and not more that is none.

    Args:
        trained: Features, shape (n, width).
        held_out: Features, shape (m, width).
        trained_label: Class of each training image, shape (n,).
        label: Class of each held-out image, shape (m,).

    Returns:
        The nearest training image of each held-out one, int64, shape (m,); its
        distance, shape (m,); and the threshold, 0 where there are no strangers.
    """
    sums = np.zeros((1 + max(map(_last, (trained_label, label))), trained.shape[1]))
    np.add.at(sums, trained_label, trained)
    sizes = np.bincount(trained_label, minlength=len(sums))
    means = sums / np.maximum(sizes, 1)[:, None]
    x = _directions(trained - means[trained_label])
    y = _directions(held_out - means[label])
    nearest = np.zeros(len(y), np.int64)
    distance, strange = np.full(len(y), 2.0), np.full(len(y), 2.0)
    if not len(x) or not len(y):
        return nearest, distance, 0.0
    for start in range(0, len(y), _BLOCK):
        part = slice(start, start + _BLOCK)
        apart = 1 - y[part] @ x.T
        nearest[part] = apart.argmin(axis=1)
        distance[part] = apart.min(axis=1)
        apart[label[part, None] == trained_label] = 2.0
        strange[part] = apart.min(axis=1)
    known = strange[strange < 2.0]
    threshold = _PART * float(np.median(known)) if len(known) else 0.0
    return nearest, distance, max(0.0, threshold)


def _last(label: np.ndarray) -> int:
    return int(np.max(label, initial=0))


def _directions(features: np.ndarray) -> np.ndarray:
    rows = np.asarray(features, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
