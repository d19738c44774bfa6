"""How far the probabilities of several labels can be believed: one temperature."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from tfpipeline.metrics import calibration, multi_label, temperature
from tfpipeline.metrics.calibration import Calibration


def calibrate(
    logits: np.ndarray, values: np.ndarray, images: str, reason: str
) -> Calibration:
    """Return the temperature by which the logits of all classes are divided.

    One number for all classes: it leaves the order of the images of a class, and so
    the average precision, as it is, and few images are enough to fit it. A sigmoid is
    a softmax of two logits, one of which is 0, so it is found as that of one class is.

    Args:
        logits: Of images that the network did not learn, shape (n, classes).
        values: 1 where an image has a class, else 0, shape (n, classes).
        images: What the images are called: `validation`, or `out-of-fold`.
        reason: Why nothing is said of abstention.
    """
    if not len(values):
        return Calibration(reason=reason, images=images)
    choice = temperature.held_out_cells(logits, values)
    divisor = choice.temperature if choice.kept else 1.0
    own = worth(divisor, logits, values)
    return Calibration(
        divisor,
        n=len(values),
        loss=(own["loss"], own["loss_calibrated"]),
        ece=(own["ece"], own["ece_calibrated"]),
        reason=reason,
        held_out=asdict(choice),
        images=images,
    )


def worth(divisor: float, logits: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return what a temperature is worth on a split.

    Returns:
        `ece`, the expected calibration error over all pairs of image and class, and
        `loss`, their mean cross-entropy in nats, as they are and, `_calibrated`, with
        the temperature.
    """
    calibrated = logits / divisor
    before, after = map(multi_label.probabilities, (logits, calibrated))
    return {
        "ece": expected_error(before, values),
        "ece_calibrated": expected_error(after, values),
        "loss": multi_label.cross_entropy(logits, values),
        "loss_calibrated": multi_label.cross_entropy(calibrated, values),
    }


def reliability(chance: np.ndarray, values: np.ndarray) -> list[dict[str, float]]:
    """Return the reliability diagram of all pairs of image and class.

    Args:
        chance: That an image has a class, shape (n, classes).
        values: 1 where it has, else 0, shape (n, classes).

    Returns:
        As `calibration.reliability`: of each part of (0, 1] `confidence` is the mean
        probability and `accuracy` the share of pairs where the image has the class.
    """
    return calibration.binned(np.ravel(chance), np.ravel(values) > 0.5)


def expected_error(chance: np.ndarray, values: np.ndarray) -> float:
    """Return the expected calibration error over all pairs, in [0, 1]."""
    return calibration.mean_gap(reliability(chance, values))


def diagram(
    divisor: float, logits: np.ndarray, values: np.ndarray
) -> Mapping[str, Any]:
    """Return reliability diagrams `before` and `after` the temperature, for JSON."""
    pair = {"before": logits, "after": logits / divisor}
    return {
        when: reliability(multi_label.probabilities(own), values)
        for when, own in pair.items()
    }
