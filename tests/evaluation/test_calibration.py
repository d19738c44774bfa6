"""Temperatures, thresholds and calibration errors, against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.errors import UserError
from tfpipeline.evaluation import calibration, metrics


def drawn(scale: float, n: int = 4000, classes: int = 3) -> tuple[np.ndarray, ...]:
    """Return logits that are too sure by a factor, and labels drawn as they should."""
    random = np.random.default_rng(0)
    honest = random.normal(size=(n, classes)) * 2
    chance = metrics.probabilities(honest)
    label = (random.random((n, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return honest * scale, np.minimum(label, classes - 1)


@pytest.mark.parametrize("scale", [0.25, 1.0, 5.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(scale: float) -> None:
    logits, label = drawn(scale)
    found = calibration.temperature(logits, label)
    assert found == pytest.approx(
        scale * calibration.temperature(*drawn(1.0)), rel=1e-6
    )
    assert found == pytest.approx(scale, rel=0.08)


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    logits, label = drawn(3.0, n=60)
    best = calibration.temperature(logits, label)
    least = calibration.cross_entropy(logits / best, label)
    for other in np.geomspace(1 / 16, 16, 200):
        assert calibration.cross_entropy(logits / other, label) >= least - 1e-12


def test_images_that_are_all_right_make_nothing_surer() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert calibration.temperature(logits, np.array([0, 1])) == 1.0


def test_images_that_are_all_wrong_make_it_as_unsure_as_can_be() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert calibration.temperature(logits, np.array([1, 0])) == 16.0


def test_the_temperature_lowers_the_error_of_what_is_too_sure() -> None:
    logits, label = drawn(4.0)
    found = calibration.calibrate(logits, label, 0.1)
    assert found.ece is not None and found.loss is not None
    assert found.ece[1] < 0.25 * found.ece[0] and found.loss[1] < found.loss[0]
    assert calibration.Calibration.of(found.to_json() | {"later": 1}) == found


def test_calibration_error_is_the_gap_of_each_part_by_its_share() -> None:
    chance = np.array([[0.95, 0.05]] * 4 + [[0.45, 0.55]] * 6)
    label = np.array([0, 0, 0, 1] + [1] * 3 + [0] * 3)
    expected = 0.4 * abs(0.95 - 0.75) + 0.6 * abs(0.55 - 0.5)
    assert calibration.expected_error(chance, label) == pytest.approx(expected)
    rows = calibration.reliability(chance, label)
    assert [row["n"] for row in rows] == [6, 4]
    assert all(row["from"] < row["confidence"] <= row["to"] for row in rows)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.3]))
def test_above_the_threshold_no_more_answers_are_wrong_than_asked(
    seed: int, target: float
) -> None:
    random = np.random.default_rng(seed)
    logits = np.round(random.normal(size=(30, 3)) * 2)
    label = random.integers(0, 3, 30)
    chance = metrics.probabilities(logits)
    at, share = calibration.threshold(chance, label, target)
    sure, right = chance.max(1), chance.argmax(1) == label
    if at is None:
        assert all(1 - right[sure >= s].mean() > target for s in sure)
        return
    assert (sure >= at).mean() == share
    assert 1 - right[sure >= at].mean() <= target + 1e-9
    lower = [s for s in sure if s < at]
    assert all(1 - right[sure >= s].mean() > target for s in lower)


def test_what_is_told_of_a_split_agrees_with_what_was_chosen_on_it() -> None:
    logits, label = drawn(4.0, n=500)
    chosen = calibration.calibrate(logits, label, 0.2)
    told = calibration.told(chosen, logits, label)
    assert chosen.ece == (told["ece"], told["ece_calibrated"])
    assert told["coverage"] == chosen.coverage
    assert told["error"] is not None and told["error"] <= 0.2


def test_without_validation_images_nothing_is_changed() -> None:
    found = calibration.calibrate(np.zeros((0, 3)), np.zeros(0, int), 0.05)
    assert found == calibration.Calibration()
    told = calibration.told(found, *drawn(1.0, n=20))
    assert told["coverage"] is None and told["ece"] == told["ece_calibrated"]


@pytest.mark.parametrize("target", [-0.1, 1.0])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(UserError, match="--calibration.target_error"):
        calibration.check(target)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "2", None, []])
def test_a_temperature_that_is_no_positive_number_is_refused(value) -> None:
    with pytest.raises(ValueError, match="positive number as temperature"):
        calibration.Calibration.of({"temperature": value})
    assert calibration.Calibration.of({"temperature": 2, "new": 1}).temperature == 2
