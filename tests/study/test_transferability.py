"""Scores and distances against closed forms."""

import numpy as np
import pytest

from tfpipeline.study import transferability


def normal(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


@pytest.mark.parametrize("count, width", [(30, 5), (8, 20)])
def test_the_evidence_is_the_density_of_the_targets(count, width) -> None:
    x, target = normal(count, width), normal(count, 1, 1)[:, 0]
    prior, noise = 0.7, 3.0
    covariance = x @ x.T / prior + np.eye(count) / noise
    _, logarithm = np.linalg.slogdet(2 * np.pi * covariance)
    expected = -0.5 * (logarithm + target @ np.linalg.solve(covariance, target))
    left, roots, _ = np.linalg.svd(x, full_matrices=False)
    power = (left.T @ target) ** 2
    found = transferability.log_evidence(
        roots**2, power, target @ target - power.sum(), len(x), prior, noise
    )
    assert found == pytest.approx(expected, rel=1e-9)


def test_logme_is_the_largest_evidence() -> None:
    x = normal(60, 4)
    label = (x[:, 0] + 0.5 * normal(60, 1, 2)[:, 0] > 0).astype(int)
    found = transferability.logme(x, label, 2)
    left, roots, _ = np.linalg.svd(x, full_matrices=False)
    best = []
    for target in np.eye(2)[label].T:
        power = (left.T @ target) ** 2
        outside = target @ target - power.sum()
        best.append(
            max(
                transferability.log_evidence(
                    roots**2, power, outside, len(x), prior, noise
                )
                for prior in np.geomspace(0.1, 1000, 80)
                for noise in np.geomspace(0.1, 1000, 80)
            )
        )
    assert found == pytest.approx(np.mean(best) / 60, abs=2e-3)


def test_logme_prefers_features_that_tell_the_classes_apart() -> None:
    label = np.arange(60) % 3
    useful = normal(60, 100)
    useful[np.arange(60), label] += 4
    scores = [transferability.logme(x, label, 3) for x in (useful, normal(60, 100))]
    assert scores[0] > scores[1]
    assert np.isfinite(transferability.logme(np.eye(6), np.arange(6), 6))


@pytest.mark.parametrize("width", [4, 80])
def test_logme_of_numbers_is_the_largest_evidence_whatever_their_unit(width) -> None:
    x = normal(60, width)
    numbers = x[:, :1] + 0.5 * normal(60, 1, 2)
    found = transferability.logme_of_numbers(x, numbers)
    target = ((numbers - numbers.mean()) / numbers.std())[:, 0]
    left, roots, _ = np.linalg.svd(x, full_matrices=False)
    power = (left.T @ target) ** 2
    outside = max(target @ target - power.sum(), 0.0)
    grid = np.geomspace(0.1, 1000, 80)
    best = max(
        transferability.log_evidence(roots**2, power, outside, 60, prior, noise)
        for prior in grid
        for noise in grid
    )
    assert found == pytest.approx(best / 60, abs=2e-3)
    other = transferability.logme_of_numbers(x, 1000 * numbers - 7)
    assert other == pytest.approx(found, abs=1e-9)
    assert found > transferability.logme_of_numbers(normal(60, width, 5), numbers)


def test_the_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    same = [
        transferability.kernel_distance(normal(30, 8, 2 * i), normal(20, 8, 2 * i + 1))
        for i in range(200)
    ]
    error = np.std(same) / np.sqrt(len(same))
    assert abs(np.mean(same)) < 3 * error and min(same) < 0 < max(same)
    shifted = transferability.kernel_distance(normal(30, 8), normal(20, 8, 1) + 1)
    assert shifted > max(same)


def test_the_kernel_distance_is_that_of_all_pairs_in_any_blocks(monkeypatch) -> None:
    one, two = normal(23, 5), normal(17, 5, 1) + 0.5

    def mean(x: np.ndarray, y: np.ndarray, apart: bool) -> float:
        kernel = (x @ y.T / 5 + 1) ** 3
        return kernel[~np.eye(len(x), dtype=bool)].mean() if apart else kernel.mean()

    expected = mean(one, one, True) + mean(two, two, True) - 2 * mean(one, two, False)
    for cells in (1, 40, 10**6):
        monkeypatch.setattr(transferability, "_CELLS", cells)
        found = transferability.kernel_distance(one, two)
        assert found == pytest.approx(expected, rel=1e-9)


def test_the_statistics_distance_counts_deviations() -> None:
    maps = normal(50_000, 3).reshape(500, 10, 10, 3) * [1, 2, 3] + [0, 1, 2]
    mean, variance = np.array([0.0, 1, 2]), np.array([1.0, 4, 9])

    def distance(mean: np.ndarray, variance: np.ndarray) -> float:
        return transferability.statistics_distance(maps, mean, variance)

    assert distance(mean, variance) < 1e-3
    moved = distance(mean + np.sqrt(variance), variance)
    assert moved == pytest.approx(1, rel=0.02)
    assert distance(mean, variance / 4) == pytest.approx(1, rel=0.02)


def test_the_rank_correlation_is_that_of_spearman() -> None:
    correlation = transferability.rank_correlation
    assert correlation([1, 2, 3], [10, 20, 1000]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # By hand: ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    assert correlation([1, 2, 2, 5], [0, 7, 6, 9]) == pytest.approx(0.9486833)
    assert np.isnan(correlation([1, 2], [1, 2]))
    assert np.isnan(correlation([1, 1, 1], [1, 2, 3]))
