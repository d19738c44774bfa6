"""Input defences: what they do, and what they do to gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import defences, perturbation_metrics, registry
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.errors import UserError

IMAGE = tf.constant(np.random.default_rng(0).uniform(size=(2, 16, 12, 3)), tf.float32)


def test_bits_are_counted() -> None:
    assert len(np.unique(defences.bit_depth(IMAGE, 2))) == 4
    assert np.abs(defences.bit_depth(IMAGE, 8) - IMAGE).max() <= 0.5 / 255 + 1e-6


def test_smoothing_is_the_median_of_the_neighbours() -> None:
    outcome = np.asarray(defences.smoothing(IMAGE, 3))
    window = np.asarray(IMAGE)[1, 4:7, 6:9, 2]
    assert outcome[1, 5, 7, 2] == pytest.approx(np.median(window))
    assert outcome.shape == IMAGE.shape
    # A single wrong value disappears.
    flat = np.full((1, 9, 9, 3), 0.5, np.float32)
    flat[0, 4, 4] = 1
    assert np.allclose(defences.smoothing(tf.constant(flat), 3), 0.5)


def test_jpeg_is_nearly_that_of_files() -> None:
    picture = (np.asarray(IMAGE[0]) * 255 + 0.5).astype(np.uint8)
    smooth = np.asarray(tf.image.resize(picture[:4, :4], (32, 32))).astype(np.uint8)
    kept = defences.jpeg(tf.constant(smooth[None], tf.float32) / 255, 75)
    assert (
        np.abs(np.asarray(kept)[0] * 255 - perturbation_metrics.jpeg(smooth, 75)).mean()
        < 2
    )


@pytest.mark.parametrize("word", ["jpeg:60", "bit_depth:3", "smoothing:3"])
def test_the_adaptive_network_answers_as_the_defended_one(word: str, small) -> None:
    image = tf.image.resize(IMAGE, (16, 16))
    defence, knowing = defences.find(word), defences.adaptive(small, word)
    assert np.allclose(small(defence(image)), knowing(image), atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(knowing(image)[:, 0])
    assert np.abs(tape.gradient(score, image)).max() > 0


def test_a_defence_without_a_gradient_stops_only_those_who_do_not_know(
    small, pictures
) -> None:
    defence = defences.find("bit_depth:4")
    label = np.asarray(small(defence(tf.constant(pictures / 255, tf.float32)))).argmax(
        -1
    )
    known = defences.adaptive(small, "bit_depth:4")
    blind = success(lambda x: small(defence(x)), pictures, label, 12 / 255)
    knowing = success(known, pictures, label, 12 / 255)
    assert knowing > blind and knowing > 0.9


def success(network, pictures: np.ndarray, label: np.ndarray, radius: float) -> float:
    """Return the share of the pictures that an attack on a network changes enough."""
    parts = registry.choose(AdversarySettings("pgd"), "linf", targeted=False)
    model = AttackedModel([network], False)
    one = Campaign(model, NORMS["linf"], parts, tf.distribute.get_strategy())
    return float(one.run(Goals.of(pictures, label, radius)).success.mean())


@pytest.mark.parametrize("radius", [3 / 255, 6 / 255, 12 / 255])
def test_smoothing_has_a_gradient_that_is_better_than_none(
    radius: float, small, pictures
) -> None:
    """By its own an attack fools at least as many as by that of a change of nothing."""
    own = defences.adaptive(small, "smoothing:3")
    median = defences.find("smoothing:3")

    @tf.custom_gradient
    def straight(image: tf.Tensor):
        return median(image), lambda upstream: upstream

    label = np.asarray(own(tf.constant(pictures / 255, tf.float32))).argmax(-1)
    taken = success(lambda image: small(straight(image)), pictures, label, radius)
    assert success(own, pictures, label, radius) >= taken


@pytest.mark.parametrize("window", [3, 5])
def test_the_gradient_of_smoothing_goes_to_the_median_of_each_window(
    window: int,
) -> None:
    rng, half = np.random.default_rng(window), window // 2
    upstream = rng.normal(size=IMAGE.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(IMAGE)
        outcome = defences.smoothing(IMAGE, window)
    own = tape.gradient(outcome, IMAGE, output_gradients=tf.constant(upstream))
    # All values differ: where each came from is known.
    values, expected = np.asarray(IMAGE), np.zeros(IMAGE.shape, np.float64)
    for at, value in np.ndenumerate(np.asarray(outcome)):
        picture, row, column, colour = at
        above, before = max(0, row - half), max(0, column - half)
        near = values[
            picture,
            above : row + half + 1,
            before : column + half + 1,
            colour,
        ]
        ((y, x),) = np.argwhere(near == value)
        expected[picture, above + y, before + x, colour] += upstream[at]
    np.testing.assert_allclose(own, expected, atol=1e-5)


@pytest.mark.parametrize("name", defences.DEFENCES)
def test_each_defence_rounds_or_has_the_gradient_of_what_it_does(name: str) -> None:
    rng = np.random.default_rng(8)
    image, towards, upstream = (
        tf.constant(rng.uniform(0.2, 0.8, (1, 16, 12, 3)), tf.float32) for _ in range(3)
    )
    draw = [tf.constant([[1, 2]])] if defences.is_random(name) else []
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(defences.DEFENCES[name](image, *draw) * upstream)
    own = tape.gradient(score, image)
    if name in defences.ROUNDING:
        assert own is None or not np.any(own)
        return
    after, before = (
        tf.reduce_sum(defences.DEFENCES[name](image + step * towards, *draw) * upstream)
        for step in (2e-3, -2e-3)
    )
    expected = (after - before) / 4e-3
    assert float(tf.reduce_sum(own * towards)) == pytest.approx(float(expected), 0.02)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("jpg", "Did you mean 'jpeg'"),
        ("jpeg:0", "from 1 to 100"),
        ("bit_depth:x", "from 1 to 8"),
        ("smoothing:4", "and odd"),
    ],
)
def test_what_means_nothing_is_refused(word: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        defences.find(word)
