"""Objectives add and scale exactly, and each of them rises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models.layer_outputs import Inside
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import Ascent, Climb
from tfpipeline.synthesize.objectives import OBJECTIVES, Objective, Seen
from tfpipeline.synthesize.parameterizations import Fourier

SIZE = (32, 32)

# How each row of the table is asked for, in a network with a layer `conv`.
ARGUMENTS = {
    "class_logit": ([0, 3],),
    "log_odds": ([0, 3],),
    "cross_entropy": ([0, 3],),
    "layer": ("conv",),
    "channel": ("conv", [1, 2]),
    "neuron": ("conv", 2),
    "direction": ("conv", [1.0, -1.0, 0.5, 0.0, 0.0, 2.0, 0.0, 1.0]),
    "total_variation": (),
    "l2": (),
    "diversity": ("conv", [0, 0]),
    "feature_distance": ("conv",),
    "statistics": ("conv", [1.0, 0.5] * 8),
}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="gelu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(5)(x))


def seen(model: keras.Model, count: int = 2) -> Seen:
    rng = np.random.default_rng(0)
    image = tf.constant(rng.random((count, *SIZE, 3), np.float32))
    inside = Inside(model, ["conv"])
    return Seen(image, inside(image), tf.range(count), inside(grey()))


def grey() -> tf.Tensor:
    """Return the photograph that images are compared with, where they are."""
    return tf.fill((1, *SIZE, 3), 0.5)


def made(name: str) -> Objective:
    return OBJECTIVES[name](*ARGUMENTS[name])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_term_is_one_number_an_image_and_rises_in_three_steps(
    model: keras.Model, name: str, strategy
) -> None:
    penalties = ("cross_entropy", "total_variation", "l2")
    penalties += ("feature_distance", "statistics")
    sign = -1 if name in penalties else 1
    objective = sign * made(name)
    assert objective(seen(model)).shape == (2,)
    if name == "diversity":
        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")  # Both must be together.
    waves = Fourier(SIZE)
    inside = Inside(model, ["conv"])
    ascent = Ascent(inside, objective, waves, [], Climb(3), strategy, grey())
    found = ascent.run(waves.start(0, [1, 2]))
    assert (found.end_scores > found.start_scores).all()


def test_two_a_plus_three_b_is_two_and_three(model: keras.Model) -> None:
    one, two = made("class_logit"), made("channel")
    what = seen(model)
    both = (2 * one + 3 * two)(what)
    np.testing.assert_allclose(both, 2 * one(what) + 3 * two(what), rtol=1e-6)
    # The bug of a popular library: weights that compound, 2A + 3B becoming 6.
    assert [weight for weight, _ in (2 * one + 3 * two).terms] == [2, 3]
    twice = 2 * (one + 3 * two)
    assert [weight for weight, _ in twice.terms] == [2, 6]
    assert [weight for weight, _ in (one - two * 4).terms] == [1, -4]
    assert (2 * one + 3 * two).needs == {"conv"}


def test_closed_forms_of_what_is_said_of_logits() -> None:
    logits = tf.constant([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    what = Seen(tf.zeros((2, 4, 4, 3)), {"logits": logits}, tf.range(2))
    picked = objectives.class_logit([1, 2])(what)
    np.testing.assert_allclose(picked, [2, 3])
    p = tf.nn.softmax(logits).numpy()[[0, 1], [1, 2]]
    np.testing.assert_allclose(
        objectives.log_odds([1, 2])(what), np.log(p / (1 - p)), rtol=1e-5
    )
    by_keras = keras.losses.sparse_categorical_crossentropy(
        tf.constant([1, 2]), logits, from_logits=True
    )
    for of_probabilities in (False, True):
        ours = objectives.cross_entropy([1, 2], of_probabilities=of_probabilities)
        np.testing.assert_allclose(ours(what), by_keras, rtol=1e-5)


def test_a_softmax_output_has_no_gradient_where_the_class_is_hopeless() -> None:
    logits = tf.constant([[40.0, 0.0]])
    for of_probabilities, alive in ((True, False), (False, True)):
        term = objectives.cross_entropy(1, of_probabilities=of_probabilities)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = term(Seen(tf.zeros((1, 4, 4, 3)), {"logits": logits}, tf.range(1)))
        assert bool(tf.reduce_any(tape.gradient(loss, logits) != 0)) is alive


def test_terms_of_pixels_are_sums() -> None:
    image = np.full((1, 4, 4, 3), 0.5, np.float32)
    image[0, 1, 1, 0] = 0.75
    what = Seen(tf.constant(image), {}, tf.range(1))
    np.testing.assert_allclose(objectives.total_variation()(what), [1.0])
    np.testing.assert_allclose(objectives.l2()(what), [0.0625])


def test_a_photograph_is_at_distance_nought_of_itself_and_its_double_at_one() -> None:
    maps = tf.constant(np.random.default_rng(0).normal(size=(1, 3, 3, 4)), tf.float32)
    images, natural = tf.zeros((3, 4, 4, 3)), {"conv": maps}
    term = objectives.feature_distance("conv")
    given = tf.concat([maps, 2 * maps, 0 * maps], 0)
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = term(Seen(images, {"conv": given}, tf.range(3), natural))
    np.testing.assert_allclose(found, [0, 1, 1], atol=1e-5)
    # At the photograph itself, where an ascent begins, the slope is a number: none.
    slope = tape.gradient(found, given).numpy()
    np.testing.assert_allclose(slope[0], 0, atol=1e-6)
    norm = float(tf.norm(maps))
    np.testing.assert_allclose(slope[1], maps[0] / norm**2, rtol=1e-4)
    both = objectives.class_logit(0) - 2 * term
    assert both.compares and not objectives.class_logit(0).compares


def test_statistics_are_at_distance_nought_of_their_own_and_of_no_target() -> None:
    maps = tf.constant(np.random.default_rng(0).normal(size=(3, 5, 5, 4)), tf.float32)
    own = objectives.moments(maps).numpy()
    numbers = maps.numpy()
    np.testing.assert_allclose(own[:, :4], numbers.mean((1, 2)), rtol=1e-4, atol=1e-6)
    deviation = np.sqrt(numbers.var((1, 2)) + 1e-3)
    np.testing.assert_allclose(own[:, 4:], deviation, rtol=1e-4)
    # Its own, twice as much, and none.
    rows = own * np.array([[1], [2], [0]], np.float32)
    what = Seen(tf.zeros((3, 1, 1, 3)), {"conv": maps}, tf.range(3))
    found = objectives.statistics("conv", rows)(what)
    np.testing.assert_allclose(found, [0, 0.5, 0], atol=1e-5)
    one = objectives.statistics("conv", rows[0])(what)
    assert one[0] < 1e-6 < one[1]
    # Dead channels, of one value, have a gradient that is a number.
    dead = tf.zeros((3, 5, 5, 4))
    with tf.GradientTape() as tape:
        tape.watch(dead)
        seen = Seen(what.image, {"conv": dead}, what.place)
        found = objectives.statistics("conv", own)(seen)
    assert np.isfinite(tape.gradient(found, dead)).all()


def test_a_direction_is_one_for_all_images_or_one_for_each(model) -> None:
    what = seen(model)
    vectors = np.random.default_rng(1).normal(size=(2, 8)).astype(np.float32)
    both = objectives.direction("conv", vectors)(what)
    each = [
        objectives.direction("conv", vector)(what)[i]
        for i, vector in enumerate(vectors)
    ]
    np.testing.assert_allclose(both, each, rtol=1e-5)
    # Without a cosine it is the mean of dot products, of a vector as of maps.
    maps = what.outputs["conv"].numpy()
    dots = objectives.direction("conv", vectors[0], cosine_power=0)(what)
    np.testing.assert_allclose(dots, (maps @ vectors[0]).mean((1, 2)), rtol=1e-4)


def test_images_of_another_group_have_nothing_to_do_with_diversity(model) -> None:
    image = tf.constant(np.random.default_rng(1).random((4, *SIZE, 3), np.float32))
    image = tf.concat([image[:1], image[:1], image[2:]], 0)
    what = Seen(image, Inside(model, ["conv"])(image), tf.range(4))
    same = objectives.diversity("conv", [0, 0, 1, 2])(what)
    np.testing.assert_allclose(same, [-1, -1, 0, 0], atol=1e-5)


def test_every_image_has_its_own_target_or_all_the_same(model: keras.Model) -> None:
    what = seen(model)
    logits = what.outputs["logits"].numpy()
    np.testing.assert_allclose(objectives.class_logit(3)(what), logits[:, 3])
    np.testing.assert_allclose(
        objectives.class_logit([4, 0])(what), logits[[0, 1], [4, 0]]
    )
