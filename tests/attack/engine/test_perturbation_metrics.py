"""Measures: by their definitions."""

import numpy as np
import pytest

from tfpipeline.attack.engine import perturbation_metrics
from tfpipeline.core import image_io

RNG = np.random.default_rng(0)
CLEAN = RNG.integers(20, 235, (20, 24, 3), dtype=np.uint8)


def test_one_changed_value_has_the_same_size_in_every_norm() -> None:
    changed = CLEAN.copy()
    changed[3, 4, 1] += 5
    outcome = perturbation_metrics.sizes(changed, CLEAN)
    assert outcome["linf"] == outcome["l2"] == outcome["l1"] == pytest.approx(5 / 255)
    assert outcome["l0"] == pytest.approx(1 / (20 * 24))
    square = (5 / 255) ** 2 / CLEAN.size
    assert outcome["psnr"] == pytest.approx(-10 * np.log10(square))
    assert 0.9 < outcome["ssim"] < 1


def test_nothing_changed_is_nothing() -> None:
    outcome = perturbation_metrics.sizes(CLEAN, CLEAN)
    assert outcome["linf"] == outcome["l2"] == outcome["l1"] == outcome["l0"] == 0
    assert outcome["psnr"] is None and outcome["ssim"] == pytest.approx(1)


def test_small_pictures_have_a_structural_similarity_as_well() -> None:
    small = CLEAN[:5, :7]
    assert perturbation_metrics.sizes(255 - small, small)["ssim"] < 0.5


def test_a_worse_jpeg_changes_more() -> None:
    sizes = [
        perturbation_metrics.sizes(perturbation_metrics.jpeg(CLEAN, q), CLEAN)["l2"]
        for q in (95, 50, 10)
    ]
    assert sizes == sorted(sizes) and sizes[0] > 0


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_perturbation_is_carried_to_a_larger_photograph_exactly(times: int) -> None:
    """Where each small pixel is the mean of whole large ones, nothing is lost."""
    photograph = CLEAN.repeat(times, 0).repeat(times, 1)
    delta = RNG.integers(-4, 5, CLEAN.shape)
    changed = (CLEAN + delta).astype(np.uint8)
    made = perturbation_metrics.carried(photograph, changed, CLEAN)
    assert made is not None
    assert np.array_equal(image_io.resize(made, 20, 24, "squash"), changed)


def test_a_smaller_photograph_cannot_hold_the_perturbation() -> None:
    assert perturbation_metrics.carried(CLEAN[:10], CLEAN, CLEAN) is None


def test_robust_accuracy_counts_what_is_right_and_out_of_reach() -> None:
    right = [True, True, False]
    outcome = perturbation_metrics.robust_accuracy(
        [0.1, 0.3, 0.5], right, [0, 0.1, 0.4]
    )
    assert outcome == pytest.approx([2 / 3, 1 / 3, 0])
