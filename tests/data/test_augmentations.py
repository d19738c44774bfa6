"""Random changes keep shape and range, follow their seed, and move what they say."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.data.augmentations import AUGMENTATIONS, MAX_SHIFT

CHANGES = [name for name, change in AUGMENTATIONS.items() if change is not None]


@pytest.mark.parametrize("name", CHANGES)
def test_shape_range_and_seed_are_kept(name: str) -> None:
    change = AUGMENTATIONS[name]
    image = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    one, two = (change(image, tf.constant([1, 2])).numpy() for _ in range(2))
    assert one.shape == image.shape and one.min() >= 0 and one.max() <= 255
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - change(image, tf.constant([1, 3])).numpy()).mean() > 1


@pytest.mark.parametrize("name", CHANGES)
def test_a_flat_picture_stays_flat(name: str) -> None:
    flat = np.full((16, 16, 3), 90, np.uint8)
    for seed in range(5):
        out = AUGMENTATIONS[name](flat, tf.constant([seed, 0]))
        np.testing.assert_allclose(out, 90, atol=0.01)


def test_light_leaves_the_middle_near_the_middle() -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[30:35, 30:35] = 255
    for seed in range(20):
        out = AUGMENTATIONS["light"](dot, tf.constant([seed, 1])).numpy()[..., 0]
        y, x = (float((out * axis).sum() / out.sum()) for axis in np.mgrid[:65, :65])
        assert max(abs(y - 32), abs(x - 32)) < 65 * MAX_SHIFT * 1.5
