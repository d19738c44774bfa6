"""Linear discriminant analysis against its definition."""

import numpy as np
import pytest

from tfpipeline.study import gram, lda


def data(count: int = 200, width: int = 5, classes: int = 3):
    rng = np.random.default_rng(0)
    label = rng.integers(0, classes, count)
    turn = rng.normal(size=(width, width))
    means = 3 * rng.normal(size=(classes, width))
    return (rng.normal(size=(count, width)) + means[label]) @ turn + 50, label


def within(features: np.ndarray, label: np.ndarray) -> np.ndarray:
    rest = features - np.stack([features[label == c].mean(0) for c in label])
    return rest.T @ rest / len(rest)


def fit(features: np.ndarray, label: np.ndarray, classes: int, shrinkage=None):
    moments = gram.gather(features, label, classes)
    return lda.fit_lda(features, label, moments, shrinkage)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_scores_are_log_densities_of_gaussians_but_for_what_classes_share(
    shrinkage,
) -> None:
    features, label = data()
    covariance = within(features, label)
    sphere = np.trace(covariance) / 5 * np.eye(5)
    inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)
    density = np.empty((len(features), 3))
    for c in range(3):
        off = features - features[label == c].mean(0)
        density[:, c] = np.log((label == c).mean()) - 0.5 * np.sum(
            off @ inverse * off, axis=1
        )
    scores = fit(features, label, 3, shrinkage).scores(features)
    np.testing.assert_allclose(
        scores - scores[:, :1], density - density[:, :1], rtol=1e-6, atol=1e-6
    )


def test_shrinkage_is_that_of_ledoit_and_wolf(monkeypatch) -> None:
    """The mean square distance of one outer product, over that of the sphere."""
    features, label = data(30, 8)
    rest = features - np.stack([features[label == c].mean(0) for c in label])
    covariance = rest.T @ rest / 30
    sphere = np.trace(covariance) / 8 * np.eye(8)
    error = np.mean([((np.outer(r, r) - covariance) ** 2).sum() for r in rest]) / 30
    share = error / ((covariance - sphere) ** 2).sum()
    assert 0.01 < share < 0.9
    expected = fit(features, label, 3, share).kernel
    np.testing.assert_allclose(fit(features, label, 3).kernel, expected, rtol=1e-6)
    # Estimated from some of the examples it is about the same.
    monkeypatch.setattr(lda, "EXAMPLES", 15)
    some = fit(features, label, 3).scores(features)
    assert not np.allclose(some, features @ expected)
    assert (some.argmax(1) == label).mean() > 0.9


def test_few_examples_and_missing_classes_are_no_error() -> None:
    features, _ = data(3, 6)
    found = fit(features, np.array([0, 1, 3]), 5).scores(features)
    assert found.argmax(1).tolist() == [0, 1, 3]
    assert np.isneginf(found[:, [2, 4]]).all()
    flat = fit(np.ones((4, 2)), np.array([0, 0, 0, 1]), 2).scores(np.ones((1, 2)))
    np.testing.assert_allclose(np.exp(flat), [[0.75, 0.25]])
