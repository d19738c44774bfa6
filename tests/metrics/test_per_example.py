"""What is said of single examples agrees with what is said of all."""

import numpy as np
import pytest

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
