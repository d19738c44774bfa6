"""Heads of every kind, and the two halves of a classifier."""

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones, classifier


def tiny() -> keras.Model:
    """Return a small frozen network with a 2 x 2 feature map of 4 channels."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 4, strides=4)]
    model = keras.Sequential(layers, name="tiny")
    model.trainable = False
    return model


def build(classes: int = 3, **settings) -> keras.Model:
    return classifier.build_classifier(tiny(), "tf", ModelSettings(**settings), classes)


IMAGES = np.random.default_rng(0).uniform(size=(5, 8, 8, 3)).astype(np.float32)


def test_pooling_is_what_its_name_says() -> None:
    maps = np.asarray(tiny()(IMAGES * 2 - 1))
    wanted = {
        "avg": maps.mean((1, 2)),
        "max": maps.max((1, 2)),
        "flatten": maps.reshape(5, -1),
    }
    for pooling, expected in wanted.items():
        extractor, _ = classifier.split_classifier(build(pooling=pooling))
        np.testing.assert_allclose(extractor(IMAGES), expected, atol=1e-5)


def test_the_halves_put_together_are_the_whole() -> None:
    model = build(hidden=[6, 5], batch_norm=True, dropout=0.3)
    extractor, head = classifier.split_classifier(model)
    np.testing.assert_allclose(head(extractor(IMAGES)), model(IMAGES), atol=1e-6)
    assert not extractor.trainable_variables
    assert len(head.trainable_variables) == len(model.trainable_variables) == 8


def test_dropout_works_in_training_alone() -> None:
    model = build(dropout=0.5)
    extractor, head = classifier.split_classifier(model)
    vectors = extractor(IMAGES)
    np.testing.assert_array_equal(head(vectors), head(vectors))
    one, two = (np.asarray(head(vectors, training=True)) for _ in range(2))
    assert np.abs(one - two).max() > 1e-3


def test_the_initialiser_is_used() -> None:
    kernel = build(initialiser="zeros").get_layer("head").get_weights()[0]
    assert not kernel.any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pooling": "average"}, "avg"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden": [0]}, "hidden"),
        ({"initialiser": "glorot"}, "glorot_uniform"),
    ],
)
def test_what_cannot_be_built_is_told(settings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        build(**settings)


def test_a_fingerprint_follows_weights_layers_and_precision_but_no_names() -> None:
    one = classifier.describe(classifier.split_classifier(build())[0])
    assert one == classifier.describe(classifier.split_classifier(build(dropout=0))[0])
    other = build()
    kernel, bias = other.get_layer("tiny").get_weights()
    other.get_layer("tiny").set_weights([kernel, bias + 1e-3])
    maximum = build(pooling="max")
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        narrow = build()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    for different in (other, maximum, narrow):
        extractor = classifier.split_classifier(different)[0]
        assert classifier.describe(extractor) != one


def test_the_head_computes_in_float32_under_any_precision() -> None:
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = build(hidden=[4], batch_norm=True)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    _, head = classifier.split_classifier(model)
    assert {layer.compute_dtype for layer in head.layers} == {"float32"}


@pytest.mark.slow
def test_vgg16_with_a_flat_head_has_the_figures_of_the_lesson(tmp_path) -> None:
    settings = backbones.resolve(
        ModelSettings(backbone="VGG16", weights="none", pooling="flatten"), "folder"
    )
    backbone = backbones.build_backbone(settings, tmp_path)
    model = classifier.build_classifier(backbone, "caffe", settings, 1)
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert (trainable, model.count_params()) == (25_089, 14_739_777)
