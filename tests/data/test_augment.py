"""Random changes keep shape and range, follow their seed, and move what they say."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.data.augment import AUGMENTATIONS, CHANGES, MAX_SHIFT

NAMES = [name for name, change in AUGMENTATIONS.items() if change.image]


@pytest.mark.parametrize("name", NAMES)
def test_shape_range_and_seed_are_kept(name: str) -> None:
    change = AUGMENTATIONS[name].image
    image = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    one, two = (change(image, tf.constant([1, 2])).numpy() for _ in range(2))
    assert one.shape == image.shape and one.min() >= 0 and one.max() <= 255
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - change(image, tf.constant([1, 3])).numpy()).mean() > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_picture_stays_flat(name: str) -> None:
    flat = np.full((16, 16, 3), 90, np.uint8)
    for seed in range(5):
        out = AUGMENTATIONS[name].image(flat, tf.constant([seed, 0]))
        np.testing.assert_allclose(out, np.mean(out), atol=0.01)


def test_a_flat_picture_keeps_its_colour_when_only_its_shape_changes() -> None:
    flat = np.full((16, 16, 3), 90, np.float32)
    for name in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y"):
        out = CHANGES[name](flat, tf.constant(0.7))
        np.testing.assert_allclose(out, 90, atol=0.01)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    y, x = np.mgrid[:24, :40]
    smooth = np.stack([x * 6, y * 10, 200 - x - y], -1)
    noise = np.random.default_rng(0).integers(-9, 10, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.float32)


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("amount", [-0.7, 0.7])
def test_every_change_keeps_shape_and_range(
    photo: np.ndarray, name: str, amount: float
) -> None:
    out = np.asarray(CHANGES[name](tf.constant(photo), tf.constant(amount)))
    assert out.shape == photo.shape and out.min() >= -1e-3 and out.max() <= 255.001
    if name != "identity":
        assert np.abs(out - photo).mean() > 0.3


def test_changes_are_what_their_names_say(photo: np.ndarray) -> None:
    image = tf.constant(photo)
    inverse = CHANGES["solarize"](image, tf.constant(1.0))
    np.testing.assert_allclose(inverse, 255 - photo)
    bright = CHANGES["brightness"](image, tf.constant(-0.5)).numpy()
    np.testing.assert_allclose(bright, photo * 0.55, rtol=1e-5)
    moved = CHANGES["translate_x"](image, tf.constant(0.5)).numpy()
    np.testing.assert_allclose(moved[:, :34], photo[:, 6:], atol=1e-3)
    levels = CHANGES["posterize"](image, tf.constant(1.0)).numpy()
    assert set(np.unique(levels)) <= set(range(0, 256, 16))
    stretched = CHANGES["autocontrast"](image, tf.constant(0.0)).numpy()
    assert stretched.min() == 0 and stretched.max() == pytest.approx(255)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_pictures_and_targets_have_the_same_shares(name: str) -> None:
    """Pictures that are their own class's grey tell in which share they were mixed."""
    mix = AUGMENTATIONS[name].mix
    greys = np.arange(4, dtype=np.float32)
    images = np.broadcast_to(greys[:, None, None, None], (4, 32, 32, 3))
    seeds = tf.constant([[i, 7] for i in range(4)], tf.int64)
    mixed, targets = mix(tf.constant(images), tf.one_hot(range(4), 4), seeds)
    np.testing.assert_allclose(np.sum(targets, axis=1), 1, rtol=1e-6)
    found = np.mean(mixed, axis=(1, 2, 3))
    np.testing.assert_allclose(found, np.asarray(targets) @ greys, atol=1e-4)
    again, _ = mix(tf.constant(images), tf.one_hot(range(4), 4), seeds)
    np.testing.assert_array_equal(mixed, again)
    assert np.abs(np.asarray(mixed) - images).max() > 0.01


def test_light_leaves_the_middle_near_the_middle() -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[30:35, 30:35] = 255
    for seed in range(20):
        out = AUGMENTATIONS["light"].image(dot, tf.constant([seed, 1])).numpy()[..., 0]
        y, x = (float((out * axis).sum() / out.sum()) for axis in np.mgrid[:65, :65])
        assert max(abs(y - 32), abs(x - 32)) < 65 * MAX_SHIFT * 1.5
