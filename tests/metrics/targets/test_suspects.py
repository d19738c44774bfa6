"""Labels and numbers that were made wrong are suspected, and few that were not."""

import numpy as np
import pytest
from scipy import stats

from tfpipeline.metrics import multi_label, per_example
from tfpipeline.metrics.targets import suspects


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities, labels of which 5 % are wrong, and which are."""
    rng = np.random.default_rng(seed)
    true = rng.random((400, 5)) < np.linspace(0.5, 0.15, 5)
    chance = multi_label.probabilities(rng.normal(size=true.shape) + 6 * true - 3)
    wrong = rng.random(true.shape) < 0.05
    return chance, (true ^ wrong).astype(np.float32), wrong


def test_each_class_is_a_question_of_two_answers() -> None:
    chance, values, _ = planted()
    found = suspects.of_labels(chance, values)
    for k in range(5):
        pair = np.stack([1 - chance[:, k], chance[:, k]], axis=1)
        other, suspicion = per_example.suspect(pair, values[:, k].astype(int))
        np.testing.assert_array_equal(found[:, k], suspicion)
        marked = found[:, k] > 0
        assert (other[marked] == 1 - values[marked, k]).all()
    # Nothing is suspected that the network rather agrees with.
    assert ((chance > 0.5) != (values > 0.5))[found > 0].all()


def test_most_of_what_is_suspected_was_made_wrong() -> None:
    chance, values, wrong = planted()
    marked = suspects.of_labels(chance, values) > 0
    assert (marked & wrong).sum() / wrong.sum() > 0.5
    assert (marked & wrong).sum() / marked.sum() > 0.95


def test_a_class_that_all_or_none_have_is_not_suspected() -> None:
    chance = np.random.default_rng(0).random((30, 2))
    values = np.tile([1.0, 0.0], (30, 1))
    assert not suspects.of_labels(chance, values).any()


def test_the_robust_z_is_in_normal_standard_deviations() -> None:
    error = np.random.default_rng(1).normal(2, 3, 501)
    scale = stats.median_abs_deviation(error, scale="normal")
    expected = np.abs(error - np.median(error)) / scale
    np.testing.assert_allclose(suspects.robust_z(error), expected, rtol=1e-4)
    # In any unit, and whatever the bias.
    moved = suspects.robust_z(-7 * error + 100)
    np.testing.assert_allclose(moved, suspects.robust_z(error), rtol=1e-9)


def test_outliers_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(2)
    error = rng.normal(size=200)
    error[:20] = 12 * rng.choice([-1, 1], 20)
    found = suspects.of_numbers(error)
    assert (found[:20] > suspects.LIMIT).all() and (found[20:] > 0).sum() <= 2


@pytest.mark.parametrize(
    "error, expected",
    [
        ([], []),
        ([2.0, 2.0, 2.0], [0, 0, 0]),
        # Of more than half that are equal the median deviation is 0: the mean is used.
        ([0.0] * 9 + [10.0], [0] * 9 + [10 / 1.2533]),
    ],
)
def test_errors_that_are_equal_have_no_deviation(error, expected) -> None:
    np.testing.assert_allclose(suspects.robust_z(np.array(error)), expected)


def test_errors_that_are_not_finite_are_suspects_and_hide_no_others() -> None:
    error = np.random.default_rng(3).normal(size=60)
    error[0] = 40
    expected = suspects.of_numbers(error)
    found = suspects.of_numbers(np.append(error, [np.nan, np.inf]))
    np.testing.assert_array_equal(found[:60], expected)
    assert expected[0] > 0 and np.isinf(found[60:]).all()
    assert np.isinf(suspects.robust_z(np.array([np.nan]))).all()
