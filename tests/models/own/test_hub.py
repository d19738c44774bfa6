"""Backbones of KerasHub, from presets that are written here: nothing is downloaded."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.own import networks
from tests.models.own.networks import SIZE
from tests.models.own.test_network import PIXELS, build, features
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core.errors import UserError
from tfpipeline.features.layer_maps import Inspector
from tfpipeline.models import backbones, classifier, layer_outputs, saving, unfreezing
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.load_network import Network

pytestmark = networks.needs_hub

MAKERS = [networks.vit, networks.dino, networks.resnet, networks.siglip]


def theirs(name: str) -> tuple[np.ndarray, keras.Model]:
    """Return what KerasHub itself makes of the pictures by preset, and its backbone."""
    import keras_hub

    folder = name.removeprefix("kerashub:")
    backbone = keras_hub.models.Backbone.from_preset(folder)
    converter = keras_hub.layers.ImageConverter.from_preset(folder)
    seeing = getattr(backbone, "vision_encoder", backbone)
    pixels = converter(255 * PIXELS)
    given = {"images": pixels} if isinstance(seeing.input, dict) else pixels
    return np.asarray(seeing(given, training=False)), backbone


@pytest.mark.parametrize("make", MAKERS)
def test_features_are_those_of_keras_hub_with_its_converter(tmp_path, make) -> None:
    name = make(tmp_path / "preset")
    expected, _ = theirs(name)
    settings, model = build(name)
    assert settings.image_size == SIZE
    if expected.ndim == 3:
        # The patches' own tokens are the last; those of class and registers go.
        expected = expected[:, -((SIZE // 8) ** 2) :].mean(axis=1)
    elif expected.ndim == 4:
        expected = expected.mean(axis=(1, 2))
    np.testing.assert_allclose(features(model), expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("make", [networks.vit, networks.dino])
def test_the_class_token_is_the_first(tmp_path: Path, make) -> None:
    name = make(tmp_path / "preset")
    expected, _ = theirs(name)
    _, model = build(name, pooling="token")
    np.testing.assert_allclose(features(model), expected[:, 0], rtol=2e-3, atol=1e-4)
    assert not layer_outputs.maps(model)


def test_without_maps_there_is_nothing_to_show_and_that_is_said(tmp_path) -> None:
    _, model = build(networks.vit(tmp_path / "preset"), pooling="token")
    network = Network("a", model, ClassNames(["a", "b", "c"]))
    with pytest.raises(UserError, match="--model.pooling avg keeps its patches"):
        Inspector(FeaturesSettings(), network)


def test_maps_have_no_token(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="returns no tokens, but maps"):
        build(networks.resnet(tmp_path / "preset"), pooling="token")


def test_patches_are_maps_that_lie_where_the_patches_do(tmp_path: Path) -> None:
    _, model = build(networks.vit(tmp_path / "preset"))
    assert layer_outputs.last_maps(model) == ["patches"]
    assert layer_outputs.maps(model)["patches"] == (4, 4, 16)


@pytest.mark.parametrize("make", MAKERS)
def test_a_classifier_loads_without_its_preset(tmp_path: Path, make) -> None:
    name = make(tmp_path / "preset")
    _, model = build(name)
    before = np.asarray(model(PIXELS, training=False))
    saving.save_classifier(tmp_path / "run.keras", model, ["a", "b", "c"])
    (tmp_path / "preset").rename(tmp_path / "gone")
    loaded, _ = saving.load_classifier(tmp_path / "run.keras")
    np.testing.assert_array_equal(loaded(PIXELS, training=False), before)
    assert classifier.describe(loaded) == classifier.describe(model)


def test_a_loaded_backbone_is_frozen(tmp_path: Path) -> None:
    _, model = build(networks.vit(tmp_path / "preset"))
    saving.save_classifier(tmp_path / "run.keras", model, ["a", "b", "c"])
    loaded, _ = saving.load_classifier(tmp_path / "run.keras")
    assert not classifier.backbone_of(loaded).trainable_weights
    assert len(loaded.trainable_weights) == len(model.trainable_weights) == 2


def test_a_run_of_plain_layers_needs_no_keras_hub(tmp_path: Path) -> None:
    _, model = build(networks.resnet(tmp_path / "preset"))
    assert "keras_hub" not in json.dumps(model.get_config(), default=str)


def test_another_size_rebuilds_what_can_be_and_is_refused_elsewhere(tmp_path) -> None:
    name = networks.dino(tmp_path / "dino")
    _, model = build(name, image_size=48)
    assert layer_outputs.maps(model)["patches"] == (6, 6, 16)
    with pytest.raises(UserError, match="takes 32 pixels only. Received: 64"):
        build(networks.vit(tmp_path / "vit"), image_size=64)


def test_without_a_converter_preprocessing_has_to_be_named(tmp_path: Path) -> None:
    name = networks.vit(tmp_path / "preset")
    (tmp_path / "preset" / "image_converter.json").unlink()
    with pytest.raises(UserError, match="has no image converter"):
        build(name)
    settings, _ = build(name, preprocessing="vgg16")
    assert backbones.mode_of(settings) == "caffe"


def test_a_preset_that_cannot_be_downloaded_is_told_with_the_way_out(
    monkeypatch, no_network
) -> None:
    # Not asked for twice by the client of the index, which waits in between.
    monkeypatch.setattr("kagglehub.model_download", _unreachable, raising=True)
    with pytest.raises(UserError, match="save it on a machine with a network"):
        build("kerashub:vit_base_patch16_224_imagenet")


def _unreachable(*_: object, **__: object) -> None:
    raise ConnectionError("no route")


def test_a_folder_of_a_reader_is_refused(tmp_path: Path) -> None:
    import keras_hub

    keras_hub.models.BertBackbone(20, 1, 2, 8, 16).save_to_preset(str(tmp_path / "a"))
    with pytest.raises(UserError, match="from one image to one output"):
        build(f"kerashub:{tmp_path / 'a'}", preprocessing="unit")


@pytest.mark.parametrize(
    ("make", "block", "above"),
    [
        (networks.vit, "vit_encoder/transformer_block_3", "vit_encoder/ln/"),
        (networks.dino, "dino_encoder/layers_1", "dino_layernorm/"),
    ],
)
def test_a_transformer_thaws_from_a_block_on(tmp_path, make, block, above) -> None:
    _, model = build(make(tmp_path / "preset"))
    backbone = classifier.backbone_of(model)
    unfrozen = unfreezing.unfreeze(backbone, block)
    assert [name for name, _ in unfrozen.blocks] == [above.rstrip("/"), block]
    expected = {
        weight.path
        for weight in backbone.weights
        if f"{block}/" in weight.path or above in weight.path
    }
    assert {weight.path for weight in backbone.trainable_weights} == expected
    parts = [w.path for _, own in unfrozen.blocks for one in own for w in one.weights]
    assert sorted(parts) == sorted(expected)
    backbone.trainable = False
    assert not backbone.trainable_weights


def test_a_share_of_a_transformer_is_the_top_of_its_layers(tmp_path: Path) -> None:
    _, model = build(networks.vit(tmp_path / "preset"))
    backbone = classifier.backbone_of(model)
    every = [p for _, own in unfreezing.unfreeze(backbone, "all").blocks for p in own]
    some = [p for _, own in unfreezing.unfreeze(backbone, 0.25).blocks for p in own]
    assert len(some) == round(0.25 * len(every))
    assert [part.name for part in some] == [part.name for part in every[: len(some)]]


def test_all_is_every_weight_of_a_transformer(tmp_path: Path) -> None:
    _, model = build(networks.vit(tmp_path / "preset"))
    backbone = classifier.backbone_of(model)
    unfreezing.unfreeze(backbone, "all")
    assert len(backbone.trainable_weights) == len(backbone.weights)
