"""Networks are opened by what users call them."""

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import load_network
from tfpipeline.models.class_names import ClassNames


def test_a_run_is_a_network_with_its_own_classes(demo_run) -> None:
    network = load_network.open_network(str(demo_run.path), ModelSettings())
    assert network.name == "run" and "teapot" in network.labels
    assert network.size == (96, 96)


def test_pictures_of_any_size_are_asked_about(demo_run) -> None:
    network = load_network.open_network(str(demo_run.path), ModelSettings())
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 40, 60, 3)).astype(np.uint8)
    logits = network.logits(pictures)
    assert logits.shape == (3, len(network.labels))
    np.testing.assert_allclose(network.logits(pictures[1:2])[0], logits[1], rtol=1e-4)


def test_an_untrained_network_is_calibrated_and_the_same_every_time() -> None:
    settings = ModelSettings("VGG16", weights="none", image_size=32)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    network = load_network.open_network(None, settings, names_needed=False)
    logits = network.logits(picture)
    assert np.isfinite(logits).all() and logits.std() > 0.05
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


def test_another_head_on_the_same_backbone_has_taken_part() -> None:
    def headed(seed: int, backbone: keras.Model) -> load_network.Network:
        keras.utils.set_random_seed(seed)
        image = keras.Input((32, 32, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(backbone(image))
        model = keras.Model(image, keras.layers.Dense(2)(pooled))
        return load_network.Network(str(seed), model, ClassNames(("a", "b")))

    def backbone(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        image = keras.Input((32, 32, 3))
        x = keras.layers.Conv2D(4, 3)(image)
        return keras.Model(image, keras.layers.DepthwiseConv2D(3)(x))

    shared = backbone(0)
    one, other, apart = headed(1, shared), headed(2, shared), headed(1, backbone(3))
    assert one.shares_backbone(other) and not one.is_same(other)
    assert not one.shares_backbone(apart) and not apart.shares_backbone(one)


def test_names_are_only_needed_where_classes_are_named(monkeypatch) -> None:
    def none() -> tuple[str, ...]:
        raise UserError("no list of names")

    monkeypatch.setattr(load_network.imagenet_weights, "class_names", none)
    settings = ModelSettings("MobileNet", weights="none", alpha=0.25, image_size=32)
    network = load_network.open_network(None, settings, names_needed=False)
    assert not network.named and network.labels[284] == "284"
    assert network.name == "MobileNet 0.25"
    with pytest.raises(UserError, match="no list of names"):
        load_network.open_network(None, settings)


@pytest.mark.assets
@pytest.mark.parametrize("word", ["MobileNet:0.25", "MobileNet@0.25", "MobileNet 0.25"])
def test_a_judge_is_named_with_its_width(assets, imagenet, word: str) -> None:
    judge = load_network.open_judge(word)
    assert judge.name == word and judge.labels[340] == "zebra"


def test_a_judge_is_a_run_as_well(demo_run) -> None:
    assert load_network.open_judge(str(demo_run.path)).name == str(demo_run.path)


def test_an_unknown_judge_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'VGG16'"):
        load_network.open_judge("VGG161")
