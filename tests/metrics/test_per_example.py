"""What is said of single examples agrees with what is said of all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import classification, per_example


def test_single_answers_come_to_the_metrics_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    logits, label = rng.normal(0, 2, (200, 5)), rng.integers(0, 5, 200)
    judged = per_example.judge(logits, label, temperature=2.0)
    whole = classification.classification(logits, label, [*"abcde"])
    assert judged.loss.mean() == pytest.approx(whole["loss"])
    assert (judged.called == label).mean() == whole["accuracy"]
    top = (judged.best == label[:, None]).any(1).mean()
    assert top == whole["top_3_accuracy"]
    assert np.allclose(judged.own, np.exp(-judged.loss))
    assert np.array_equal(judged.best, classification.top_k(logits, 3))
    assert (np.diff(judged.chance, axis=1) <= 0).all()
    cooled = classification.probabilities(logits / 2).max(1)
    assert np.allclose(judged.confidence, cooled)


def test_of_equal_logits_the_first_class_is_named() -> None:
    judged = per_example.judge(np.zeros((4, 5)), np.arange(4))
    assert (judged.best == [0, 1, 2]).all()


def test_pieces_and_joins_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    logits, label = rng.normal(0, 2, (50, 2)), rng.integers(0, 2, 50)
    whole = per_example.judge(logits, label)
    monkeypatch.setattr(per_example, "_CHUNK", 7)
    pieces = per_example.judge(logits, label)
    for name, value in vars(whole).items():
        assert np.array_equal(value, getattr(pieces, name)), name
    both = per_example.joined([whole, pieces])
    assert len(both.label) == 100 and both.best.shape == (100, 2)


def test_a_turned_label_is_found_and_what_it_was_is_named() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    chance = classification.probabilities(
        4 * np.eye(3)[truth] + rng.normal(0, 0.3, (120, 3))
    )
    label = truth.copy()
    turned = [5, 50, 100]
    label[turned] = (truth[turned] + 1) % 3
    other, suspicion = per_example.suspect(chance, label)
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
    other, _ = per_example.suspect(chance, label)
    assert other.tolist() == [-1, -1, -1, -1, 1]
    # The same margin the other way round is not as much as its class usually has.
    other, _ = per_example.suspect(
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
    other, suspicion = per_example.suspect(chance, label)
    found = np.flatnonzero(other >= 0)
    assert (other[found] != label[found]).all() and (other[found] < classes - 1).all()
    margin = chance[found, other[found]] - chance[found, label[found]]
    assert np.allclose(suspicion[found], margin) and (margin > 0).all()
    assert (suspicion[other < 0] == 0).all()
