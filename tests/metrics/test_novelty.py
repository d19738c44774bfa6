"""A score is the distance that its definition says, and its threshold keeps a rate."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import novelty
from tfpipeline.metrics.novelty import Novelty


def drawn(n: int, width: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, width])
    mixed = rng.normal(size=(n, width)) @ rng.normal(size=(width, width))
    return (mixed + 3).astype(np.float32), np.arange(n) % classes


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_definition(rows: np.ndarray, label: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mahalanobis distances by whole matrices and Ledoit and Wolf's own sums."""
    rows, asked = unit(rows.astype(float)), unit(asked.astype(float))
    means = np.stack([rows[label == k].mean(0) for k in np.unique(label)])
    rest = rows - means[label]
    n, width = rest.shape
    covariance = rest.T @ rest / n
    average = np.trace(covariance) / width
    distance = ((covariance - average * np.eye(width)) ** 2).sum() / width
    noise = sum(((np.outer(z, z) - covariance) ** 2).sum() for z in rest) / n**2
    share = min(noise / width, distance) / distance
    shrunk = (1 - share) * covariance + share * average * np.eye(width)
    inverse = np.linalg.inv(shrunk)
    each = asked[:, None] - means[None]
    return np.sqrt(np.einsum("nkd,de,nke->nk", each, inverse, each).min(axis=1))


@pytest.mark.parametrize("n, width", [(300, 40), (60, 200), (41, 40)])
def test_it_is_the_shrunk_mahalanobis_distance(n: int, width: int) -> None:
    rows, label = drawn(n, width)
    asked = np.random.default_rng(1).normal(size=(9, width)).astype(np.float32)
    score = novelty.fit(rows, label)
    expected = by_definition(rows, label, asked)
    np.testing.assert_allclose(np.asarray(score(asked)), expected, rtol=1e-4)


def test_directions_beyond_the_largest_ones_have_one_variance(monkeypatch) -> None:
    """Exact where they really have one: four strong ones in a ball of 20."""
    rng = np.random.default_rng(0)
    # Orthogonal rows, so that the sample covariance is what it is meant to be.
    base = np.linalg.qr(rng.normal(size=(400, 20)))[0] * np.sqrt(400)
    base -= 0
    sizes = np.r_[[9, 7, 5, 3], np.ones(16)]
    rows = base * sizes
    whole = novelty._spectrum(rows.astype(np.float32))
    monkeypatch.setattr(novelty, "MOST_DIRECTIONS", 4)
    shrinkage, average, values, vectors, rest = novelty._spectrum(
        rows.astype(np.float32)
    )
    np.testing.assert_allclose(values, [81, 49, 25, 9], rtol=1e-3)
    assert rest == pytest.approx(1, rel=1e-3) and vectors.shape == (20, 4)
    assert shrinkage == pytest.approx(whole[0]) and average == pytest.approx(whole[1])


def test_neither_scale_nor_missing_classes_change_it() -> None:
    rows, label = drawn(120, 30)
    asked = rows[:7] + 0.1
    first = np.asarray(novelty.fit(rows, label)(asked))
    scaled = np.asarray(novelty.fit(8 * rows, 10 * label)(2 * asked))
    np.testing.assert_allclose(scaled, first, rtol=1e-4)


def test_features_of_any_width_and_number_have_finite_scores() -> None:
    wide, label = np.random.default_rng(0).random((12, 25_088), np.float32), range(12)
    score = novelty.fit(wide, np.array(label))
    assert score.directions.shape[1] <= 12
    equal = novelty.fit(np.ones((5, 8), np.float32), np.zeros(5, int))
    for made, width in ((score, 25_088), (equal, 8)):
        asked = np.stack([np.zeros(width), np.ones(width), np.arange(width)])
        values = np.asarray(made(asked.astype(np.float32)))
        assert np.isfinite(values).all() and (values >= 0).all()


@pytest.mark.parametrize("n, rate", [(19, 0.05), (20, 0.05), (99, 0.05), (9, 0.1)])
def test_new_images_exceed_the_threshold_as_seldom_as_promised(
    n: int, rate: float
) -> None:
    """By symmetry the rank of a new one among n + 1 is uniform: the rate is exact."""
    rng = np.random.default_rng(n)
    plain = Novelty(*[np.zeros((1, 1), np.float32)] * 4, stiffness=1.0)
    draws = 4000
    alarms = 0
    for _ in range(draws):
        values = rng.exponential(size=n + 1).astype(np.float32)
        score = novelty.calibrate(plain, values[:-1], rate)
        knows = score.knows(values[-1:] / np.float32(score.scale))
        assert knows is not None
        alarms += int(not knows[0])
    exact = np.floor((n + 1) * rate + 1e-9) / (n + 1)
    assert exact <= rate + 1e-9
    assert abs(alarms / draws - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)


@pytest.mark.parametrize("n, rate, least", [(18, 0.05, 19), (0, 0.05, 19), (3, 0.1, 9)])
def test_without_enough_images_nothing_is_promised(
    n: int, rate: float, least: int
) -> None:
    score = novelty.fit(*drawn(30, 5))
    score = novelty.calibrate(score, np.arange(n) + 1.0, rate)
    assert score.threshold is None and score.knows(np.ones(3)) is None
    assert f"{least} validation images are needed" in score.reason
    assert novelty.summary(score, np.ones(3))["known"] is None
    enough = novelty.calibrate(score, np.arange(least) + 1.0, rate)
    assert enough.threshold is not None and not enough.reason


def test_a_typical_held_out_image_has_a_novelty_of_one() -> None:
    rows, label = drawn(400, 10)
    score = novelty.fit(rows[:200], label[:200])
    score = novelty.calibrate(score, np.asarray(score(rows[200:])))
    values = np.asarray(score(rows[200:]))
    assert np.median(values) == pytest.approx(1, rel=1e-4)
    assert novelty.summary(score, values)["share"] == pytest.approx(0.955, abs=0.006)
    assert np.asarray(score(-rows[:5])).min() > score.threshold


def test_it_is_read_as_it_was_written_or_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert novelty.load(run) is None
    rows, label = drawn(60, 12)
    score = novelty.calibrate(novelty.fit(rows, label), np.arange(30) + 1.0)
    novelty.save(run, score, {"test": {"n": 1}})
    read = novelty.load(run)
    assert read is not None
    own, kept = dataclasses.asdict(score), dataclasses.asdict(read)
    for key in own:
        np.testing.assert_array_equal(own[key], kept[key], err_msg=key)
    for spoil in (
        lambda: run.novelty_arrays.write_bytes(b"PK"),
        run.novelty_arrays.unlink,
        lambda: run.novelty.write_text("{}"),
    ):
        spoil()
        with pytest.raises(UserError, match="remove them"):
            novelty.load(run)


@pytest.mark.parametrize("rate", [0, 1, -1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(UserError, match="false_alarms"):
        novelty.check(rate)
