"""Temperatures, thresholds and calibration errors, against closed forms."""

import numpy as np
import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.metrics import calibration, classification


def drawn(scale: float, n: int = 4000, classes: int = 3) -> tuple[np.ndarray, ...]:
    """Return logits that are too sure by a factor, and labels drawn as they should."""
    random = np.random.default_rng(0)
    honest = random.normal(size=(n, classes)) * 2
    chance = classification.probabilities(honest)
    label = (random.random((n, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return honest * scale, np.minimum(label, classes - 1)


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


def test_three_right_images_are_no_reason_to_accept_anything() -> None:
    logits = np.eye(3) * 4
    found = calibration.calibrate(logits, np.arange(3), 0.05)
    assert found.threshold is found.coverage is found.bound is None
    assert found.accepts(np.array([0.34, 1.0])) is None
    assert "60 are needed" in found.reason


def test_a_blank_picture_is_not_accepted_because_the_run_was_good() -> None:
    random = np.random.default_rng(0)
    label = np.arange(300) % 3
    logits = np.eye(3)[label] * random.uniform(3, 9, (300, 1))
    found = calibration.calibrate(logits, label, 0.05)
    least = classification.probabilities(logits / found.temperature).max(1).min()
    assert found.threshold is not None and found.threshold >= least > 0.9
    assert found.accepts(np.array([0.54, 1.0])).tolist() == [False, True]


def test_the_curve_has_risk_and_bound_of_what_each_threshold_accepts() -> None:
    logits, label = drawn(1.5, n=800)
    found = calibration.calibrate(logits, label, 0.25)
    chance = classification.probabilities(logits / found.temperature)
    right = chance.argmax(1) == label
    assert len(found.curve) > 2
    for point in found.curve:
        accepted = np.float32(chance.max(1)) >= np.float32(point["threshold"])
        assert point["n"] == accepted.sum() and point["coverage"] == accepted.mean()
        assert point["errors"] == (~right[accepted]).sum()
        assert point["risk"] <= point["bound"]
    chosen = next(p for p in found.curve if p["threshold"] == found.threshold)
    assert chosen["bound"] == found.bound <= 0.25
    more = [p for p in found.curve if p["n"] > chosen["n"]]
    assert all(p["bound"] > 0.25 for p in more)


def test_a_temperature_that_held_out_images_do_not_want_is_not_used() -> None:
    logits, label = drawn(1.0, n=60)
    found = calibration.calibrate(logits, label, 0.1)
    assert found.held_out is not None and not found.held_out["kept"]
    assert found.temperature == 1 != found.held_out["temperature"]
    assert found.loss is not None and found.loss[0] == found.loss[1]


def test_what_is_told_of_a_split_agrees_with_what_was_chosen_on_it() -> None:
    logits, label = drawn(4.0, n=500)
    chosen = calibration.calibrate(logits, label, 0.2)
    told = calibration.told(chosen, logits, label)
    assert chosen.ece == (told["ece"], told["ece_calibrated"])
    assert told["coverage"] == chosen.coverage
    assert told["answered"] == round(500 * chosen.coverage)
    assert told["error"] is not None and told["error"] <= 0.2


def test_a_threshold_of_an_earlier_version_promises_nothing() -> None:
    old = {"temperature": 1.5, "target_error": 0.05, "threshold": 0.0, "n": 3}
    found = calibration.Calibration.of(old | {"coverage": 1.0})
    assert found.temperature == 1.5 and found.threshold is found.coverage is None
    assert found.accepts(np.array([1.0])) is None and found.reason


def test_without_validation_images_nothing_is_changed() -> None:
    found = calibration.calibrate(np.zeros((0, 3)), np.zeros(0, int), 0.05)
    assert found.temperature == 1 and found.threshold is None and not found.n
    assert "no validation images" in found.reason
    told = calibration.told(found, *drawn(1.0, n=20))
    assert told["coverage"] is None and told["ece"] == told["ece_calibrated"]


@pytest.mark.parametrize("target", [-0.1, 1.0])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(UserError, match="--calibration.target_error"):
        calibration.check(target, 0.95)


@pytest.mark.parametrize("confidence", [-0.1, 0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(UserError, match="--calibration.confidence"):
        calibration.check(0.05, confidence)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "2", None, []])
def test_a_temperature_that_is_no_positive_number_is_refused(value) -> None:
    with pytest.raises(ValueError, match="positive number as temperature"):
        calibration.Calibration.of({"temperature": value})
    assert calibration.Calibration.of({"temperature": 2, "new": 1}).temperature == 2
