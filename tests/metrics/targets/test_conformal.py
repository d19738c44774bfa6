"""An interval holds the number of a new image as often as it promises."""

import math

import numpy as np
import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.metrics.targets import conformal


@pytest.mark.parametrize("n, coverage", [(49, 0.9), (19, 0.8), (99, 0.95), (9, 0.9)])
def test_over_many_draws_the_coverage_is_the_one_of_theory(n, coverage) -> None:
    """Exactly k / (n + 1) of new images are within, whatever the distribution."""
    rng = np.random.default_rng(0)
    inside = []
    for draw in range(200):
        error = rng.normal(0.4, 1, n) if draw % 2 else rng.standard_t(3, n)
        new = rng.normal(0.4, 1, 2000) if draw % 2 else rng.standard_t(3, 2000)
        inside.append(conformal.covered(conformal.half_width(error, coverage), new))
    exact = math.ceil((n + 1) * coverage - 1e-9) / (n + 1)
    assert coverage <= exact <= coverage + 1 / (n + 1) + 1e-9
    # The share within is a draw of a beta distribution, and 2,000 images more.
    deviation = math.sqrt(exact * (1 - exact) * (1 / (n + 2) + 1 / 2000) / 200)
    assert abs(np.mean(inside) - exact) < 4 * deviation


def test_it_is_the_k_th_smallest_absolute_error() -> None:
    error = np.array([3.0, -1, 2, -5, 4, 0.5, -0.25, 6, -7])
    assert conformal.half_width(error, 0.5) == 3.0  # The fifth of ten places.
    assert conformal.half_width(error, 0.9) == 7.0  # The ninth.
    assert conformal.half_width(error, 0.91) is None
    assert conformal.half_width(error[::-1] * -1, 0.5) == 3.0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_too_few_images_have_none_and_it_says_how_many_are_needed(coverage) -> None:
    least = conformal.least(coverage)
    assert least == round(coverage / (1 - coverage))
    error = np.linspace(-1, 1, least)
    assert conformal.half_width(error, coverage) == 1.0
    assert conformal.half_width(error[:-1], coverage) is None
    why = conformal.reason(least - 1, coverage, "validation")
    assert f"{least} validation images" in why and f"there are {least - 1}" in why
    assert conformal.half_width(np.zeros(0), coverage) is None
    assert conformal.half_width(np.full(least, np.nan), coverage) is None
    assert "not finite" in conformal.reason(least, coverage, "validation")


def test_a_weight_of_2_counts_an_image_twice() -> None:
    error, weight = np.array([0.5, 2.0, 3.0]), np.array([2, 1, 1])
    twice = conformal.covered(1.0, np.repeat(error, weight))
    assert conformal.covered(1.0, error, weight) == twice == 0.5


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 90])
def test_a_coverage_that_is_no_share_is_refused(coverage) -> None:
    conformal.check(0.9)
    with pytest.raises(UserError, match="--calibration.coverage: expected a share"):
        conformal.check(coverage)
