"""Suspected labels: those that were turned round, and no others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import classification, label_errors


def test_a_turned_label_is_found_and_what_it_was_is_named() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    chance = classification.probabilities(
        4 * np.eye(3)[truth] + rng.normal(0, 0.3, (120, 3))
    )
    label = truth.copy()
    turned = [5, 50, 100]
    label[turned] = (truth[turned] + 1) % 3
    other, suspicion = label_errors.suspect(chance, label)
    assert set(turned) <= set(np.flatnonzero(other >= 0))
    assert (other[turned] == truth[turned]).all()
    assert set(np.argsort(-suspicion)[:3]) == set(turned)
    right = np.delete(np.arange(120), turned)
    assert (other[right] == -1).all() and (suspicion[right] == 0).all()


def test_a_class_that_is_always_unsure_suspects_at_less() -> None:
    """.6 is much for the second class, and little for the first."""
    chance = np.array(
        [[0.95, 0.05], [0.97, 0.03], [0.45, 0.55], [0.4, 0.6], [0.4, 0.6]]
    )
    label = np.array([0, 0, 1, 1, 0])
    other, _ = label_errors.suspect(chance, label)
    assert other.tolist() == [-1, -1, -1, -1, 1]
    # The same margin the other way round is not as much as its class usually has.
    other, _ = label_errors.suspect(
        np.array([*chance[:4].tolist(), [0.6, 0.4]]), np.array([0, 0, 1, 1, 1])
    )
    assert other.tolist() == [-1, -1, -1, -1, -1]


@given(st.integers(0, 99), st.integers(2, 6))
def test_what_is_suspected_is_another_class_and_likelier(
    seed: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    chance = classification.probabilities(rng.normal(0, 2, (30, classes)))
    label = rng.integers(0, classes - 1, 30)  # One class has no example.
    other, suspicion = label_errors.suspect(chance, label)
    found = np.flatnonzero(other >= 0)
    assert (other[found] != label[found]).all() and (other[found] < classes - 1).all()
    margin = chance[found, other[found]] - chance[found, label[found]]
    assert np.allclose(suspicion[found], margin) and (margin > 0).all()
    assert (suspicion[other < 0] == 0).all()
