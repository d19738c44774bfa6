"""Novelty: how unlike an image is all that a run has learned from, and the limit.

The score is a sum of two: the Mahalanobis distance to the nearest class mean, which
tells what is far from everything, and the energy of the logits, which tells what lies
between the classes; each in units of its own spread over images of the run's kind.
Where not one class is the answer, it is the distance alone, to the mean of all.

Features have length 1; the covariance is that within classes, shared by all, shrunk as
Ledoit and Wolf have it. Directions beyond the largest ones have one variance, so that
neither memory nor time grow with the square of the width.

Source: Lee et al., arXiv:1807.03888; lengths: Mueller and Hein, arXiv:2505.18032;
energy: Liu et al., arXiv:2010.03759; shrinkage: Ledoit and Wolf, 2004,
doi:10.1016/S0047-259X(03)00096-4.
"""

import dataclasses
import io
import json
import lzma
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder

METHOD = "Mahalanobis distance of unit features, and energy"
DISTANCE = "Mahalanobis distance of unit features to their mean"

# Directions with variances of their own, at most: 2.6 MB for features of 1,280.
MOST_DIRECTIONS = 512

# Validation images that set the spreads, at least; else training images do.
_FEWEST = 5

# How far the limit lies above the score that sets it, in standard deviations of scores
# up to there. Other sums of the same numbers, as in an exported graph, differ by less.
_MARGIN = 1e-3

# Below it, the length of a feature vector is nought, and so is a variance.
_TINY = 1e-12

_ARRAYS = ("mean", "directions", "classes", "offsets")

# What reading damaged files may raise; the archive, if its way of packing is garbled.
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class Novelty:
    """A score for features and logits, and the limit up to which images are known.

    Args:
        mean: Of all features, float32, shape (width,).
        directions: Scaled eigenvectors, float32, shape (width, at most 512).
        classes: What is linear in the features for each class, (width, classes).
        offsets: And what is constant, (classes,).
        stiffness: Of all other directions: one over their variance.
        spreads: Of the distance and of the energy, over images of the run's kind; of
            the distance alone, where that is the score.
        middle: The median sum of held-out images, which have a novelty of 0.
        unit: From there to the limit, which has a novelty of 1.
        threshold: The largest novelty that is known; None where there is no guarantee.
        false_alarms: Share of images like those of the run that may exceed it.
        n: Held-out images that chose it.
        reason: Why there is no threshold; empty where there is one.
    """

    mean: np.ndarray
    directions: np.ndarray
    classes: np.ndarray
    offsets: np.ndarray
    stiffness: float
    spreads: tuple[float, ...] = (1.0, 1.0)
    middle: float = 0.0
    unit: float = 1.0
    threshold: float | None = None
    false_alarms: float = 0.05
    n: int = 0
    reason: str = ""

    @property
    def uses_logits(self) -> bool:
        """Whether the energy is a part of the score."""
        return len(self.spreads) > 1

    def __call__(self, features: Any, logits: Any = None) -> Any:
        """Return the novelty of images, float32 of shape (n,), as a tensor.

        A typical image of the run's own kind has 0; what has more than 1 is unknown.
        """
        parts = self.parts(features, logits)
        total = parts[0] / self.spreads[0]
        for part, spread in zip(parts[1:], self.spreads[1:]):
            total += part / spread
        return (total - self.middle) / self.unit

    def parts(self, features: Any, logits: Any = None) -> tuple[Any, ...]:
        """Return the distance to the nearest mean, and the energy if used, each (n,).

        The logits may be missing where they are not used.
        """
        import tensorflow as tf

        mean, directions, classes, offsets = (
            tf.constant(getattr(self, name), tf.float32) for name in _ARRAYS
        )
        rows = tf.cast(features, tf.float32)
        rows = tf.math.l2_normalize(rows, axis=1, epsilon=_TINY) - mean
        own = self.stiffness * tf.reduce_sum(rows**2, axis=1)
        own -= tf.reduce_sum(tf.matmul(rows, directions) ** 2, axis=1)
        nearest = tf.reduce_min(offsets - 2 * tf.matmul(rows, classes), axis=1)
        energy: tuple[Any, ...] = ()
        if self.uses_logits:
            energy = (-tf.reduce_logsumexp(tf.cast(logits, tf.float32), axis=1),)
        return tf.sqrt(tf.maximum(own + nearest, 0.0)), *energy

    def knows(self, novelty: np.ndarray) -> np.ndarray | None:
        """Return which images are known; None where there is no threshold."""
        if self.threshold is None:
            return None
        # As they are served.
        return np.asarray(novelty, np.float32) <= np.float32(self.threshold)

    def about(self) -> dict[str, Any]:
        """Return everything but the arrays, for JSON."""
        own = dataclasses.asdict(self)
        numbers = {key: own[key] for key in own if key not in _ARRAYS}
        return {"method": METHOD if self.uses_logits else DISTANCE, **numbers}


def check(false_alarms: float) -> None:
    """Refuse what is no share between 0 and 1."""
    if not 0 < false_alarms < 1:
        raise UserError(
            "--train.false_alarms: expected a share between 0 and 1. Received: "
            f"{false_alarms}. 0.05 calls one in twenty of your own kind of images "
            "unknown."
        )


def fit(features: np.ndarray, label: np.ndarray | None) -> Novelty:
    """Return a score, without spreads and threshold, from features of training images.

    Args:
        features: Finite, shape (n, width), n at least 1.
        label: Index of the class of each, int, shape (n,); not every class needs one.
            None where not one class is the answer: the score is then the distance to
            the mean of all, which any target has.
    """
    if label is None:
        score = fit(features, np.zeros(len(features), int))
        return dataclasses.replace(score, spreads=(1.0,))
    rows = _unit(features)
    mean = rows.mean(axis=0)
    present = np.unique(label)
    means = np.stack([rows[label == k].mean(axis=0) for k in present]) - mean
    # In place: there may be as much as fits into the memory.
    rows -= mean
    rows -= means[np.searchsorted(present, label)]
    shrinkage, average, values, vectors, rest = _spectrum(rows)
    variance = (1 - shrinkage) * values + shrinkage * average
    stiffness = 1 / max(_TINY, (1 - shrinkage) * rest + shrinkage * average)
    # No direction of its own is stiffer than the others, all of which are smaller.
    softer = np.sqrt(np.maximum(stiffness - 1 / np.maximum(variance, _TINY), 0))
    directions = vectors * softer
    projected = means @ directions
    classes = stiffness * means.T - directions @ projected.T
    offsets = stiffness * (means**2).sum(axis=1) - (projected**2).sum(axis=1)
    arrays = (np.asarray(a, np.float32) for a in (mean, directions, classes, offsets))
    mean, directions, classes, offsets = arrays
    return Novelty(mean, directions, classes, offsets, float(stiffness))


def _unit(features: np.ndarray) -> np.ndarray:
    rows = np.array(features, np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    rows /= np.maximum(lengths, math.sqrt(_TINY))[:, None].astype(np.float32)
    return rows


def _spectrum(
    rows: np.ndarray,
) -> tuple[float, float, np.ndarray, np.ndarray, float]:
    """Return the covariance of centred rows: its largest directions, and the rest.

    Returns:
        The shrinkage of Ledoit and Wolf, the mean variance, the largest variances, (k,)
        falling, their directions, (width, k), and the mean variance of the others.
    """
    n, width = rows.shape
    # Of the two products the smaller one; both have the same eigenvalues but for 0.
    product = np.float64(rows @ rows.T if n < width else rows.T @ rows) / n
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    trace, norm = squares.mean(), (product**2).sum()
    average = trace / width
    distance = norm / width - average**2
    noise = ((squares**2).mean() - norm) / n / width
    shrinkage = min(1.0, max(0.0, noise / distance)) if distance > 0 else 1.0
    values, vectors = np.linalg.eigh(product)
    values, vectors = values[::-1][:MOST_DIRECTIONS], vectors[:, ::-1]
    # Beyond them there is nothing but rounding.
    count = int((values > 1e-7 * max(values[0], _TINY)).sum())
    values, vectors = values[:count], vectors[:, :count]
    if n < width:
        vectors = rows.T @ vectors / np.sqrt(n * values)
    others = width - count
    rest = max(0.0, trace - values.sum()) / others if others else values[-1]
    return shrinkage, average, values, vectors, float(rest)


def calibrate(
    score: Novelty,
    held_out: np.ndarray,
    train: np.ndarray,
    false_alarms: float = 0.05,
) -> Novelty:
    """Return a score with spreads and a threshold.

    The threshold is the smallest that a new image like the held-out ones exceeds with a
    probability of at most `false_alarms`, over the draw of these images and of that one
    (split conformal prediction: the ceil((n + 1)(1 - false_alarms))-th smallest of n).
    It is chosen on images that nothing was fitted to: a quarter of the held-out images
    set the spreads, where there are enough, and the others the threshold. Otherwise
    training images set the spreads. A score of one part needs no spread: all held-out
    images set its threshold.

    Source: Vovk et al., 2005; Angelopoulos and Bates, arXiv:2107.07511.

    Args:
        score: As `fit` returns it.
        held_out: Its `parts` of held-out images in random order, each image counted
            once, shape (n, parts).
        train: The same of training images, shape (m, parts), m at least 1.
        false_alarms: In (0, 1).
    """
    least = math.ceil((1 - false_alarms) / false_alarms - 1e-9)
    aside = min(len(held_out) // 4, len(held_out) - least)
    aside = aside if aside >= _FEWEST and score.uses_logits else 0
    spreads: tuple[float, ...] = (1.0,)
    if score.uses_logits:
        spread = (held_out[:aside] if aside else train).std(axis=0)
        spreads = float(spread[0] or 1.0), float(spread[1] or 1.0)
    asked = held_out[aside:]
    n, rank = len(asked), math.ceil((len(asked) + 1) * (1 - false_alarms) - 1e-9)
    known = asked if n else train
    each = [part / spread for part, spread in zip(known.T, spreads)]
    total = np.sort(np.sum(each, axis=0))
    limit, reason = total[-1], ""
    if rank <= n:
        limit = total[rank - 1]
    else:
        reason = (
            f"at a rate of {false_alarms:g} false alarms, {least} validation images "
            f"are needed to guarantee anything, and there are {n}"
        )
    middle = float(np.median(total))
    unit = float(limit) - middle
    if unit > 0 and not reason:
        # The image that sets it is known, however its score is rounded elsewhere.
        unit += _MARGIN * float(total[:rank].std())
    return dataclasses.replace(
        score,
        spreads=spreads,
        middle=middle,
        unit=unit if unit > 0 else 1.0,
        threshold=None if reason else (1.0 if unit > 0 else 0.0),
        false_alarms=false_alarms,
        n=n,
        reason=reason,
    )


def summary(score: Novelty, values: np.ndarray) -> dict[str, Any]:
    """Return how many images are known, for JSON: `n`, `known`, `share`.

    The latter two are None where there is no threshold; `false_alarms` is the rate that
    it was chosen for.
    """
    knows = score.knows(values)
    count = None if knows is None else int(knows.sum())
    share = None if count is None or not len(values) else count / len(values)
    rate = score.false_alarms
    return {"n": len(values), "known": count, "share": share, "false_alarms": rate}


def save(run: RunFolder, score: Novelty, more: Mapping[str, Any]) -> None:
    """Write a score into a run: its arrays, then `novelty.json` with `more` in it."""
    with file_io.replacing(run.novelty_arrays) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, **{name: getattr(score, name) for name in _ARRAYS})
    file_io.write_json(run.novelty, {**score.about(), **more})


def load(run: RunFolder) -> Novelty | None:
    """Return the score of a run; None where it has none.

    Raises:
        UserError: A file is damaged, or one of the two is missing.
    """
    if not run.novelty.is_file():
        return None
    try:
        about = json.loads(run.novelty.read_text(encoding="utf-8"))
        arrays = io.BytesIO(run.novelty_arrays.read_bytes())
        with np.load(arrays, allow_pickle=False) as kept:
            own: dict[str, Any] = {n: np.asarray(kept[n], np.float32) for n in _ARRAYS}
        numbers = Novelty.__dataclass_fields__.keys() - set(_ARRAYS)
        own |= {key: about[key] for key in numbers}
        spreads = tuple(map(float, own["spreads"]))
        if len(spreads) not in (1, 2):
            raise ValueError(f"{len(spreads)} spreads")
        return Novelty(**{**own, "spreads": spreads})
    except _DAMAGE as error:
        raise UserError(
            f"{run.novelty}: expected what `train` wrote, with "
            f"{run.novelty_arrays.name} beside it, but it cannot be used ({error}). "
            "Restore both from a copy, or remove them: answers will then lack `known`."
        ) from None
