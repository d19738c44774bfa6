"""The best head for several labels or a number, and what it is worth elsewhere."""

import numpy as np
import pytest

from tfpipeline.metrics import target_score
from tfpipeline.study.heads import value_choice

TARGETS = ("multi", "number")


def guesses(target: str, seed: int, count: int = 40):
    """Return outputs of 8 heads that all guess, what is true, and strata."""
    rng = np.random.default_rng(seed)
    columns = 3 if target == "multi" else 1
    outputs = rng.normal(size=(8, count, columns)).astype(np.float32)
    values = rng.normal(size=(count, columns))
    if target == "multi":
        values = (values > 0).astype(np.float32)
    return outputs, values, np.arange(count) % 4


@pytest.mark.parametrize("target", TARGETS)
def test_the_best_head_has_the_highest_figure(target: str) -> None:
    key = target_score.of_target(target).key
    for seed in range(20):
        outputs, values, _ = guesses(target, seed)
        figures = [target_score.measure(target, o, values)[key] for o in outputs]
        assert value_choice.best(target, outputs, values) == np.argmax(figures)
    assert value_choice.best(target, outputs[:, :0], values[:0]) == 0


def test_of_heads_that_rank_alike_the_surer_one_is_the_best() -> None:
    outputs, values, _ = guesses("multi", 0)
    right = (2 * values - 1).astype(np.float32)
    assert (
        value_choice.best("multi", np.stack([outputs[0], right, 3 * right]), values)
        == 2
    )
    # Without a label there is no mAP, and losses choose.
    assert value_choice.best("multi", np.stack([right, right - 9]), 0 * values) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_a_head_is_no_better_than_it_is_on_images_that_did_not_choose_it(
    target: str,
) -> None:
    own = target_score.of_target(target)
    chosen, crossed, single = [], [], []
    for seed in range(150):
        outputs, values, strata = guesses(target, seed)
        best = outputs[value_choice.best(target, outputs, values)]
        crossing = value_choice.cross_fitted(target, outputs, values, strata)
        for kept, one in ((chosen, best), (crossed, crossing), (single, outputs[0])):
            kept.append(target_score.measure(target, one, values)[own.key])
    error = np.std(np.subtract(crossed, single)) / np.sqrt(len(crossed))
    assert np.mean(chosen) > np.mean(single) + 5 * error, "what chose it flatters it"
    assert abs(np.mean(crossed) - np.mean(single)) < 3.5 * error


@pytest.mark.parametrize("target", TARGETS)
def test_one_head_that_both_halves_choose_answers_as_it_does(target: str) -> None:
    outputs, values, strata = guesses(target, 1)
    outputs[5] = values
    found = value_choice.cross_fitted(target, outputs, values, strata)
    np.testing.assert_array_equal(found, outputs[5])
