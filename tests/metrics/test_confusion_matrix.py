"""Confusions: every answer is counted once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import confusion_matrix


@given(st.integers(0, 99), st.integers(2, 8), st.integers(1, 8))
def test_every_answer_is_counted_once(seed: int, classes: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    label, called = rng.integers(0, classes, (2, 50))
    pairs = confusion_matrix.pairs(label, called, classes)
    whole = np.zeros((classes, classes), int)
    np.add.at(whole, (label, called), 1)
    assert pairs[:, 2].sum() == 50 and (np.diff(pairs[:, 2]) <= 0).all()
    assert all(whole[a, b] == n for a, b, n in pairs.tolist())
    shown = confusion_matrix.hardest(label, called, classes, most)
    assert len(shown) == min(most, classes) and (np.diff(shown) > 0).all()
    matrix = confusion_matrix.matrix(pairs, shown)
    assert np.array_equal(matrix[:, :-1], whole[np.ix_(shown, shown)])
    assert np.array_equal(matrix.sum(1), whole[shown].sum(1))


def test_the_classes_with_most_errors_are_shown() -> None:
    label = np.array([0, 0, 1, 2, 3, 3])
    called = np.array([0, 0, 1, 3, 2, 3])
    assert confusion_matrix.hardest(label, called, 4, 2).tolist() == [2, 3]
