"""The accuracy over folds, and an interval that is not too narrow."""

import math

import numpy as np
import pytest

from tfpipeline.metrics import folds
from tfpipeline.metrics.significance import wilson


def test_the_interval_is_that_of_nadeau_and_bengio() -> None:
    values = [0.8, 0.9, 0.7, 0.85, 0.75]
    # Their formula, with n2 / n1 = 1 / 4 and t at 4 degrees of freedom.
    half = 2.776 * math.sqrt((1 / 5 + 1 / 4) * np.var(values, ddof=1))
    low, high = folds.interval(0.8, values, 100_000)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half))


def test_folds_that_agree_by_chance_leave_the_interval_of_their_draws() -> None:
    assert folds.interval(1.0, [1.0] * 5, 40) == pytest.approx(wilson(40, 40))
    assert folds.interval(0.5, [0.5] * 5, 10) == pytest.approx(wilson(5, 10))
    low, high = folds.interval(0.6, [0.0, 1.0], 10)
    assert (low, high) == (0, 1)


def test_the_summary_counts_each_image_once() -> None:
    rng = np.random.default_rng(0)
    label, fold = rng.integers(0, 3, 60), np.arange(60) % 4 + 1
    logits = rng.normal(size=(60, 3)) + 2 * np.eye(3)[label]
    group = [str(i // 6) for i in range(60)]
    told = folds.summarize(logits, label, fold, group)
    right = logits.argmax(axis=1) == label
    assert told["accuracy"] == pytest.approx(right.mean())
    assert [s["n"] for s in told["scores"]] == [15] * 4 and told["groups"] == 10
    for score in told["scores"]:
        own = fold == score["fold"]
        assert score["accuracy"] == pytest.approx(right[own].mean())
    low, high = told["interval"]
    assert low <= wilson(right.mean() * 10, 10)[0] and high <= 1
    even = folds.summarize(logits, label, fold, group, np.full(60, 2.0))
    assert even["accuracy"] == told["accuracy"]


@pytest.mark.parametrize("seed", [0])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(seed: int) -> None:
    """A nearest-mean classifier of two Gaussians, whose true accuracy is known."""
    rng = np.random.default_rng(seed)
    inside, draws, count = 0, 200, 60
    for _ in range(draws):
        label = np.arange(count) % 2
        x = rng.normal(size=(count, 5)) + label[:, None] * 0.6
        fold = rng.permutation(count) % 5 + 1
        logits, true = np.zeros((count, 2)), []
        for k in range(1, 6):
            rest, own = fold != k, fold == k
            means = [x[rest & (label == c)].mean(axis=0) for c in (0, 1)]
            weight = means[1] - means[0]
            bias = -weight @ (means[0] + means[1]) / 2
            logits[own, 1] = x[own] @ weight + bias
            length = np.linalg.norm(weight)
            sides = [bias, bias + 0.6 * weight.sum()]
            share = [
                0.5 * (1 + math.erf(s * v / length / math.sqrt(2)))
                for s, v in zip((-1, 1), sides)
            ]
            true.append(np.mean(share))
        told = folds.summarize(logits, label, fold, [str(i) for i in range(count)])
        low, high = told["interval"]
        inside += low <= np.mean(true) <= high
    assert inside / draws >= 0.95
