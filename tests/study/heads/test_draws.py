"""Every example comes once before any comes again; first weights keep the variance."""

import numpy as np
import pytest

from tfpipeline.study.heads import draws


@pytest.mark.parametrize("count, batch", [(7, 3), (5, 5), (40, 8)])
def test_no_example_is_ahead_of_another_by_more_than_once(
    count: int, batch: int
) -> None:
    for steps in (1, 9, 33):
        order = draws.order(count, steps, batch, 0)
        assert order.shape == (steps, batch)
        for end in range(1, steps + 1):
            times = np.bincount(order[:end].ravel(), minlength=count)
            assert np.ptp(times) <= 1
    other = draws.order(count, 33, batch, 1)
    assert (order != other).any() and (draws.order(count, 33, batch, 0) == order).all()


def test_first_weights_are_uniform_with_the_variance_of_glorot() -> None:
    weights = draws.glorot(np.random.default_rng(0), 300, 100)
    assert weights.dtype == np.float32 and np.abs(weights).max() <= np.sqrt(6 / 400)
    assert weights.var() == pytest.approx(2 / 400, rel=0.05)
