"""Figures over folds: each image once, thresholds of the others, wide intervals."""

import numpy as np
import pytest

from tfpipeline.metrics import folds as of_classes
from tfpipeline.metrics import multi_label, regression, thresholds
from tfpipeline.metrics.targets import folds

ASKED = "f1", 0.9


def several(n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return logits, values, folds and groups of three images each."""
    rng = np.random.default_rng(0)
    values = (rng.random((n, 3)) < (0.2, 0.5, 0.4)).astype(np.float32)
    logits = rng.normal(size=(n, 3)) + 2 * values - 1
    group = np.arange(n) // 3
    return logits, values, group % 4 + 1, [str(g) for g in group]


def test_figures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    logits, values, fold, group = several()
    told = folds.summarize("abc", (logits, values), fold, group, None, ASKED)
    chance = multi_label.probabilities(logits)
    expected = metrics.average_precision_score(values, chance, average="macro")
    assert told["mean_average_precision"] == pytest.approx(expected)
    called = np.zeros(values.shape, bool)
    for k in range(1, 5):
        rest = fold != k
        least = [t.value for t in thresholds.choose_each(chance[rest], values[rest])]
        called[~rest] = chance[~rest] >= least
    expected = metrics.f1_score(values, called, average="macro")
    assert told["macro_f1"] == pytest.approx(expected)
    assert (told["count"], told["n"], told["groups"]) == (4, 120, 40)
    for score in told["scores"]:
        own = fold == score["fold"]
        expected = metrics.f1_score(values[own], called[own], average="macro")
        assert score["macro_f1"] == pytest.approx(expected)
        assert score["n"] == own.sum() == 30


def test_a_fold_has_no_part_in_its_own_thresholds() -> None:
    """Chosen on all, they would find a way to be right about coin flips."""
    rng = np.random.default_rng(1)
    logits, fold = rng.normal(size=(60, 1)), np.arange(60) % 2 + 1
    values = (rng.random((60, 1)) < 0.5).astype(float)
    chance = multi_label.probabilities(logits)
    for k in (1, 2):
        changed = values.copy()
        changed[fold == k] = 1 - changed[fold == k]
        given = chance, fold, None, ASKED
        one, other = (folds._called(chance, v, *given[1:]) for v in (values, changed))
        np.testing.assert_array_equal(one[fold == k], other[fold == k])


def test_numbers_have_the_figures_of_a_split_and_each_fold_its_own() -> None:
    rng = np.random.default_rng(2)
    true = rng.normal(50, 10, (90, 1))
    outputs, fold = true + rng.normal(size=(90, 1)), np.arange(90) % 3 + 1
    group = [str(i) for i in range(90)]
    told = folds.summarize(["age"], (outputs, true), fold, group)
    whole = regression.regression(outputs[:, 0], true[:, 0])
    assert told["quantity"] == "age" and told["target"] == "number"
    for name in ("mae", "rmse", "r2", "median_error", "bias"):
        assert told[name] == whole[name]
        own = [
            regression.regression(outputs[fold == k, 0], true[fold == k, 0])[name]
            for k in (1, 2, 3)
        ]
        assert [score[name] for score in told["scores"]] == own
        low, high = told["intervals"][name]
        # The corrected t interval lies within, and so does the bootstrap's.
        half = of_classes.half_width(own)
        ends = (0.0 if name not in ("r2", "bias") else -np.inf), (
            1.0 if name == "r2" else np.inf
        )
        assert low <= max(ends[0], told[name] - half)
        assert high >= min(ends[1], told[name] + half)
        drawn = regression.intervals(outputs[:, 0], true[:, 0], None, np.arange(90))
        assert low <= drawn[name][0] and drawn[name][1] <= high


@pytest.mark.parametrize("target", ["multi", "number"])
def test_groups_are_drawn_whole(target: str) -> None:
    """Copies of thirty images tell no more than thirty: the intervals are as wide."""
    logits, values, _, _ = several(30)
    asked = ASKED if target == "multi" else None
    key = "mean_average_precision" if asked else "mae"
    labels = "abc" if asked else ["age"]
    rows = np.repeat(np.arange(30), 10)
    # Equal folds, so that what is left is the bootstrap.
    fold = np.tile(np.arange(10) % 2 + 1, 30)
    answered = logits[rows], values[rows]

    def width(group: list[str]) -> float:
        told = folds.summarize(labels, answered, fold, group, None, asked)
        low, high = told["intervals"][key]
        return high - low

    alone = width([str(i) for i in range(300)])
    assert width([str(i) for i in rows]) > 2 * alone


@pytest.mark.parametrize("asked", [ASKED, None])
def test_a_weight_of_2_is_the_row_twice(asked) -> None:
    logits, values, fold, group = several(40)
    weight = np.random.default_rng(0).integers(1, 4, 40).astype(float)
    rows = np.repeat(np.arange(40), weight.astype(int))
    labels = "abc" if asked else ["age"]
    one = folds.summarize(labels, (logits, values), fold, group, weight, asked)
    answered, many = (logits[rows], values[rows]), [group[i] for i in rows]
    other = folds.summarize(labels, answered, fold[rows], many, None, asked)
    one.pop("n"), other.pop("n")
    for told in (one, other):
        told["scores"] = [{**s, "n": 0} for s in told["scores"]]
    for key in ("mean_average_precision", "macro_f1") if asked else ("mae", "r2"):
        assert one[key] == pytest.approx(other[key], abs=1e-12)
        assert one["intervals"][key] == pytest.approx(other["intervals"][key])
        both = ([score[key] for score in told["scores"]] for told in (one, other))
        assert next(both) == pytest.approx(next(both))


def test_a_class_that_a_fold_lacks_is_left_out_of_it() -> None:
    logits, values, fold, group = several()
    values[:, 0] = 0
    values[fold == 1] = 0
    told = folds.summarize("abc", (logits, values), fold, group, None, ASKED)
    assert told["scores"][0]["macro_f1"] is None
    low, high = told["intervals"]["macro_f1"]
    assert 0 <= low < told["macro_f1"] < high <= 1
    values[:] = 0
    told = folds.summarize("abc", (logits, values), fold, group, None, ASKED)
    assert told["macro_f1"] is None and told["intervals"]["macro_f1"] is None


def test_the_interval_holds_the_truth_at_least_as_often_as_it_says() -> None:
    """Least squares on three inputs with noise, whose expected MAE is known."""
    rng = np.random.default_rng(0)
    inside, draws, count = 0, 60, 40
    for _ in range(draws):
        x = rng.normal(size=(count, 3))
        y = x.sum(axis=1) + rng.normal(size=count)
        fold, outputs, true = rng.permutation(count) % 4 + 1, np.zeros(count), []
        for k in range(1, 5):
            own = fold == k
            slope = np.linalg.lstsq(x[~own], y[~own], rcond=None)[0]
            outputs[own] = x[own] @ slope
            # An error of new inputs is normal, with the variance of slopes and noise.
            true.append(np.sqrt(2 / np.pi * (1 + np.square(slope - 1).sum())))
        given = outputs[:, None], y[:, None]
        told = folds.summarize(["y"], given, fold, [str(i) for i in range(count)])
        low, high = told["intervals"]["mae"]
        inside += low <= np.mean(true) <= high
    assert inside / draws >= 0.95


@pytest.mark.parametrize("asked", [ASKED, None])
def test_one_group_has_no_interval(asked) -> None:
    logits, values, fold, _ = several(40)
    labels = "abc" if asked else ["age"]
    told = folds.summarize(labels, (logits, values), fold, ["a"] * 40, None, asked)
    assert set(told["intervals"].values()) == {None}
