"""The table of backbones against what Keras itself says."""

import inspect
from pathlib import Path

import keras
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.models import backbones
from tfpipeline.models.registry import BACKBONES

THEIRS = {
    name: row for name, row in BACKBONES.items() if row.imagenet_top_1 is not None
}
# Built without weights, the smallest of each module of keras.applications.
SMALLEST = {}
for _name, _row in THEIRS.items():
    _best = SMALLEST.get(_row.family)
    if _best is None or _row.parameters_million < BACKBONES[_best].parameters_million:
        SMALLEST[_row.family] = _name


def test_every_network_of_keras_applications_has_a_row() -> None:
    builders = {
        name
        for name, thing in vars(keras.applications).items()
        if inspect.isfunction(thing)
        and "include_top" in inspect.signature(thing).parameters
    }
    assert builders == set(THEIRS)


def test_what_is_not_of_keras_has_no_weights_of_imagenet() -> None:
    own = set(BACKBONES) - set(THEIRS)
    assert own == {"PlainCNN"}
    settings = backbones.resolve(ModelSettings("PlainCNN"), "folder")
    assert settings.weights == "none" and settings.image_size == 64
    model = backbones.build_backbone(settings, Path("unused"))
    assert model.count_params() / 1e6 == pytest.approx(
        BACKBONES["PlainCNN"].parameters_million, abs=0.01
    )


@pytest.mark.parametrize("name", THEIRS)
def test_a_row_tells_the_native_size_that_keras_documents(name: str) -> None:
    row = BACKBONES[name]
    module = getattr(keras.applications, row.family)
    assert hasattr(module, "preprocess_input")
    assert 32 <= row.minimal_size <= row.native_size
    takes_alpha = (
        "alpha" in inspect.signature(getattr(keras.applications, name)).parameters
    )
    assert takes_alpha == bool(row.alphas)


@pytest.mark.slow
@pytest.mark.parametrize("family", SMALLEST)
def test_the_parameter_count_is_that_of_the_network(family: str) -> None:
    row = BACKBONES[SMALLEST[family]]
    model = getattr(keras.applications, SMALLEST[family])(weights=None)
    assert model.count_params() / 1e6 == pytest.approx(row.parameters_million, abs=0.06)
    assert model.input_shape[1:3] == (row.native_size, row.native_size) or (
        model.input_shape[1] is None
    )
