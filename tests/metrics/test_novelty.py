"""A score is the distance that its definition says, and its threshold keeps a rate."""

import dataclasses
import json
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


def distances(score: Novelty, rows: np.ndarray) -> np.ndarray:
    return np.asarray(score.parts(rows, np.zeros((len(rows), 2)))[0])


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
    logits = 5 * asked[:, :3]
    distance, energy = novelty.fit(rows, label).parts(asked, logits)
    expected = by_definition(rows, label, asked)
    np.testing.assert_allclose(np.asarray(distance), expected, rtol=1e-4)
    sums = -np.log(np.exp(logits.astype(float)).sum(axis=1))
    np.testing.assert_allclose(np.asarray(energy), sums, rtol=1e-5)


def test_directions_beyond_the_largest_ones_have_one_variance(monkeypatch) -> None:
    """Exact where they really have one: four strong ones in a ball of 20."""
    rng = np.random.default_rng(0)
    # Orthogonal rows, so that the sample covariance is what it is meant to be.
    base = np.linalg.qr(rng.normal(size=(400, 20)))[0] * np.sqrt(400)
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
    first = distances(novelty.fit(rows, label), asked)
    scaled = distances(novelty.fit(8 * rows, 10 * label), 2 * asked)
    np.testing.assert_allclose(scaled, first, rtol=1e-4)


def test_features_of_any_width_and_number_have_finite_scores() -> None:
    wide, label = np.random.default_rng(0).random((12, 25_088), np.float32), range(12)
    score = novelty.fit(wide, np.array(label))
    assert score.directions.shape[1] <= 12
    equal = novelty.fit(np.ones((5, 8), np.float32), np.zeros(5, int))
    for made, width in ((score, 25_088), (equal, 8)):
        asked = np.stack([np.zeros(width), np.ones(width), np.arange(width)])
        values = distances(made, asked.astype(np.float32))
        assert np.isfinite(values).all() and (values >= 0).all()


@pytest.mark.parametrize(
    "n, rate, used", [(19, 0.05, 19), (30, 0.05, 23), (99, 0.05, 75), (9, 0.1, 9)]
)
def test_new_images_exceed_the_threshold_as_seldom_as_promised(
    n: int, rate: float, used: int
) -> None:
    """By symmetry the rank of a new one among n + 1 is uniform: the rate is exact."""
    rng = np.random.default_rng(n)
    plain = Novelty(*[np.zeros((1, 1), np.float32)] * 4, stiffness=1.0)
    draws, alarms = 4000, 0
    for _ in range(draws):
        parts = rng.exponential(size=(n + 31, 2))
        held_out, train, new = parts[:n], parts[n + 1 :] / 2, parts[n : n + 1]
        score = novelty.calibrate(plain, held_out, train, rate)
        knows = score.knows(total(score, new))
        assert knows is not None and score.n == used
        alarms += int(not knows[0])
    exact = np.floor((used + 1) * rate + 1e-9) / (used + 1)
    assert exact <= rate + 1e-9
    assert abs(alarms / draws - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)


def total(score: Novelty, parts: np.ndarray) -> np.ndarray:
    """Return the novelty of parts, by its definition."""
    return ((parts / score.spreads).sum(axis=1) - score.middle) / score.unit


@pytest.mark.parametrize("n, rate, least", [(18, 0.05, 19), (0, 0.05, 19), (3, 0.1, 9)])
def test_without_enough_images_nothing_is_promised(
    n: int, rate: float, least: int
) -> None:
    score = novelty.fit(*drawn(30, 5))
    parts = np.random.default_rng(0).random((least, 2))
    few = novelty.calibrate(score, parts[:n], parts, rate)
    assert few.threshold is None and few.knows(np.ones(3)) is None
    assert f"{least} validation images are needed" in few.reason and few.n == n
    assert novelty.summary(few, np.ones(3))["known"] is None
    assert np.isfinite(total(few, parts)).all()
    enough = novelty.calibrate(score, parts, parts, rate)
    assert enough.threshold == 1 and not enough.reason and enough.n == least


def test_a_typical_image_has_a_novelty_of_0_and_the_limit_is_1() -> None:
    rows, label = drawn(500, 10)
    logits = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    score = novelty.fit(rows[:200], label[:200])
    parts = np.stack([np.asarray(p) for p in score.parts(rows, logits)], axis=1)
    score = novelty.calibrate(score, parts[200:], parts[:200])
    values = np.asarray(score(rows, logits))
    np.testing.assert_allclose(values, total(score, parts), rtol=1e-3, atol=1e-3)
    asked = values[275:]
    assert score.n == len(asked) == 225
    assert np.median(asked) == pytest.approx(0, abs=1e-3)
    # 215 of 225, the one at the limit give or take.
    known = novelty.summary(score, asked)["known"]
    assert 214 <= known <= 215
    assert np.asarray(score(-rows[:5], logits[:5])).min() > 1


def test_images_that_are_all_alike_are_known() -> None:
    score = novelty.fit(np.ones((30, 4), np.float32), np.zeros(30, int))
    parts = np.ones((30, 2))
    score = novelty.calibrate(score, parts, parts)
    assert score.knows(total(score, parts)).all()


def test_it_is_read_as_it_was_written_or_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert novelty.load(run) is None
    rows, label = drawn(60, 12)
    parts = np.random.default_rng(0).random((30, 2))
    score = novelty.calibrate(novelty.fit(rows, label), parts, parts)
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


def test_damaged_arrays_are_told_or_are_what_they_were(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows, label = drawn(60, 4)
    parts = np.random.default_rng(0).random((30, 2))
    score = novelty.calibrate(novelty.fit(rows, label), parts, parts)
    novelty.save(run, score, {})
    whole = run.novelty_arrays.read_bytes()
    refused = 0
    flipped = [
        whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        for at in range(len(whole))
    ]
    for damaged in [*flipped, *(whole[:end] for end in range(0, len(whole), 50))]:
        run.novelty_arrays.write_bytes(damaged)
        try:
            read = novelty.load(run)
        except UserError:
            refused += 1
        else:
            # What has no meaning, as the time in an archive, may be another.
            assert read is not None
            for name in ("mean", "directions", "classes", "offsets"):
                np.testing.assert_array_equal(getattr(read, name), getattr(score, name))
    assert refused > len(whole) / 2


@pytest.mark.parametrize("rate", [0, 1, -1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(UserError, match="false_alarms"):
        novelty.check(rate)


def test_without_classes_it_is_the_distance_to_the_mean_of_all() -> None:
    rows, _ = drawn(90, 20)
    asked = np.random.default_rng(1).normal(size=(9, 20)).astype(np.float32)
    score = novelty.fit(rows, None)
    (found,) = score.parts(asked)
    expected = by_definition(rows, np.zeros(90, int), asked)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4)
    # Logits, of whatever they are, change nothing.
    np.testing.assert_array_equal(score(asked, asked), score(asked))
    assert not score.uses_logits and "energy" not in score.about()["method"]


@pytest.mark.parametrize("n", [19, 50, 120])
def test_over_splits_of_drawn_features_the_rate_without_classes_is_kept(n: int) -> None:
    """All held-out images set the limit, as one part needs no spread."""
    rng = np.random.default_rng(n)
    mixed = rng.normal(size=(40, 12))
    features = (rng.standard_t(4, size=(n + 160, 40)) @ mixed).astype(np.float32)
    alarms = []
    for _ in range(200):
        order = rng.permutation(len(features))
        train, held_out, new = np.split(features[order], [60, 60 + n])
        score = novelty.fit(train, None)
        given = (np.stack(score.parts(rows), axis=1) for rows in (held_out, train))
        score = novelty.calibrate(score, *given)
        knows = score.knows(np.asarray(score(new)))
        assert knows is not None and score.n == n
        alarms.append(1 - knows.mean())
    exact = np.floor(0.05 * (n + 1) + 1e-9) / (n + 1)
    assert exact <= 0.05
    assert abs(np.mean(alarms) - exact) < 4 * np.std(alarms) / np.sqrt(200)


def test_a_score_of_one_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    run, (rows, label) = RunFolder(tmp_path), drawn(60, 12)
    score = novelty.fit(rows, None)
    parts = np.stack(score.parts(rows), axis=1)
    novelty.save(run, novelty.calibrate(score, parts[30:], parts[:30]), {})
    read = novelty.load(run)
    assert read is not None and read.spreads == (1.0,)
    assert read.about()["method"] == novelty.DISTANCE
    # That of single classes says what it always said.
    assert novelty.fit(rows, label).about()["method"] == novelty.METHOD
    told = json.loads(run.novelty.read_text())
    run.novelty.write_text(json.dumps({**told, "spreads": []}))
    with pytest.raises(UserError, match="remove them"):
        novelty.load(run)
