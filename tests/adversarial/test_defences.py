"""Input defences: what they do, and what they do to gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.adversarial import attacks, defences, measures
from tfpipeline.adversarial.campaign import Campaign
from tfpipeline.adversarial.loop import Wanted
from tfpipeline.adversarial.norms import NORMS
from tfpipeline.adversarial.victim import Victim
from tfpipeline.config_adversary import AdversarySettings
from tfpipeline.errors import UserError

IMAGE = tf.constant(np.random.default_rng(0).uniform(size=(2, 16, 12, 3)), tf.float32)


def test_bits_are_counted() -> None:
    assert len(np.unique(defences.bit_depth(IMAGE, 2))) == 4
    assert np.abs(defences.bit_depth(IMAGE, 8) - IMAGE).max() <= 0.5 / 255 + 1e-6


def test_smoothing_is_the_median_of_the_neighbours() -> None:
    found = np.asarray(defences.smoothing(IMAGE, 3))
    window = np.asarray(IMAGE)[1, 4:7, 6:9, 2]
    assert found[1, 5, 7, 2] == pytest.approx(np.median(window))
    assert found.shape == IMAGE.shape
    # A single wrong value disappears.
    flat = np.full((1, 9, 9, 3), 0.5, np.float32)
    flat[0, 4, 4] = 1
    assert np.allclose(defences.smoothing(tf.constant(flat), 3), 0.5)


def test_jpeg_is_nearly_that_of_files() -> None:
    picture = (np.asarray(IMAGE[0]) * 255 + 0.5).astype(np.uint8)
    smooth = np.asarray(tf.image.resize(picture[:4, :4], (32, 32))).astype(np.uint8)
    kept = defences.jpeg(tf.constant(smooth[None], tf.float32) / 255, 75)
    assert np.abs(np.asarray(kept)[0] * 255 - measures.jpeg(smooth, 75)).mean() < 2


@pytest.mark.parametrize("word", ["jpeg:60", "bit_depth:3", "smoothing:3"])
def test_the_adaptive_network_answers_as_the_defended_one(word: str, small) -> None:
    defence = defences.find(word)
    image = tf.image.resize(IMAGE, (16, 16))
    blind, knowing = (
        wrap(small, defence) for wrap in (defences.defended, defences.adaptive)
    )
    assert np.allclose(blind(image), knowing(image), atol=1e-5)
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
    rates = []
    for wrap in (defences.defended, defences.adaptive):
        parts = attacks.choose(AdversarySettings("pgd"), "linf", targeted=False)
        victim = Victim([wrap(small, defence)], False)
        one = Campaign(victim, NORMS["linf"], parts, tf.distribute.get_strategy())
        rates.append(one.run(Wanted.of(pictures, label, 12 / 255)).success.mean())
    assert rates[1] > rates[0] and rates[1] > 0.9


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
