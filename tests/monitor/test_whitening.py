"""Distances of whitened features are those that the novelty measures."""

import numpy as np

from tfpipeline.metrics import novelty
from tfpipeline.monitor import whitening


def test_the_distance_from_the_nearest_class_mean_is_the_novelty() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 200)
    scales = np.array([3.0, 2, 1, 1, 0.5, 0.1])
    rows = (4 * np.eye(6)[label] + rng.normal(size=(200, 6)) * scales) + 2
    rows = rows.astype(np.float32)
    score = novelty.fit(rows, label)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    means = np.stack([unit[label == k].mean(0) for k in range(3)]) - score.mean
    # What is linear carries over to the means.
    at = whitening.whiten(rows, score)
    plain = whitening.whiten(rows, None)
    np.testing.assert_allclose(plain, unit, atol=1e-6)
    matrix = np.linalg.lstsq(unit - score.mean, at, rcond=None)[0]
    far = np.linalg.norm(at[:, None] - (means @ matrix)[None], axis=-1).min(1)
    np.testing.assert_allclose(
        far, np.asarray(score.parts(rows, np.zeros((200, 3), np.float32))[0]), rtol=2e-3
    )


def test_nothing_stays_nothing() -> None:
    assert (whitening.whiten(np.zeros((2, 3), np.float32), None) == 0).all()
