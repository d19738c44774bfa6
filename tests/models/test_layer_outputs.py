"""Layers are found by name wherever they are, and tell what they answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world
from tfpipeline.metrics import saliency
from tfpipeline.models import (
    backbones,
    classifier,
    ensembles,
    imagenet_weights,
    layer_outputs,
)
from tfpipeline.models.engines import litert
from tfpipeline.models.layer_outputs import LOGITS, Inside


@pytest.fixture(scope="module")
def nested() -> keras.Model:
    """A classifier of this project: preprocessing, a nested backbone, a nested head."""
    keras.utils.set_random_seed(0)
    settings = backbones.resolve(ModelSettings(weights="demo", hidden=[8]), "demo")
    backbone = backbones.build_backbone(settings, world.WEIGHTS_FILE)
    return classifier.build_classifier(backbone, "tf", settings, 5)


@pytest.fixture(scope="module")
def image() -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).random((2, 96, 96, 3), np.float32))


@pytest.mark.parametrize("name", ["out_relu", "block_12_add"])
def test_what_is_watched_has_its_gradient_and_nothing_before_it_is_remembered(
    nested, image, name: str
) -> None:
    gradients = []
    for watched in (True, False):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if not watched:
                tape.watch(image)
            found = Inside(nested, [name])(image, tape.watch if watched else None)
            score = tf.reduce_sum(found[LOGITS][:, 1])
        gradient, start = tape.gradient(score, [found[name], image])
        gradients.append(gradient)
        assert (start is None) == watched
    np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-7)


def test_a_nested_layer_answers_as_it_does_in_its_own_model(nested, image) -> None:
    name = "block_3_expand_relu"
    backbone = classifier.backbone_of(nested)
    own = keras.Model(backbone.input, backbone.get_layer(name).output)
    found = Inside(nested, [name, "features"])(image)
    np.testing.assert_allclose(found[name], own(image * 2 - 1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[LOGITS], nested(image, training=False), rtol=1e-5)
    assert found["features"].shape == (2, 1280) and set(found) == {
        name,
        "features",
        LOGITS,
    }


def test_a_loaded_classifier_is_the_same(nested, image, tmp_path) -> None:
    nested.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    name = "block_11_add"
    one, two = (Inside(model, [name])(image)[name] for model in (nested, again))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_loaded_classifier_gives_a_gradient_to_the_image(nested, image) -> None:
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = tf.reduce_sum(Inside(nested, ["out_relu"])(image)[LOGITS][:, 0])
    assert float(tf.norm(tape.gradient(score, image))) > 0


@pytest.mark.parametrize("backbone", ["VGG16", "VGG19", "ResNet50", "MobileNet"])
def test_families_with_their_own_top_can_be_looked_into(backbone: str) -> None:
    settings = ModelSettings(backbone, weights="none", image_size=32)
    model = imagenet_weights.build_pretrained(imagenet_weights.resolve(settings))
    shapes = layer_outputs.maps(model)
    some = layer_outputs.spread(list(shapes), 4)
    image = tf.constant(np.random.default_rng(0).random((1, 32, 32, 3), np.float32))
    found = Inside(model, some)(image)
    for name in some:
        assert found[name].shape[1:] == shapes[name]
    np.testing.assert_allclose(found[LOGITS], model(image), atol=1e-6)


def test_preprocessing_can_be_left_out(nested, image) -> None:
    raw = layer_outputs.without_preprocessing(nested)
    np.testing.assert_allclose(
        raw(image * 2 - 1), nested(image, training=False), rtol=1e-4, atol=1e-5
    )


def test_what_is_random_in_training_is_not_here(image) -> None:
    inner_image = keras.Input((96, 96, 3))
    x = keras.layers.RandomRotation(0.3)(inner_image)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    inner = keras.Model(inner_image, keras.layers.GlobalAveragePooling2D()(x))
    outer_image = keras.Input((96, 96, 3))
    model = keras.Model(outer_image, inner(outer_image))
    one, two = (Inside(model, ["dropout"])(image)[LOGITS] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, model(image, training=False), rtol=1e-5)
    with pytest.raises(ValueError, match="nested"):
        layer_outputs.without_preprocessing(inner)


def test_maps_are_what_has_a_height_and_a_width(nested) -> None:
    shapes = layer_outputs.maps(nested)
    assert shapes["Conv1"] == (48, 48, 16) and shapes["out_relu"] == (3, 3, 1280)
    assert not {"logits", "features", "rescaling", "Conv1_pad"} & set(shapes)
    bent = layer_outputs.with_activation(nested)
    assert {"Conv1_relu", "block_11_add"} <= bent and "Conv1" not in bent


def test_a_spread_is_even_and_ends_with_the_last() -> None:
    names = [str(n) for n in range(10)]
    assert layer_outputs.spread(names, 3) == ["2", "5", "9"]
    assert layer_outputs.spread(names, 1) == ["9"]
    assert layer_outputs.spread(names, 20) == names


def test_an_unknown_layer_is_told_with_the_nearest(nested) -> None:
    layer_outputs.check(nested, "out_relu", "--layers")
    with pytest.raises(UserError, match="--layers: no layer.*'block_3_expand'"):
        layer_outputs.check(nested, "blok_3_expand", "--layers")


@pytest.fixture(scope="module")
def several(nested) -> tuple[keras.Model, list[keras.Model]]:
    """An ensemble of two networks of one family, and its members."""
    members = []
    for scale in (0.0, 0.2):
        keras.utils.set_random_seed(0)
        settings = backbones.resolve(ModelSettings(weights="demo", hidden=[8]), "demo")
        backbone = backbones.build_backbone(settings, world.WEIGHTS_FILE)
        member = classifier.build_classifier(backbone, "tf", settings, 5)
        rng = np.random.default_rng(1)
        member.set_weights(
            [w * (1 + scale * rng.random(w.shape)) for w in member.get_weights()]
        )
        members.append(member)
    return ensembles.ensemble(members, [1.0, 1.0]), members


def test_layers_of_an_ensemble_that_share_a_name_are_told_apart(several, image) -> None:
    both, members = several
    names = list(layer_outputs.named(both))
    assert len(names) == len(set(names)) and "out_relu" not in names
    assert "features" in names and "member_1/features" in names
    found = Inside(both, ["member_0/out_relu", "member_1/out_relu"])(image)
    for number, member in enumerate(members):
        own = Inside(member, ["out_relu"])(image)["out_relu"]
        np.testing.assert_allclose(
            found[f"member_{number}/out_relu"], own, rtol=1e-4, atol=1e-4
        )
    np.testing.assert_allclose(found[LOGITS], both(image), rtol=1e-4, atol=1e-5)
    assert layer_outputs.last_maps(both) == ["member_0/out_relu", "member_1/out_relu"]
    assert layer_outputs.last_maps(members[0]) == ["out_relu"]


def test_each_member_of_an_ensemble_goes_without_its_preprocessing(
    several, image
) -> None:
    both, _ = several
    raw = layer_outputs.without_preprocessing(both)
    np.testing.assert_allclose(raw(image * 2 - 1), both(image), rtol=1e-4, atol=1e-5)
    assert np.abs(np.asarray(raw(image)) - np.asarray(both(image))).max() > 1e-3


@pytest.fixture(scope="module")
def by_litert(nested):
    """The converted network up to its features, as `train` keeps it."""
    extractor, _ = classifier.split_classifier(nested)
    return litert.LiteRT(litert.Traced(extractor).convert())


def test_maps_that_something_else_computes_give_the_same_grad_cam(
    nested, image, by_litert
) -> None:
    (name,) = layer_outputs.last_maps(nested)
    assert layer_outputs.pools(nested, [name])
    # Of some classes nothing speaks for any place.
    image, classes = tf.repeat(image, 5, axis=0), tf.constant(2 * list(range(5)))
    whole = layer_outputs.maps_and_logits(nested, name)
    expected = saliency.seen_by_all([whole], image, classes)
    found = saliency.seen_by_all(
        [layer_outputs.after_maps(nested, by_litert.maps)], image, classes
    )
    assert (np.ptp(expected, axis=(1, 2)) > 0.5).sum() >= 4
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_only_what_a_single_classifier_pools_is_computed_by_something_else(
    nested, several
) -> None:
    (last,) = layer_outputs.last_maps(nested)
    assert not layer_outputs.pools(nested, ["block_12_add"])
    assert not layer_outputs.pools(nested, [last, last])
    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    assert not layer_outputs.pools(plain, layer_outputs.last_maps(plain))
    both, _ = several
    assert not layer_outputs.pools(both, layer_outputs.last_maps(both)[:1])
    given = keras.Input((8,))
    vector = keras.Model(given, keras.layers.Flatten(name="features")(given))
    assert not layer_outputs.pools(vector, [])
