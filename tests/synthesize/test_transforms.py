"""Transforms keep the shape, pass gradients, and are a function of their seed."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.synthesize.transforms import Rotate, Sometimes, View, apply_all

TRANSFORMS = {
    "rotate": Rotate(),
    "view": View(),
    "sometimes": Sometimes(View(), 0.9),
    "never": Sometimes(View(), 0.0),
}
NAMES = list(TRANSFORMS)
# Its gradient is that of the rotation back: near the exact one, not equal to it.
EXACT = [name for name in NAMES if name != "rotate"]


def photographs(count: int = 2, height: int = 24, width: int = 32) -> tf.Tensor:
    rng = np.random.default_rng(0)
    return tf.constant(rng.random((count, height, width, 3), np.float32))


def seed(step: int = 0) -> tf.Tensor:
    return tf.constant([0, step])


@pytest.mark.parametrize("name", NAMES)
def test_shape_is_kept_and_every_image_gets_a_gradient(name: str) -> None:
    image, transform = photographs(), TRANSFORMS[name]

    @tf.function
    def changed(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            out = transform(image, seed())
            total = tf.reduce_sum(out)
        return out, tape.gradient(total, image)

    out, gradient = changed(image)
    assert out.shape == image.shape and np.isfinite(out).all()
    assert (np.abs(gradient).reshape(2, -1).max(1) > 0).all()
    # Most of an image is seen, wherever it was moved to.
    assert np.mean(np.abs(gradient) > 0) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_a_function_of_the_seed_and_the_same_for_all_images(name) -> None:
    image, transform = photographs(1), TRANSFORMS[name]
    both = tf.concat([image, image], 0)
    out = transform(both, seed(3)).numpy()
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out, transform(both, seed(3)))
    if name != "never":
        assert np.abs(out - transform(both, seed(4))).max() > 0


@pytest.mark.parametrize("name", EXACT)
def test_the_gradient_is_the_adjoint(name: str) -> None:
    """Each is affine: <T(x) - T(0), y> = <x, gradient of <T(x), y>>."""
    image, transform = photographs(), TRANSFORMS[name]
    y = tf.constant(np.random.default_rng(1).normal(size=image.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(image)
        out = transform(image, seed())
        inner = tf.reduce_sum(out * y)
    linear = out - transform(tf.zeros_like(image), seed())
    gradient = tape.gradient(inner, image)
    np.testing.assert_allclose(
        tf.reduce_sum(linear * y), tf.reduce_sum(image * gradient), rtol=1e-3
    )


def test_a_rotation_has_nearly_the_gradient_of_its_adjoint() -> None:
    rows, columns = np.mgrid[:24, :32] / 10
    smooth = np.stack([np.sin(rows), np.cos(columns), np.sin(rows + columns)], -1)
    image = tf.constant(smooth[None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(image)
        out = Rotate(10)(image, seed())
        inner = tf.reduce_sum(out * out) / 2
    gradient = tape.gradient(inner, image).numpy()[:, 6:-6, 6:-6]
    np.testing.assert_allclose(gradient, smooth[None, 6:-6, 6:-6], atol=0.05)


def test_what_changes_nothing_changes_nothing() -> None:
    image = photographs()
    for still in (Rotate(0), View(1, 1, 0), Sometimes(Rotate(9), 0.0)):
        np.testing.assert_allclose(still(image, seed()), image, atol=1e-5)


def test_two_transforms_of_a_kind_have_draws_of_their_own() -> None:
    image, view = photographs(1), View()
    once = apply_all([view, view], image, seed())
    twice = view(view(image, seed()), seed())
    assert np.abs(once - twice).max() > 0
    np.testing.assert_array_equal(once, apply_all([view, view], image, seed()))


def test_sometimes_is_in_its_share_of_the_steps_and_traced_once() -> None:
    image, traced = photographs(1), []
    transform = Sometimes(Rotate(), 0.3)

    @tf.function
    def changed(step: tf.Tensor) -> tf.Tensor:
        traced.append(1)
        return transform(image, tf.stack([0, step]))

    moved = [np.abs(changed(tf.constant(n)) - image).max() > 0 for n in range(200)]
    assert 0.2 < np.mean(moved) < 0.4 and len(traced) == 1


def test_a_view_can_have_another_size() -> None:
    small, large = View(1, 1, 0, shown=(12, 16)), photographs()
    assert small(large, seed()).shape == (2, 12, 16, 3)
    grown = View(1, 1, 0, shown=(47, 63))(large, seed())
    np.testing.assert_allclose(grown[:, ::2, ::2], large, atol=1e-5)
