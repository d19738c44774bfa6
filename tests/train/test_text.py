"""The closing words tell what probabilities are worth, and what is accepted."""

from pathlib import Path
from typing import Any

import pytest

from tfpipeline.config import RunSettings
from tfpipeline.core.console import Closing
from tfpipeline.train import text

NO_THRESHOLD = {"temperature": 1.0, "reason": "3 images are too few"}
THRESHOLD = {
    "temperature": 1.7,
    "reason": "",
    "target_error": 0.05,
    "confidence": 0.95,
}


def closing(calibration: dict[str, Any], **measured: Any) -> Closing:
    told = {"ece": 0.115, "ece_calibrated": 0.115, "coverage": None, "error": None}
    told |= {"answered": None} | measured
    test = {"accuracy": 0.9, "n": 200, "calibration": told}
    metrics = {"test": test, "seconds": {"total": 1.0}, "leaks": {"near": 0}}
    return text.trained(
        text.Trained(
            RunSettings(), 10, 2, (), metrics, "runs/a", calibration=calibration
        )
    )


def test_without_a_threshold_the_reason_is_told() -> None:
    words = closing(NO_THRESHOLD)
    assert sum("3 images are too few" in line for line in words.done) == 1
    assert not words.careful


@pytest.mark.parametrize("answered, error, wrong", [(150, 0.02, 3), (0, None, 0)])
def test_what_is_accepted_is_counted_beside_the_promise(
    answered: int, error: float | None, wrong: int
) -> None:
    told = {"coverage": answered / 200, "answered": answered, "error": error}
    words = closing(THRESHOLD, **told)
    (line,) = [line for line in words.done if "Accepts" in line]
    assert [word.strip(",;.") for word in line.split()][1] == str(answered)
    assert f" {wrong} of those wrong" in line and "0.05" in line and "0.95" in line


def test_a_temperature_that_raises_the_calibration_error_is_told() -> None:
    (line,) = closing(THRESHOLD, ece_calibrated=0.152).careful
    assert "1.7" in line and "0.115" in line and "0.152" in line
    assert not closing(THRESHOLD, ece_calibrated=0.1).careful


def test_what_an_evaluation_is_worth_is_told_of_its_own_images() -> None:
    told = {"ece": 0.1, "ece_calibrated": 0.2, "coverage": None}
    result = {"accuracy": 0.5, "loss": 1.0, "n": 9, "source": "s", "split": "all"}
    result |= {"top_3_accuracy": 1.0, "classes": {}, "seen_in_training": 0}
    words = text.evaluated(result | {"calibration": told}, Path("e"), THRESHOLD)
    assert "0.200" in words.done[0] and "0.100" in words.done[0]
    assert len(words.careful) == 1
