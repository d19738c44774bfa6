"""Metrics against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tfpipeline.metrics import classification


def test_known_answers() -> None:
    logits = np.log([[0.7, 0.2, 0.1, 1e-9], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
    result = classification.classification(logits, np.array([0, 0, 2]), "abcd")
    assert result["accuracy"] == pytest.approx(1 / 3)
    assert result["top_3_accuracy"] == pytest.approx(2 / 3)
    assert result["loss"] == pytest.approx(-np.log([0.7, 0.1, 0.2]).mean(), rel=1e-6)
    assert result["n"] == 3
    assert result["classes"]["a"] == {"recall": 0.5, "precision": 0.5, "n": 2}
    assert result["classes"]["b"] == {"recall": None, "precision": None, "n": 0}


@given(arrays(np.float64, (3, 5), elements=st.floats(-1e6, 1e6)))
def test_probabilities_sum_to_one_whatever_the_logits(logits: np.ndarray) -> None:
    chance = classification.probabilities(logits)
    np.testing.assert_allclose(chance.sum(axis=1), 1, rtol=1e-9)
    assert (chance >= 0).all()
    np.testing.assert_allclose(
        classification.probabilities(logits + 7), chance, atol=1e-6
    )


@given(arrays(np.float64, (4, 6), elements=st.floats(-9, 9)), st.integers(1, 8))
def test_top_k_is_the_start_of_the_whole_ranking(logits: np.ndarray, k: int) -> None:
    best = classification.top_k(logits, k)
    assert best.shape == (4, min(k, 6))
    picked = np.take_along_axis(logits, best, 1)
    assert (np.diff(picked, axis=1) <= 0).all()
    np.testing.assert_array_equal(best[:, 0], logits.argmax(axis=1))


@given(
    arrays(np.float64, (4, 6), elements=st.integers(-2, 2).map(float)),
    st.integers(1, 8),
    st.booleans(),
)
def test_the_few_best_are_those_of_a_stable_sort(
    logits: np.ndarray, k: int, endless: bool
) -> None:
    if endless:
        logits[1, 2:] = -np.inf
    expected = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(classification.top_k(logits, k), expected)


def test_two_classes_have_a_full_top_3() -> None:
    result = classification.classification(np.eye(2), np.array([1, 0]), ["x", "y"])
    assert result["accuracy"] == 0 and result["top_3_accuracy"] == 1
