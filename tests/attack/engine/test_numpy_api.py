"""An attack in one call: the network is looked at before it is attacked."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.numpy_api import Perturbing
from tfpipeline.attack.engine.registry import ATTACKS
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.errors import UserError

PGD = AdversarySettings(attack="pgd", eight_bit=False)


def test_it_makes_what_a_campaign_makes(linear) -> None:
    labels = np.zeros(5, int)
    outcome = Perturbing("8/255", adversary=PGD)(linear, linear.clean, labels)
    model = AttackedModel([linear], False)
    strategy = tf.distribute.get_strategy()
    campaign = Campaign(model, NORMS["linf"], ATTACKS["pgd"], strategy, grid=False)
    same = campaign.run(Goals.of(linear.clean, labels, epsilon=8 / 255))
    assert np.array_equal(outcome.image, same.image)
    assert np.array_equal(outcome.success, same.success)


def test_a_keras_model_answers_as_in_inference() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Input((4, 4, 3)), keras.layers.Flatten()]
        + [keras.layers.Dropout(0.9), keras.layers.Dense(3)]
    )
    images = np.random.default_rng(0).uniform(0.2, 0.8, (6, 4, 4, 3)).astype("float32")
    labels = np.asarray(model(images)).argmax(-1)
    with_dropout = Perturbing(0.3, adversary=PGD)(model, images, labels)
    assert with_dropout.success.all()
    answers = np.asarray(model(with_dropout.image, training=False)).argmax(-1)
    assert (answers != labels).all()
    assert np.abs(with_dropout.image - images).max() <= 0.3 + 1e-6


def test_probabilities_and_images_of_another_range_are_refused(linear) -> None:
    perturb, labels = Perturbing("4/255"), np.zeros(5, int)
    with pytest.raises(UserError, match="probabilities"):
        perturb(lambda image: tf.nn.softmax(linear(image)), linear.clean, labels)
    with pytest.raises(UserError, match="preprocessing"):
        perturb(linear, linear.clean * 255, labels)


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda some: some[0], "shape"),
        (lambda some: some[:, 0], "shape"),
        (lambda some: np.where(some > 0.5, np.nan, some), "NaN"),
        (lambda some: (some * 255).astype(np.int64), "0 to"),
        (lambda some: some - 1, "preprocessing"),
        (lambda some: some.astype(np.complex64), "complex64"),
        (lambda some: some.astype(str), "<U"),
        (lambda some: some[:3], "3 images"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(linear, change, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Perturbing("4/255", adversary=PGD)(
            linear, change(linear.clean), np.zeros(5, int)
        )


def test_images_of_8_bits_are_those_that_were_divided(linear) -> None:
    eight = np.round(linear.clean * 255).astype(np.uint8)
    labels = np.zeros(5, int)
    perturb = Perturbing("8/255", adversary=PGD)
    outcome = perturb(linear, eight, labels)
    same = perturb(linear, eight.astype(np.float32) / 255, labels)
    assert np.array_equal(outcome.image, same.image)
    assert outcome.image.dtype == np.float32
    double = perturb(linear, eight.astype(np.float64) / 255, labels)
    assert double.image.dtype == np.float32
    np.testing.assert_allclose(double.image, outcome.image, atol=1e-6)


def test_masked_gradients_are_told(linear, capsys) -> None:
    def masked(image: tf.Tensor) -> tf.Tensor:
        return linear(tf.stop_gradient(image))

    Perturbing("4/255", adversary=PGD)(masked, linear.clean, np.zeros(5, int))
    assert "gradients are masked" in capsys.readouterr().err


def test_images_that_are_wrong_already_are_told(linear, capsys) -> None:
    labels = np.array([0, 1, 0, 1, 0])
    outcome = Perturbing("1/255", adversary=PGD)(linear, linear.clean, labels)
    assert outcome.success[[1, 3]].all()
    assert "2 of 5 images are wrong without an attack" in capsys.readouterr().err
    # A target is no label.
    Perturbing("1/255", targeted=True, adversary=PGD)(linear, linear.clean, labels)
    assert "wrong" not in capsys.readouterr().err


def test_random_changes_are_expected_over(linear, capsys) -> None:
    """What is dimmed by chance has to be changed more before it always fools."""

    def dimmed(image: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        share = random.uniform(draw, 1, 1, 1)
        return 0.5 + share * (image - 0.5)

    adversary = dataclasses.replace(PGD, samples=4)
    labels = np.zeros(5, int)
    plain = Perturbing("40/255", adversary=adversary)
    outcome = plain(linear, linear.clean, labels)
    changing = dataclasses.replace(plain, changes=[dimmed])
    harder = changing(linear, linear.clean, labels)
    assert outcome.success.all() and harder.success.all()
    assert (harder.steps > outcome.steps).all()
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "words, told",
    [
        ({"epsilon": "4/256/2"}, "--epsilon"),
        ({"epsilon": 4}, "4/255"),
        ({"epsilon": "1/255", "norm": "l3"}, "--norm"),
        ({"epsilon": "1/255", "adversary": AdversarySettings("pdg")}, "pgd"),
    ],
)
def test_what_means_nothing_is_refused_when_it_is_made(words: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Perturbing(**words)


def test_no_image_is_no_attack(linear) -> None:
    empty = linear.clean[:0]
    assert len(Perturbing("4/255")(linear, empty, np.zeros(0, int)).image) == 0
