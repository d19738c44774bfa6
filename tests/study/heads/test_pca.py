"""Heads are searched on the principal axes of the training features."""

import numpy as np
import pytest

from tfpipeline.study.heads import pca


def features(count: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    turn = rng.normal(size=(width, width))
    lengths = np.linspace(3, 0.1, width)
    return (rng.normal(size=(count, width)) * lengths) @ turn + 5


@pytest.mark.parametrize("count", [8, 40])
def test_axes_are_orthogonal_uncorrelated_and_the_longest_first(count: int) -> None:
    x = features(count, 20)
    found = pca.fit(x, 6)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(6), atol=1e-9)
    turned = found(x)
    spread = turned.T @ turned / count
    np.testing.assert_allclose(spread, np.diag(np.diag(spread)), atol=1e-4)
    assert (np.diff(np.diag(spread)) < 0).all()
    assert np.mean(turned**2) == pytest.approx(1, rel=1e-5)


def test_all_axes_together_lose_nothing() -> None:
    x = features(40, 20)
    found = pca.fit(x, 20)
    again = found(x) @ found.basis.T * found.scale + found.mean
    np.testing.assert_allclose(again, x, atol=1e-4)


@pytest.mark.parametrize("x", [features(3, 20), np.ones((1, 20)), np.ones((4, 20))])
def test_axes_that_the_features_do_not_have_are_zero(x: np.ndarray) -> None:
    found = pca.fit(x, 6)
    rank = 2 if len(x) == 3 else 0
    assert (np.abs(found.basis).sum(axis=0) > 0).sum() == rank
    assert np.isfinite(found(x)).all() and found(x).shape == (len(x), 6)


def test_more_examples_tell_more_axes_from_noise() -> None:
    counts = [pca.count_for(n, 1280) for n in (2, 600, 4000, 10**6)]
    assert counts == [128, 128, 500, 1280] and pca.count_for(600, 64) == 64
