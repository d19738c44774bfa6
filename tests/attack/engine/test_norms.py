"""Norms: balls, projections and steepest steps are what they are by definition."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.attack.engine.norms import GREY_LEVEL, NORMS, on_levels

ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


def noise(seed: int, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=(3, 5, 4, 3))).astype(
        np.float32
    )


def size(values: np.ndarray, order: float) -> np.ndarray:
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    return np.linalg.norm(flat, order, axis=1)


@pytest.mark.parametrize("name", NORMS)
def test_sizes_and_dual_sizes_are_those_of_numpy(name: str) -> None:
    values, order = noise(0), ORDERS[name]
    dual = {np.inf: 1, 2: 2, 1: np.inf}[order]
    assert np.allclose(NORMS[name].size(values), size(values, order), rtol=1e-5)
    assert np.allclose(NORMS[name].dual(values), size(values, dual), rtol=1e-5)


@pytest.mark.parametrize("name", NORMS)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), epsilon=st.floats(0, 20), scale=st.floats(0, 50))
def test_a_projection_is_in_the_ball_and_stays_where_it_is(
    name: str, seed: int, epsilon: float, scale: float
) -> None:
    norm, radius = NORMS[name], tf.fill([3], np.float32(epsilon))
    once = norm.project(tf.constant(noise(seed, scale)), radius)
    assert (size(once, ORDERS[name]) <= epsilon + 1e-6 * (1 + epsilon)).all()
    again = norm.project(once, radius)
    assert np.allclose(again, once, atol=1e-6 * (1 + epsilon))


@pytest.mark.parametrize("name", NORMS)
def test_a_projection_is_the_nearest_point_of_the_ball(name: str) -> None:
    norm, values = NORMS[name], noise(1, 2.0)
    radius = tf.fill([3], 1.5)
    nearest = np.asarray(norm.project(tf.constant(values), radius), np.float64)
    # Of a convex set: no other point lies behind the nearest one.
    for seed in range(20):
        other = np.asarray(norm.project(tf.constant(noise(seed, 3.0)), radius))
        ahead = ((values - nearest) * (other - nearest)).sum((1, 2, 3))
        assert (ahead <= 1e-3).all()


@pytest.mark.parametrize("name", NORMS)
def test_what_is_in_the_ball_is_not_moved(name: str) -> None:
    values = noise(2, 0.01)
    radius = tf.fill([3], 100.0)
    assert np.array_equal(NORMS[name].project(tf.constant(values), radius), values)


@pytest.mark.parametrize("name", ["linf", "l2"])
def test_the_steepest_step_climbs_as_fast_as_the_dual_norm_says(name: str) -> None:
    gradient, norm = noise(3), NORMS[name]
    step = norm.steepest(tf.constant(gradient))
    assert np.allclose(norm.size(step), 1, atol=1e-5)
    climbed = (np.asarray(step) * gradient).sum((1, 2, 3))
    assert np.allclose(climbed, norm.dual(gradient), rtol=1e-4)


def test_the_step_of_l1_goes_where_it_is_steep_and_treats_ties_alike() -> None:
    gradient = np.zeros((1, 2, 2, 3), np.float32)
    gradient[0, 0, 0, 0] = gradient[0, 1, 1, 2] = 3.0
    gradient[0, 0, 1, 1] = 0.01
    step = np.asarray(NORMS["l1"].steepest(tf.constant(gradient)))
    assert step[0, 0, 0, 0] == step[0, 1, 1, 2] == pytest.approx(0.5)
    assert step[0, 0, 1, 1] == 0


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("scale", [1e-20, 1e-30])
def test_tiny_gradients_still_have_a_direction(name: str, scale: float) -> None:
    step = NORMS[name].steepest(tf.constant(noise(4) * np.float32(scale)))
    assert np.isfinite(step).all()
    assert np.allclose(NORMS[name].size(step), 1, atol=1e-3)


@pytest.mark.parametrize("name", NORMS)
def test_no_gradient_is_no_step(name: str) -> None:
    assert not np.any(NORMS[name].steepest(tf.zeros((2, 3, 3, 3))))


@pytest.mark.parametrize("name", NORMS)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), share=st.floats(0, 1))
def test_images_are_in_the_ball_and_in_range(
    name: str, seed: int, share: float
) -> None:
    norm = NORMS[name]
    rng = np.random.default_rng(seed)
    clean = rng.uniform(0, 1, (3, 5, 4, 3)).astype(np.float32)
    epsilon = np.float32(share * {"linf": 0.2, "l2": 2, "l1": 9}[name])
    radius = tf.fill([3], epsilon)
    moved = norm.within(tf.constant(clean + noise(seed)), tf.constant(clean), radius)
    assert np.min(moved) >= 0 and np.max(moved) <= 1
    assert (size(np.asarray(moved) - clean, ORDERS[name]) <= epsilon + 1e-5).all()


@pytest.mark.parametrize("name", NORMS)
def test_images_on_the_grid_are_8_bit_ones_in_the_ball(name: str) -> None:
    norm, rng = NORMS[name], np.random.default_rng(0)
    clean = on_levels(tf.constant(rng.uniform(0, 1, (4, 8, 8, 3)), tf.float32))
    for epsilon in {"linf": (1, 2.5, 4), "l2": (3, 20), "l1": (5, 300)}[name]:
        radius = tf.fill([4], np.float32(epsilon * GREY_LEVEL))
        far = clean + tf.constant(rng.normal(size=clean.shape), tf.float32)
        start = norm.within(far, clean, radius)
        seen = norm.on_grid(start, clean, radius)
        steps = np.asarray(seen) * 255
        assert np.allclose(steps, np.round(steps), atol=1e-4)
        length = size(np.asarray(seen - clean), ORDERS[name])
        # Something is left of the perturbation: rounding alone would leave nothing.
        assert (length > 0).all() and (length <= float(radius[0]) + 1e-6).all()


def test_what_is_on_the_grid_survives_a_file() -> None:
    image = on_levels(tf.constant(np.random.default_rng(0).uniform(size=(9, 9, 3))))
    kept = (np.asarray(image) * 255 + 0.5).astype(np.uint8)
    image = on_levels(tf.cast(image, tf.float32))
    assert np.array_equal(kept.astype(np.float32) / np.float32(255), image)


@pytest.mark.parametrize("name", NORMS)
def test_a_random_start_is_in_the_ball(name: str) -> None:
    seed, epsilon = tf.constant([1, 2]), tf.constant(0.5)
    start = NORMS[name].start((6, 6, 3), seed, epsilon)
    length = size(np.asarray(start)[None], ORDERS[name])[0]
    assert 0.3 < length <= 0.5 + 1e-6
