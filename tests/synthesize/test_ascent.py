"""An ascent goes up, in range, and each image on its own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models.layer_outputs import Backward, Inside
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import OPTIMIZERS, Ascent, Climb
from tfpipeline.synthesize.parameterizations import PARAMETERIZATIONS, Pixels
from tfpipeline.synthesize.transforms import Rotate, Sometimes, View

SIZE = (32, 32)
CLASSES = 4


def one_device() -> tf.distribute.Strategy:
    return tf.distribute.OneDeviceStrategy("/cpu:0")


@pytest.fixture(scope="module")
def linear() -> tuple[keras.Model, np.ndarray]:
    image = keras.Input((*SIZE, 3))
    dense = keras.layers.Dense(CLASSES, use_bias=False)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    weights = np.random.default_rng(0).normal(size=(SIZE[0] * SIZE[1] * 3, CLASSES))
    dense.set_weights([weights])
    return model, weights.T.reshape(CLASSES, *SIZE, 3).astype(np.float32)


@pytest.fixture(scope="module")
def curved() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu", name="conv")(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="deeper")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES)(x))


def test_the_ideal_of_a_linear_network_is_white_where_its_weight_is_positive(
    linear, strategy
) -> None:
    model, weights = linear
    pixels = Pixels(SIZE)
    ascent = Ascent(
        model, objectives.class_logit([0, 2]), pixels, [], Climb(30, 0.1), strategy
    )
    found = ascent.run(pixels.start(0, [0, 2]))
    # A weight near nought moves its pixel by Adam as fast as any other.
    np.testing.assert_allclose(found.images, weights[[0, 2]] > 0, atol=1e-3)
    np.testing.assert_allclose(
        found.end_scores, np.maximum(weights[[0, 2]], 0).sum((1, 2, 3)), rtol=1e-4
    )


def test_with_a_square_penalty_it_is_where_both_slopes_are_equal(linear) -> None:
    """max w.x - c |x - 1/2|^2 has its top at 1/2 + w / 2c, clipped."""
    model, weights = linear
    pixels = Pixels(SIZE)
    objective = objectives.class_logit(1) - 4 * objectives.l2()
    climb = Climb(60, 0.1, "sgd")
    found = Ascent(model, objective, pixels, [], climb, one_device()).run(
        pixels.start(0, [1])
    )
    expected = np.clip(0.5 + weights[1] / 8, 0, 1)
    np.testing.assert_allclose(found.images[0], expected, atol=1e-3)


def test_a_photograph_is_compared_as_it_is_shown(curved) -> None:
    """Its distance of itself is nought in every view, so nothing moves it."""
    photograph = tf.constant(np.random.default_rng(0).random((1, *SIZE, 3), np.float32))
    transforms = [Rotate(20), View(0.5, 1.2)]
    objective = -objectives.feature_distance("conv")
    inside, pixels = Inside(curved, ["conv"]), Pixels(SIZE)
    given = (inside, objective, pixels, transforms, Climb(4, 0.1), one_device())
    # Of two at once the last bits are others on some processors: Adam moves by them.
    found = Ascent(*given, photograph).run(pixels.of(photograph))
    np.testing.assert_allclose(found.curve, 0, atol=1e-4)
    np.testing.assert_allclose(found.images, photograph, atol=1e-5)
    # Another one is drawn to it, whatever the view.
    found = Ascent(*given, photograph).run(pixels.start(0, [0]))
    assert found.end_scores[0] > found.start_scores[0]
    with pytest.raises(ValueError, match="photograph"):
        Ascent(*given).run(pixels.start(0, [0]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_it_rises_and_stays_in_range(curved, name: str, optimizer: str) -> None:
    parameterization = PARAMETERIZATIONS[name](SIZE)
    rate = {"sgd": 0.01, "lion": 0.005}.get(optimizer, 0.02)
    found = Ascent(
        Inside(curved),
        objectives.class_logit([0, 1]),
        parameterization,
        [],
        Climb(10, rate, optimizer),
        one_device(),
    ).run(parameterization.start(0, [0, 1]))
    assert (found.end_scores > found.start_scores).all()
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert found.curve.shape == (2, 10) and found.alive.all()
    # The first step saw the start itself: there were no transforms.
    np.testing.assert_allclose(found.curve[:, 0], found.start_scores, rtol=1e-5)


def climbed(model, indices, strategy, seed: int = 0, **more):
    pixels = PARAMETERIZATIONS["fourier"](SIZE)
    transforms = [Rotate(10), View(), Sometimes(Rotate(5), 0.5)]
    climb = Climb(12, 0.1, views=2, seed=seed, **more)
    objective = objectives.class_logit(indices) - 1e-3 * objectives.total_variation()
    ascent = Ascent(Inside(model), objective, pixels, transforms, climb, strategy)
    return ascent.run(pixels.start(seed, indices))


@pytest.fixture(scope="module")
def kept() -> dict[int, Any]:
    """What `three` has made, by the number of replicas."""
    return {}


@pytest.fixture
def three(curved, strategy, kept):
    """An image of each of three classes, made once by each strategy."""
    replicas = strategy.num_replicas_in_sync
    if replicas not in kept:
        kept[replicas] = climbed(curved, [0, 1, 2], strategy)
    return kept[replicas]


def test_scores_are_of_the_images_that_are_returned(curved, three) -> None:
    found = three
    logits = curved(found.images).numpy()[np.arange(3), [0, 1, 2]]
    variation = tf.image.total_variation(tf.constant(found.images)).numpy()
    np.testing.assert_allclose(found.end_scores, logits - 1e-3 * variation, rtol=1e-4)


def test_a_batch_makes_the_same_images_as_runs_of_one(curved, strategy, three) -> None:
    for index in (0, 2):
        alone = climbed(curved, [index], strategy)
        np.testing.assert_allclose(alone.images[0], three.images[index], atol=1e-5)
        np.testing.assert_allclose(alone.curve[0], three.curve[index], rtol=1e-4)


def test_two_replicas_make_the_same_images_as_one(curved) -> None:
    from tfpipeline import distribute
    from tfpipeline.config import DistributeSettings

    two = distribute.choose(DistributeSettings("mirrored", 2))
    one, both = (climbed(curved, [3, 0, 1], s) for s in (one_device(), two))
    np.testing.assert_allclose(one.images, both.images, atol=1e-6)
    np.testing.assert_allclose(one.curve, both.curve, rtol=1e-5)


def test_the_same_seed_makes_the_same_image_and_another_one_another(curved) -> None:
    first, again = (climbed(curved, [0], one_device()) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    other = climbed(curved, [0], one_device(), seed=1)
    assert np.abs(other.images - first.images).max() > 0.01


def test_snapshots_begin_with_the_start_and_change_nothing(
    curved, strategy, three
) -> None:
    shot = climbed(curved, [0, 1, 2], strategy, every=5)
    np.testing.assert_array_equal(three.images, shot.images)
    assert [number for number, _ in shot.snapshots] == [0, 5, 10]
    start = PARAMETERIZATIONS["fourier"](SIZE)
    first = start.image(start.start(0, [0, 1, 2]))
    np.testing.assert_allclose(shot.snapshots[0][1], first, atol=1e-6)


def dying(bias: float) -> keras.Model:
    """A network whose ReLUs are all below nought on ordinary pictures."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="top")(x))
    conv, top = model.get_layer("conv"), model.get_layer("top")
    conv.set_weights([np.abs(conv.get_weights()[0]), np.full(8, bias)])
    top.set_weights([np.abs(top.get_weights()[0]), np.zeros(CLASSES)])
    return model


WAKING = {
    "logit": objectives.class_logit([0, 1]),
    "channel": objectives.channel("conv", [0, 1]),
    # A slope of the pixels themselves does not hide that the network has none.
    "smooth": objectives.class_logit([0, 1]) - 1e-6 * objectives.total_variation(),
}


@pytest.mark.parametrize("what", WAKING)
def test_a_start_without_a_gradient_is_woken(what: str, strategy) -> None:
    model, pixels = dying(-2.2), Pixels(SIZE)
    objective = WAKING[what]
    network = Inside(model, ["conv"])
    climb = Climb(20, 0.05)
    found = Ascent(network, objective, pixels, [], climb, strategy).run(
        pixels.start(0, [0, 1])
    )
    assert found.cured.all() and found.alive.all()
    assert (found.end_scores > found.start_scores).all()
    np.testing.assert_allclose(found.start_scores, 0, atol=1e-3)


def test_a_gradient_that_passes_dead_relus_wakes_them_itself(strategy) -> None:
    model, pixels = dying(-2.2), Pixels(SIZE)
    network = Inside(model, backward=Backward(relus=0.1))
    objective = objectives.class_logit([0, 1])
    found = Ascent(network, objective, pixels, [], Climb(20, 0.05), strategy).run(
        pixels.start(0, [0, 1])
    )
    assert (found.end_scores > found.start_scores).all() and not found.cured.any()


def test_what_cannot_rise_is_told(strategy) -> None:
    """No picture reaches this network: it stays dead, and nobody calls it cured."""
    model, pixels = dying(-100.0), Pixels(SIZE)
    ascent = Ascent(
        Inside(model), objectives.class_logit([0]), pixels, [], Climb(3), strategy
    )
    found = ascent.run(pixels.start(0, [0]))
    assert not found.alive.any() and not found.cured.any()
    assert (found.end_scores == found.start_scores).all()


def test_waking_one_image_leaves_its_batch_mate_alone() -> None:
    model, pixels = dying(-2.2), Pixels(SIZE)
    bright = tf.fill((1, *SIZE, 3), 0.95)
    dark = tf.fill((1, *SIZE, 3), 0.3)

    def run(start: tf.Tensor, place: list[int]) -> np.ndarray:
        objective = objectives.class_logit([0, 1])
        ascent = Ascent(
            Inside(model), objective, pixels, [], Climb(10, 0.05), one_device()
        )
        return ascent.run((start,), place=place)

    both = run(tf.concat([bright, dark], 0), [0, 1])
    assert both.cured.tolist() == [False, True]
    np.testing.assert_allclose(run(bright, [0]).images[0], both.images[0], atol=1e-6)
    np.testing.assert_allclose(run(dark, [1]).images[0], both.images[1], atol=1e-6)


def test_no_steps_return_the_start(curved) -> None:
    pixels = Pixels(SIZE)
    start = pixels.start(0, [0])
    found = Ascent(
        curved, objectives.class_logit(0), pixels, [], Climb(0), one_device()
    ).run(start)
    np.testing.assert_array_equal(found.images, start[0])
    assert found.curve.shape == (1, 0)


def test_an_objective_of_pixels_alone_does_not_look_for_dead_relus_for_ever() -> None:
    """The network has no slope there, and waking it up is tried once."""
    model, pixels = dying(-0.1), Pixels(SIZE)
    objective = -1 * objectives.total_variation()
    ascent = Ascent(Inside(model), objective, pixels, [], Climb(3), one_device())
    found = ascent.run(pixels.start(0, [0]))
    assert found.end_scores[0] > found.start_scores[0] and not found.cured.any()
