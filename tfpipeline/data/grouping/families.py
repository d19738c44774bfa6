"""Crops, frames and patches of one original that stand in different splits.

Pixels do not tell them, features do. Imports no TensorFlow; `benchmarks/folds.py`
measures what is found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Images that are compared, at most, and bytes of the features of training images: a
# second of arithmetic, and twice these bytes of memory.
MOST_TRAINED, MOST_HELD_OUT, MOST_BYTES = 50_000, 2_000, 2**28

# Relatives are nearer than half of the distance within which so few strangers are.
_PART, _SHARE = 0.5, 0.05

_BLOCK = 128


@dataclass(frozen=True)
class Families:
    """Held-out images that are nearer to a training image than strangers are.

    Args:
        pairs: Positions of a training and a held-out image, the nearest pair first.
        distances: Of each pair; see `across`.
        threshold: What is nearer counts.
        compared: Number of held-out images that were looked at.
        searched: Number of training images that they were compared with.
    """

    pairs: tuple[tuple[int, int], ...] = ()
    distances: tuple[float, ...] = ()
    threshold: float = 0.0
    compared: int = 0
    searched: int = 0


class Truth(NamedTuple):
    """What is true of the images.

    Args:
        label: Index of the class of each, or of its stratum, shape (n,).
        values: Of several labels or a number what is true, shape (n, k); None where
            one class is.
    """

    label: np.ndarray
    values: np.ndarray | None = None


def find(
    split: np.ndarray,
    truth: Truth,
    alike: Sequence[Sequence[int]],
    features: Callable[[np.ndarray], np.ndarray],
    seed: int,
    width: int,
) -> Families:
    """Return the families that stand in `train` and in another split.

    Args:
        split: Of each image, shape (n,).
        truth: Of each image.
        alike: Groups of positions that are copies by their pixels, and known.
        features: From positions to features.
        seed: Decides which of many images are compared.
        width: Of the features.
    """
    label, values = truth
    trained, held_out = sampled(split, seed, width)
    x, y = features(trained), features(held_out)
    if values is not None:
        x, y = unexplained(x, y, values[trained], values[held_out])
    nearest, distance, most = across(x, y, label[trained], label[held_out])
    copy = {i: group[0] for group in alike for i in group}
    rows = [
        row
        for row in np.argsort(distance, kind="stable").tolist()
        if distance[row] <= most
        and copy.get(held_out[row], -1) != copy.get(trained[nearest[row]], -2)
    ]
    pairs = tuple((int(trained[nearest[r]]), int(held_out[r])) for r in rows)
    near = tuple(float(distance[r]) for r in rows)
    return Families(pairs, near, most, len(held_out), len(trained))


def sampled(split: np.ndarray, seed: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the held-out images to compare, ascending, int64."""
    rng = np.random.default_rng([seed, 5])
    limits = min(MOST_TRAINED, MOST_BYTES // (4 * width)), MOST_HELD_OUT
    both = np.flatnonzero(split == "train"), np.flatnonzero(split != "train")
    trained, held_out = (
        np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
        for rows, most in zip(both, limits)
    )
    return trained, held_out


def unexplained(
    trained: np.ndarray, held_out: np.ndarray, *values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return features without what labels or a number tell of them, by least squares.

    So images of the same labels are no nearer for that; of one class an image, this
    would be to subtract the mean of the class.

    Args:
        trained: Features, shape (n, width), which are changed where they are float32.
        held_out: Features, shape (m, width), likewise.
        values: What is true of the former, (n, k), and of the latter, (m, k).
    """
    if not len(trained):
        return trained, held_out
    known = values[0].astype(np.float64)
    middle, spread = known.mean(axis=0), known.std(axis=0)
    own, other = (
        np.column_stack(
            [np.ones(len(rows)), (rows - middle) / np.maximum(spread, 1e-9)]
        ).astype(np.float32)
        for rows in values
    )
    slopes = np.linalg.lstsq(own.T @ own, own.T @ trained, rcond=None)[0]
    # In place: there may be as much as the limits allow.
    rest = [np.require(rows, np.float32, "W") for rows in (trained, held_out)]
    for rows, design in zip(rest, (own, other)):
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            rows[part] -= design[part] @ slopes
    return rest[0], rest[1]


def across(
    trained: np.ndarray,
    held_out: np.ndarray,
    trained_label: np.ndarray,
    label: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return which held-out images have a relative among the training images.

    From each image's features the mean of its class is subtracted, so that images of
    one class are no nearer for that; a distance is 1 less the cosine of what is left.
    Two images of different classes have no original in common. So their distances say
    how near strangers come: 5 % of the held-out images have a training image of another
    class within some distance, and two of one class within half of that are a family.
    Where strangers are alike it is small, so that less is found, not more that is none.

    Args:
        trained: Features, shape (n, width).
        held_out: Features, shape (m, width).
        trained_label: Class of each training image, shape (n,).
        label: Class of each held-out image, shape (m,).

    Returns:
        The nearest training image of the same class of each held-out one, int64, shape
        (m,); its distance, shape (m,), 2 where there is none; and the threshold, 0
        where there are no strangers.
    """
    sums = np.zeros((1 + max(map(_last, (trained_label, label))), trained.shape[1]))
    np.add.at(sums, trained_label, trained)
    sizes = np.bincount(trained_label, minlength=len(sums))
    sums /= np.maximum(sizes, 1)[:, None]
    x = _directions(trained, sums, trained_label)
    y = _directions(held_out, sums, label)
    nearest = np.zeros(len(y), np.int64)
    distance, strange = np.full(len(y), 2.0), np.full(len(y), 2.0)
    if not len(x) or not len(y):
        return nearest, distance, 0.0
    for start in range(0, len(y), _BLOCK):
        part = slice(start, start + _BLOCK)
        apart = 1 - y[part] @ x.T
        same = label[part, None] == trained_label
        own = np.where(same, apart, 2.0)
        nearest[part], distance[part] = own.argmin(axis=1), own.min(axis=1)
        strange[part] = np.where(same, 2.0, apart).min(axis=1)
    known = strange[strange < 2.0]
    threshold = _PART * float(np.quantile(known, _SHARE)) if len(known) else 0.0
    return nearest, distance, max(0.0, threshold)


def _last(label: np.ndarray) -> int:
    return int(np.max(label, initial=0))


def _directions(
    features: np.ndarray, means: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Return features without the means of their classes, of length 1, in float32."""
    rows = np.empty(features.shape, np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        rows[part] = features[part] - means[label[part]]
        length = np.linalg.norm(rows[part], axis=1, keepdims=True)
        rows[part] /= np.maximum(length, 1e-12)
    return rows
