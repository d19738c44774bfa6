"""Whole groups are allocated, and classes are as even as the groups allow."""

import itertools
import warnings

import numpy as np
import pytest

from tfpipeline.data.grouping import allocation
from tfpipeline.metrics import folds

SHARES = [0.7, 0.1, 0.2]


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return groups and classes: of some draws a group has one class, mostly."""
    rng = np.random.default_rng(seed)
    count, groups, classes = (
        int(rng.integers(*limits)) for limits in ((40, 300), (8, 60), (2, 8))
    )
    group = rng.integers(0, groups, count)
    label = rng.integers(0, classes, count)
    if seed % 2:
        label = (group + (rng.random(count) < 0.2)) % classes
    return group, np.unique(label, return_inverse=True)[1]


def shares_of(part: np.ndarray, label: np.ndarray, parts: int) -> np.ndarray:
    """Return which share of each class is in each part, shape (parts, classes)."""
    counts = np.zeros((parts, label.max() + 1))
    np.add.at(counts, (part, label), 1)
    return counts / counts.sum(axis=0)


def test_no_group_straddles_two_parts_over_500_draws() -> None:
    for seed in range(500):
        group, label = drawn(seed)
        shares = SHARES if seed % 3 else [0.2] * 5
        part = allocation.allocate(group, label, shares, seed)
        assert len(np.unique(np.stack([group, part]), axis=1).T) == len(
            np.unique(group)
        )
        assert 0 <= part.min() and part.max() < len(shares)
        assert (shares_of(part, label, len(shares))[0] > 0).all()


def scikit_learn(group: np.ndarray, label: np.ndarray, parts: int) -> np.ndarray:
    """Return the folds of its StratifiedGroupKFold."""
    selection = pytest.importorskip("sklearn.model_selection")
    placed = np.empty(len(label), int)
    with warnings.catch_warnings():
        # Of classes that are in too few folds.
        warnings.simplefilter("ignore", UserWarning)
        splitter = selection.StratifiedGroupKFold(parts)
        for number, (_, held_out) in enumerate(splitter.split(label, label, group)):
            placed[held_out] = number
    return placed


def test_folds_are_more_even_than_those_of_scikit_learn() -> None:
    ours, theirs = (
        np.array(
            [
                shares_of(divide(*drawn(seed), seed), drawn(seed)[1], 5)
                .std(axis=0)
                .mean()
                for seed in range(60)
            ]
        )
        for divide in (
            lambda g, y, seed: allocation.allocate(g, y, [0.2] * 5, seed),
            lambda g, y, seed: scikit_learn(g, y, 5),
        )
    )
    assert ours.mean() < 0.95 * theirs.mean()
    assert (ours <= theirs + 1e-12).mean() > 0.8


def test_figures_over_folds_are_those_of_scikit_learn() -> None:
    """The same folds of the same features, by our figures and by its own."""
    model, scores, selection = (
        pytest.importorskip(f"sklearn.{name}")
        for name in ("linear_model", "metrics", "model_selection")
    )
    group, label = drawn(2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(label), 6)) + np.eye(label.max() + 1, 6)[label]
    fold = 1 + allocation.allocate(group, label, [0.2] * 5, 0)
    each = selection.PredefinedSplit(fold)
    classifier = model.LogisticRegression(max_iter=500)
    assert each.get_n_splits() == 5
    theirs = {
        name: selection.cross_val_score(classifier, x, label, cv=each, scoring=name)
        for name in ("accuracy", "neg_log_loss")
    }
    logits = np.empty((len(label), label.max() + 1))
    for number in range(1, 6):
        own = fold == number
        assert set(label[~own]) == set(range(label.max() + 1))
        logits[own] = classifier.fit(x[~own], label[~own]).predict_log_proba(x[own])
    summary = folds.summarize(logits, label, fold, [str(g) for g in group])
    assert [row["accuracy"] for row in summary["scores"]] == pytest.approx(
        theirs["accuracy"].tolist(), abs=1e-9
    )
    assert [row["loss"] for row in summary["scores"]] == pytest.approx(
        (-theirs["neg_log_loss"]).tolist(), abs=1e-9
    )
    assert summary["accuracy"] == pytest.approx(
        scores.accuracy_score(label, logits.argmax(axis=1)), abs=1e-9
    )


def test_of_few_groups_the_best_allocation_is_nearly_found() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(8), rng.integers(2, 9, 8))
        label = rng.integers(0, 2, len(group))
        table = allocation._Table(group, label, np.array([0.75, 0.25]))
        every = [
            table.deviation(np.array(parts))
            for parts in itertools.product((0, 1), repeat=8)
        ]
        part = allocation.allocate(group, label, [0.75, 0.25], seed)
        found = table.deviation(part[np.searchsorted(group, np.arange(8))])
        assert found <= sorted(every)[3] + 1e-12


def test_images_without_a_group_are_divided_class_by_class() -> None:
    label = np.repeat([0, 1, 2], [50, 100, 30])
    part = allocation.allocate(np.arange(180), label, SHARES, 0)
    counts = [np.bincount(part[label == c], minlength=3).tolist() for c in range(3)]
    assert counts == [[35, 5, 10], [70, 10, 20], [21, 3, 6]]
    another = allocation.allocate(np.arange(180), label, SHARES, 1)
    assert not np.array_equal(part, another)
    assert np.array_equal(part, allocation.allocate(np.arange(180), label, SHARES, 0))


def test_single_images_even_out_what_groups_leave() -> None:
    group = np.r_[np.zeros(8, int), np.arange(1, 33)]
    part = allocation.allocate(group, np.zeros(40, int), [0.5, 0.5], 3)
    assert np.bincount(part).tolist() == [20, 20]


@pytest.mark.parametrize("seed", range(20))
def test_training_has_every_class_and_the_others_where_there_are_groups(seed) -> None:
    group = np.r_[np.repeat(np.arange(12), 9), np.repeat(12, 4), np.repeat([13, 14], 2)]
    label = np.r_[np.repeat([0, 1], 54), np.full(4, 2), np.full(4, 3)]
    counts = shares_of(allocation.allocate(group, label, SHARES, seed), label, 3)
    assert (counts[0] > 0).all()
    assert (counts[:, :2] > 0).all()
    assert (counts[:, 3] > 0).sum() == 2


def test_three_hundred_thousand_examples_take_no_time_that_grows_as_a_square() -> None:
    label = np.arange(300_000) % 1000
    for group in (np.arange(300_000), np.arange(300_000) // 10):
        part = allocation.allocate(group, label, SHARES, 0)
        assert np.bincount(part).tolist() == [210_000, 30_000, 60_000]


def test_sizes_of_parts_are_evened_and_even_ones_stay() -> None:
    shares = [0.7, 0.1, 0.2]
    rng = np.random.default_rng(0)
    for count in (5, 80, 131, 400):
        label = np.arange(count) * 10 // count
        group = np.arange(count)
        group[: count // 10 * 2] //= 2  # Pairs stay together.
        before = allocation.allocate(group, label, shares, 1)
        part = allocation.evened(before, group, label, shares, 1)
        sizes = np.bincount(part, minlength=3)
        assert np.abs(sizes - np.multiply(shares, count)).max() < max(1, 0.005 * count)
        for name in np.unique(group):
            assert len(set(part[group == name])) == 1
        again = allocation.evened(part, group, label, shares, 2)
        np.testing.assert_array_equal(again, part)
    # Where nothing is alone, nothing moves.
    pairs = np.repeat(np.arange(20), 2)
    part = rng.integers(0, 3, 20)[pairs]
    kept = allocation.evened(part, pairs, pairs, shares, 1)
    np.testing.assert_array_equal(kept, part)
