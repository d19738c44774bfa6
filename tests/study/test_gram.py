"""Moments of features, read block by block, are those of all of them at once."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.study import gram, lda, probes, transferability
from tfpipeline.study.heads import pca, search
from tfpipeline.study.heads.space import Head


class Drawn:
    """Rows that exist while they are read alone; it counts how many are at a time."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.most = values, values.shape, 0

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        rows = self.values[chosen]
        self.most = max(self.most, len(rows))
        return rows


def data(count: int, width: int, classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, count)
    turn = rng.normal(size=(width, width))
    features = rng.normal(size=(count, width)) @ turn + 1000
    return (features + 2 * rng.normal(size=(classes, width))[label]), label


@settings(deadline=None)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 8),
    classes=st.integers(1, 7),
    cells=st.integers(1, 100),
    seed=st.integers(0, 999),
)
def test_moments_in_any_blocks_are_those_of_all_rows(
    count, width, classes, cells, seed
) -> None:
    features, label = data(count, width, classes, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram, "CELLS", cells)
        found = gram.gather(features, label, classes)
    mean = features.mean(axis=0)
    targets, x = np.eye(classes)[label], features - mean
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.matrix, x.T @ x, atol=1e-7)
    np.testing.assert_allclose(found.sums, targets.T @ x, atol=1e-8)
    np.testing.assert_array_equal(found.counts, targets.sum(axis=0))


def test_rows_far_from_zero_lose_no_digits() -> None:
    rng = np.random.default_rng(0)
    small = rng.normal(size=(5000, 3))
    near, far = (
        gram.gather(small + shift, np.zeros(5000, int), 1).matrix for shift in (0, 1e7)
    )
    np.testing.assert_allclose(far, near, rtol=1e-6, atol=1e-3)


def test_everything_that_learns_reads_blocks_and_gives_the_same(monkeypatch) -> None:
    features, label = data(300, 6, 4)
    whole = [fit(features, label) for fit in WAYS]
    monkeypatch.setattr(gram, "CELLS", 6 * 40)
    monkeypatch.setattr(probes, "_BLOCK", 40)
    rows = Drawn(features)
    for fit, expected in zip(WAYS, whole):
        np.testing.assert_allclose(fit(rows, label), expected, rtol=1e-6, atol=1e-7)
    assert 0 < rows.most <= 40


@settings(deadline=None)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 8),
    columns=st.integers(1, 5),
    cells=st.integers(1, 100),
    seed=st.integers(0, 999),
)
def test_moments_with_values_in_any_blocks_are_those_of_all_rows(
    count, width, columns, cells, seed
) -> None:
    features, _ = data(count, width, 3, seed)
    values = np.random.default_rng(seed).normal(1e5, 1, (count, columns))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram, "CELLS", cells)
        found = gram.gather_values(Drawn(features), values)
    x = features - features.mean(axis=0)
    centred = values - values.mean(axis=0)
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.matrix, x.T @ x, atol=1e-7)
    np.testing.assert_allclose(found.sums, centred.T @ x, atol=1e-6)
    np.testing.assert_allclose(found.counts, 0, atol=1e-6)


def test_one_hot_values_have_the_moments_of_classes() -> None:
    features, label = data(50, 4, 3)
    classes = gram.gather(features, label, 3)
    found = gram.gather_values(features, np.eye(3)[label])
    np.testing.assert_allclose(found.matrix, classes.matrix, rtol=1e-9)
    np.testing.assert_allclose(found.sums, classes.sums, atol=1e-9)


def _heads(features, label):
    program = search.Program([Head(0.01), Head(0.02, hidden=3)], 6, 4)
    # Fewer rows than a block has are used.
    trained = program.train(features, label, steps=2, batch_size=16)
    answers = trained.answers(features, label)
    return np.concatenate([answers.classes, answers.sure])


WAYS = (
    lambda x, y: probes.fit_probe(x, y, 4).kernel,
    lambda x, y: lda.fit_lda(x, y, gram.gather(x, y, 4)).kernel,
    lambda x, y: pca.fit(x, 3)(np.ones((1, 6))),
    lambda x, y: transferability.logme(x, y, 4),
    lambda x, y: probes.neighbours(x, y, x[:5], 4, 3),
    lambda x, y: probes.fit_values(x, np.eye(4)[y]).kernel,
    lambda x, y: probes.neighbour_means(x, np.eye(4)[y], x[:5], 3),
    lambda x, y: probes.answers(lambda z: z[:, :4], x, 4),
    lambda x, y: transferability.logme_of_numbers(x, y[:, None]),
    lambda x, y: probes.accuracy(lambda z: z[:, :4], x, y, 4),
    _heads,
)


def test_memory_does_not_grow_with_the_rows() -> None:
    class Endless(Drawn):
        def __init__(self, count: int) -> None:
            self.shape, self.count = (count, 8), count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, chosen):
            chosen = np.arange(self.count)[chosen] % 1009
            return np.sin(chosen[:, None] * np.arange(1.0, 9.0))

    peaks = []
    for count in (20_000, 200_000):
        rows, label = Endless(count), np.arange(count, dtype=np.int32) % 5
        tracemalloc.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gram, "CELLS", 2**13)
            patch.setattr(probes, "LEFT_OUT", 1000)
            moments = gram.gather(rows, label, 5)
            probes.fit_probe(rows, label, 5, gram=moments)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Labels, and positions among them, take 8 bytes an example or so; features 64.
    assert peaks[1] - peaks[0] < 180_000 * 32
