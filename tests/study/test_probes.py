"""Closed forms against what they stand for, computed another way."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.study import probes


def data(count: int, width: int, classes: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % classes
    features = rng.normal(size=(count, width)) + 5
    features[np.arange(count), label] += 2
    return features.astype(np.float32), label


def solution(features, label, classes, ridge):
    """Return kernel and bias of the same problem, from its normal equations."""
    x, count = np.asarray(features, np.float64), len(features)
    centred = x - x.mean(0)
    extended = np.c_[x, np.ones(count)]
    penalty = np.eye(x.shape[1] + 1) * ridge * (centred**2).sum() / count
    penalty[-1, -1] = 0
    both = np.linalg.solve(
        extended.T @ extended + penalty, extended.T @ np.eye(classes)[label]
    )
    return both[:-1], both[-1]


@pytest.mark.parametrize("count, width", [(40, 7), (12, 50), (20, 20)])
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 100.0])
def test_a_probe_is_the_float64_solution(count, width, ridge) -> None:
    features, label = data(count, width)
    found = probes.fit_probe(features, label, 3, [ridge])
    kernel, bias = solution(features, label, 3, ridge)
    np.testing.assert_allclose(found.kernel, kernel, atol=1e-7)
    np.testing.assert_allclose(found.bias, bias, atol=1e-6)
    scores = np.asarray(features, np.float64) @ kernel + bias
    np.testing.assert_allclose(found.scores(features), scores, atol=1e-7)


@pytest.mark.parametrize("count, width", [(15, 4), (9, 30)])
def test_leaving_one_out_is_exact(count, width) -> None:
    features, label = data(count, width)
    x = np.asarray(features, np.float64)
    total = ((x - x.mean(0)) ** 2).sum() / count
    found = probes.fit_probe(features, label, 3, [0.01, 1.0])
    for ridge, told in zip([0.01, 1.0], found.errors):
        squares = []
        for out in range(count):
            rest = np.arange(count) != out
            own = x[rest]
            own_total = ((own - own.mean(0)) ** 2).sum() / (count - 1)
            kernel, bias = solution(own, label[rest], 3, ridge * total / own_total)
            squares.append(
                ((x[out] @ kernel + bias - np.eye(3)[label[out]]) ** 2).sum()
            )
        assert told == pytest.approx(np.mean(squares), rel=1e-8)
    assert found.ridge == [0.01, 1.0][int(np.argmin(found.errors))]


def test_equal_features_and_few_examples_are_no_error() -> None:
    flat = probes.fit_probe(np.ones((4, 5)), np.array([0, 1, 0, 1]), 2)
    np.testing.assert_allclose(flat.scores(np.ones((1, 5))), [[0.5, 0.5]])
    features, label = data(3, 10)
    one_each = probes.fit_probe(features, label, 3)
    assert probes.accuracy(one_each.scores, features, label, 3) == 1


def test_the_nearest_neighbour_is_found_by_its_direction() -> None:
    features = np.array([[1.0, 0], [0, 1], [-1, 0]])
    asked = np.array([[100.0, 1], [0.1, 5], [-3, 0.2]])
    votes = probes.neighbours(features, np.array([2, 0, 1]), asked, 3, 1)
    assert votes.argmax(1).tolist() == [2, 0, 1]
    assert ((votes > 0).sum(1) == 1).all()


def test_neighbours_vote_as_in_the_definition() -> None:
    features, label = data(20, 6)
    asked, _ = data(5, 6, seed=1)
    votes = probes.neighbours(features, label, asked, 3, 4)
    for one, found in zip(asked, votes):
        cosines = features @ one / np.linalg.norm(features, axis=1)
        cosines = cosines / np.linalg.norm(one)
        best = np.argsort(-cosines)[:4]
        own = np.zeros(3)
        for i in best:
            own[label[i]] += np.exp(cosines[i] / 0.07)
        np.testing.assert_allclose(found / found.sum(), own / own.sum(), rtol=1e-4)
    everything = probes.neighbours(features, label, asked, 3, 1000)
    assert np.isfinite(everything).all() and (everything > 0).all()


def naive(features, label, asked, classes, count):
    """Return the same votes from all products at once, sorted stably."""
    one, two = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
        for x in (np.asarray(asked, float), np.asarray(features, float))
    )
    alike = (one[:, None] * two[None]).sum(axis=-1)
    found = np.zeros((len(asked), classes))
    for row, votes in zip(alike, found):
        nearest = np.argsort(-row, kind="stable")[:count]
        for i in nearest:
            votes[label[i]] += np.exp((row[i] - row[nearest[0]]) / 0.07)
    return found


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(*[st.integers(1, 25)] * 2, st.integers(1, 9)),
    levels=st.integers(1, 4),
    count=st.integers(1, 50),
    blocks=st.tuples(st.integers(1, 17), st.integers(1, 300)),
)
def test_neighbours_in_any_blocks_are_exactly_the_naive_ones_ties_included(
    seed, sizes, levels, count, blocks
) -> None:
    rng = np.random.default_rng(seed)
    asked, features = (rng.integers(0, levels, (n, sizes[2])) for n in sizes[:2])
    # Every label is its own: a vote tells which of equally near ones it is from.
    label = rng.permutation(sizes[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "_BLOCK", blocks[0])
        patch.setattr(probes, "_CELLS", blocks[1])
        votes = probes.neighbours(features, label, asked, sizes[1], count)
    expected = naive(features, label, asked, sizes[1], min(count, sizes[1]))
    np.testing.assert_array_equal(votes, expected)


def peak(call) -> int:
    """Return the bytes that a call takes at most, beyond what was there."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_for_neighbours_does_not_grow_with_both_sides(monkeypatch) -> None:
    monkeypatch.setattr(probes, "_BLOCK", 256)
    monkeypatch.setattr(probes, "_CELLS", 2**14)
    features, label = data(3000, 8)
    asked, _ = data(2000, 8, seed=1)
    most = peak(lambda: probes.neighbours(features, label, asked, 3, 5))
    assert most < 8 * len(features) * len(asked) / 20


def test_equal_features_are_equally_near_wherever_they_stand_in_a_block() -> None:
    rng = np.random.default_rng(0)
    one, asked = rng.normal(size=(1, 1280)), rng.normal(size=(37, 1280))
    features = np.repeat(one, 3001, axis=0)
    votes = probes.neighbours(features, np.arange(3001), asked, 3001, 3)
    assert (votes == (np.arange(3001) < 3)).all()


def test_a_row_of_zeros_is_no_error() -> None:
    votes = probes.neighbours(np.zeros((2, 3)), np.array([0, 1]), np.ones((1, 3)), 2, 2)
    assert np.isfinite(votes).all()


def test_accuracy_of_nothing_is_no_number() -> None:
    assert np.isnan(probes.share(np.zeros(0, bool)))
    features, label = np.array([[1.0, 2], [3, 1]]), np.array([1, 1])
    assert probes.accuracy(lambda x: x, features, label, 2) == 0.5


def test_a_ridge_that_some_examples_choose_fits_all_of_them(monkeypatch) -> None:
    features, label = data(400, 6)
    features = features + np.random.default_rng(1).normal(size=features.shape) * 3
    whole = probes.fit_probe(features, label, 3)
    monkeypatch.setattr(probes, "LEFT_OUT", 100)
    some = probes.fit_probe(features, label, 3)
    assert whole.errors != some.errors
    np.testing.assert_allclose(some.errors, whole.errors, rtol=0.3)
    kernel, bias = solution(features, label, 3, some.ridge)
    np.testing.assert_allclose(some.kernel, kernel, atol=1e-7)
    np.testing.assert_allclose(some.bias, bias, atol=1e-6)


@pytest.mark.parametrize("count, width", [(40, 7), (12, 50)])
def test_one_hot_rows_have_the_probe_of_single_classes(count, width) -> None:
    features, label = data(count, width)
    classes = probes.fit_probe(features, label, 3)
    several = probes.fit_values(features, np.eye(3, dtype=np.float32)[label])
    assert several.ridge == classes.ridge
    np.testing.assert_allclose(several.errors, classes.errors, rtol=1e-9)
    np.testing.assert_allclose(
        several.scores(features), classes.scores(features), atol=1e-9
    )


@pytest.mark.parametrize("count, width", [(60, 7), (12, 50)])
@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_the_probe_of_a_number_is_the_ridge_regression_of_scikit_learn(
    count, width, shift
) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    features, _ = data(count, width)
    rng = np.random.default_rng(2)
    numbers = features[:, :1] * 3 + rng.normal(shift, 1, (count, 1))
    found = probes.fit_values(features, numbers)
    x = np.asarray(features, np.float64)
    penalty = found.ridge * ((x - x.mean(0)) ** 2).sum() / count
    theirs = linear.Ridge(penalty, solver="svd").fit(x, numbers[:, 0])
    asked = rng.normal(size=(9, width))
    expected = theirs.predict(asked)
    np.testing.assert_allclose(
        found.scores(asked)[:, 0], expected, rtol=1e-9, atol=1e-6
    )
    # Of all ridges it is the one that is best at what was left out.
    every = [
        linear.Ridge(penalty / found.ridge * r, solver="svd") for r in probes.RIDGES
    ]
    errors = []
    for model in every:
        rest = [
            model.fit(np.delete(x, i, 0), np.delete(numbers[:, 0], i)).predict(x[[i]])
            - numbers[i]
            for i in range(count)
        ]
        errors.append(float(np.square(rest).mean()))
    np.testing.assert_allclose(found.errors, errors, rtol=1e-5)


def test_neighbours_answer_the_mean_of_their_values() -> None:
    features = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [-1, 0]])
    values = np.array([[1.0, 10], [0, 20], [1, 30], [1, 40]])
    asked = np.array([[1.0, 0], [0, 2]])
    one = probes.neighbour_means(features, values, asked, 1)
    np.testing.assert_array_equal(one, values[[0, 2]])
    cosine = 0.9 / np.hypot(0.9, 0.1)
    vote = np.exp((cosine - 1) / probes.VOTE_TEMPERATURE)
    two = probes.neighbour_means(features, values, asked[:1], 2)
    expected = (values[0] + vote * values[1]) / (1 + vote)
    np.testing.assert_allclose(two[0], expected, rtol=1e-9)


def test_means_of_one_hot_values_are_shares_of_the_votes_for_classes() -> None:
    features, label = data(40, 6)
    votes = probes.neighbours(features, label, features[:9], 3, 5)
    means = probes.neighbour_means(features, np.eye(3)[label], features[:9], 5)
    np.testing.assert_allclose(means, votes / votes.sum(axis=1, keepdims=True))
