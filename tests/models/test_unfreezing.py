"""What learns is what was asked for, and batch norm never."""

import keras
import numpy as np
import pytest

from tfpipeline.config import FineTuneSettings, ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import classifier, unfreezing

FAMILIES = {
    "MobileNetV2": ("block_16", 19),
    "VGG16": ("block5", 5),
    "ResNet50": ("conv5_block3", 17),
    "EfficientNetV2B0": ("top_conv", 23),
    "DenseNet121": ("conv5_block16", 62),
}


def backbone(name: str = "MobileNetV2") -> keras.Model:
    model = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    model.trainable = False
    return model


def norms(model: keras.Model) -> list:
    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_all_is_everything_but_batch_norm_block_by_block(name: str) -> None:
    model = backbone(name)
    found = unfreezing.unfreeze(model, "all")
    top, count = FAMILIES[name]
    names = [block for block, _ in found.blocks]
    assert len(names) == len(set(names)) == count and top in names[:2]
    assert not any(layer.trainable for layer in norms(model))
    variables = {id(v) for _, some in found.blocks for x in some for v in x.weights}
    assert {id(v) for v in model.trainable_variables} <= variables
    learning = [layer for layer in model.layers if layer.trainable_weights]
    assert len(learning) == sum(len(some) for _, some in found.blocks)


@pytest.mark.parametrize(
    ("wish", "lowest", "layers"),
    [
        ("block5", "block5_conv1", 3),
        ("block4", "block4_conv1", 6),
        ("block4_conv2", "block4_conv2", 5),
        (2, "block5_conv2", 2),
        ("4", "block4_conv3", 4),
        (0.5, "block4_conv1", 6),
        ("0.01", "block5_conv3", 1),
        ("all", "block1_conv1", 13),
    ],
)
def test_the_top_learns_down_to_what_was_named(wish, lowest: str, layers: int) -> None:
    model = backbone("VGG16")
    unfreezing.unfreeze(model, wish)
    learning = [layer.name for layer in model.layers if layer.trainable_weights]
    assert learning[0] == lowest and len(learning) == layers
    assert learning[-1] == "block5_conv3"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("blok5", "Did you mean 'block5'"),
        (0, "1 to 13"),
        (14, "1 to 13"),
        (1.5, "1 to 13"),
        (-1, "1 to 13"),
    ],
)
def test_what_is_not_there_is_told_and_nothing_learns(wish, words: str) -> None:
    model = backbone("VGG16")
    with pytest.raises(UserError, match=words):
        unfreezing.check_wish(model, wish)
    assert not model.trainable_variables
    unfreezing.check_wish(model, "block5")
    assert not model.trainable_variables


def test_rates_fall_from_block_to_block_and_lower_ones_join_later() -> None:
    model = backbone("VGG16")
    found = unfreezing.unfreeze(model, "block3")
    head = keras.Variable(np.zeros(2))
    variables = [head, *model.trainable_variables]
    names = ["head", *(v.path for v in model.trainable_variables)]
    settings = FineTuneSettings(layer_decay=0.5, gradual_epochs=2)
    for epoch, expected in (
        (0, {"block5": 1.0, "block4": 0.0, "block3": 0.0}),
        (2, {"block5": 1.0, "block4": 0.5, "block3": 0.0}),
        (4, {"block5": 1.0, "block4": 0.5, "block3": 0.25}),
    ):
        rates = found.multipliers(settings, variables, epoch)
        assert rates[0] == 1.0
        for name, rate in zip(names[1:], rates[1:]):
            block = next(b for b in expected if b in name)
            assert rate == expected[block]


def test_moved_statistics_are_noticed() -> None:
    model = backbone()
    before = unfreezing.moving_statistics(model)
    assert len(before) == 4 * len(norms(model))
    unfreezing.check_unmoved(model, before)
    mean = norms(model)[3].moving_mean
    mean.assign(np.asarray(mean) + 1e-3)
    with pytest.raises(RuntimeError, match="moved"):
        unfreezing.check_unmoved(model, before)


def test_the_backbone_is_found_inside_a_classifier() -> None:
    inner = backbone()
    settings = ModelSettings(image_size=64)
    model = classifier.build_classifier(inner, "tf", settings, 3)
    assert classifier.backbone_of(model) is inner


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (FineTuneSettings(epochs=-1), "epochs"),
        (FineTuneSettings(layer_decay=0.0), "layer_decay"),
        (FineTuneSettings(layer_decay=1.1), "layer_decay"),
        (FineTuneSettings(gradual_epochs=-1), "gradual_epochs"),
    ],
)
def test_numbers_out_of_range_are_told(settings: FineTuneSettings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        unfreezing.check(settings)
