"""One temperature for all classes: found, kept where it helps, and measured."""

import numpy as np
import pytest

from tfpipeline.metrics import multi_label, temperature
from tfpipeline.metrics.precision_recall import average_precision
from tfpipeline.metrics.targets import calibration


def drawn(sharper: float, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, so many times the true ones, and labels by the true ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-0.5, 1.5, (n, 4))
    there = rng.random(logits.shape) < multi_label.probabilities(logits)
    return sharper * logits, there.astype(np.float32)


@pytest.mark.parametrize("sharper", [3.0, 0.4])
def test_the_temperature_is_found_and_lowers_loss_and_error(sharper: float) -> None:
    logits, values = drawn(sharper)
    found = calibration.calibrate(logits, values, "out-of-fold", "why")
    assert found.temperature == pytest.approx(sharper, rel=0.1)
    assert found.loss[1] < found.loss[0] and found.ece[1] < found.ece[0] / 2
    assert (found.n, found.images, found.reason) == (600, "out-of-fold", "why")
    assert found.threshold is None and found.held_out["kept"]
    # The order of the images of a class is as it was.
    for z, y in zip(logits.T, values.T):
        cooled = multi_label.probabilities(z / found.temperature)
        assert average_precision(cooled, y) == average_precision(z, y)


def test_what_needs_none_has_none() -> None:
    found = calibration.calibrate(*drawn(1.0), "validation", "")
    assert found.temperature == 1.0 and not found.held_out["kept"]
    assert found.loss[0] == found.loss[1]
    few = calibration.calibrate(*(each[:5] for each in drawn(9.0)), "validation", "")
    assert few.temperature == 1.0
    none = calibration.calibrate(np.zeros((0, 4)), np.zeros((0, 4)), "validation", "x")
    assert (none.temperature, none.n, none.reason) == (1.0, 0, "x")


def test_a_sigmoid_is_a_softmax_of_two() -> None:
    logits, values = drawn(2.0)
    pairs = np.stack([np.zeros(logits.size), logits.ravel()], axis=1)
    best = temperature.fit(pairs, values.ravel().astype(int))
    assert temperature.held_out_cells(logits, values).temperature == best
    for other in (best / 1.02, best * 1.02):
        assert multi_label.cross_entropy(
            logits / best, values
        ) < multi_label.cross_entropy(logits / other, values)


def test_images_are_held_out_with_all_their_classes() -> None:
    """Copies of a class tell nothing more: the standard error stays as it is."""
    logits, values = drawn(1.5, 100)
    one = temperature.held_out_cells(logits[:, :1], values[:, :1])
    many = temperature.held_out_cells(
        np.repeat(logits[:, :1], 9, axis=1), np.repeat(values[:, :1], 9, axis=1)
    )
    assert many.loss == pytest.approx(one.loss)
    assert many.standard_error == pytest.approx(one.standard_error)


def test_the_error_is_the_mean_gap_over_all_pairs() -> None:
    # Fifteen bins: 0.1 and 0.9 are in two of them, of three and of one pair.
    chance = np.array([[0.1, 0.1], [0.1, 0.9]])
    values = np.array([[0, 1], [0, 0]])
    expected = 3 / 4 * abs(0.1 - 1 / 3) + 1 / 4 * 0.9
    assert calibration.expected_error(chance, values) == pytest.approx(expected)
    rows = calibration.reliability(chance, values)
    assert [row["n"] for row in rows] == [3, 1]
    assert [row["accuracy"] for row in rows] == pytest.approx([1 / 3, 0])
