"""What is watched after an epoch: closed forms, and a one-hot row is a hard label."""

import numpy as np
import pytest

from tfpipeline.metrics import classification, epoch_metrics
from tfpipeline.metrics.epoch_metrics import Loss


def logits_of(classes: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, classes)).astype(np.float32) * 3


@pytest.mark.parametrize("weighted", [False, True])
def test_one_hot_shares_give_the_figures_of_classes_bit_for_bit(weighted) -> None:
    rng = np.random.default_rng(1)
    label, logits = rng.integers(0, 4, 50), logits_of()
    weight = rng.uniform(0.5, 3, 50) if weighted else None
    hot = np.eye(4, dtype=np.float32)[label]
    soft = epoch_metrics.watched(Loss(target="soft"), logits, hot, weight)
    single = epoch_metrics.watched(Loss(), logits, label, weight)
    assert soft == single
    assert single == classification.loss_and_accuracy(logits, label, weight)


def test_the_cross_entropy_of_shares_is_least_where_they_are_predicted() -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(4), 50)
    logs = np.log(shares)
    least = epoch_metrics.soft_cross_entropy(logs, shares)
    assert least == pytest.approx(-(shares * logs).sum(1).mean())
    moved = epoch_metrics.soft_cross_entropy(logs + 0.1 * logits_of(), shares)
    assert moved > least


def test_several_labels_by_hand() -> None:
    logits = np.array([[2.0, -1], [-2, 1], [1, 1]])
    values = np.array([[1, 0], [0, 1], [0, 1.0]])
    found = epoch_metrics.watched(Loss("bce", "multi"), logits, values)
    each = np.log1p(np.exp(np.where(values > 0, -logits, logits)))
    assert found["loss"] == pytest.approx(each.mean())
    assert found["label_accuracy"] == pytest.approx(5 / 6)
    # Both classes have their images first.
    assert found["mAP"] == 1.0
    none = epoch_metrics.watched(Loss("bce", "multi"), logits, 0 * values)
    assert np.isnan(none["mAP"])


def test_numbers_by_hand() -> None:
    outputs, values = np.array([[3.0], [10.0]]), np.array([[1.0], [2.0]])
    huber = epoch_metrics.watched(Loss("huber", "number", scale=4.0), outputs, values)
    # Errors of a half and of two standard deviations.
    assert huber == {"loss": (0.125 + 1.5) / 2, "mae": 5.0}
    mse = epoch_metrics.watched(Loss("mse", "number", scale=4.0), outputs, values)
    assert mse["loss"] == (0.25 + 4) / 2


@pytest.mark.parametrize("target", ["multi", "number", "soft"])
def test_a_weight_of_2_is_the_row_twice(target: str) -> None:
    rng = np.random.default_rng(3)
    outputs = logits_of(1 if target == "number" else 3)
    values = (rng.random(outputs.shape) < 0.4).astype(np.float32)
    if target == "soft":
        values = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 50)]
    weight = rng.integers(1, 4, 50).astype(float)
    twice = np.repeat(np.arange(50), weight.astype(int))
    loss = Loss({"multi": "bce", "number": "mse"}.get(target, "cross_entropy"), target)
    one = epoch_metrics.watched(loss, outputs, values, weight)
    other = epoch_metrics.watched(loss, outputs[twice], values[twice])
    assert one == pytest.approx(other, rel=1e-12)
