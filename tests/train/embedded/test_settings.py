"""What needs pictures, or another network, is refused by its flag."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.shards.test_reading import names, put
from tfpipeline.config import RunSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train.embedded.settings import settle

NETWORK = {
    **{"backbone": "VGG16", "weights": "imagenet", "alpha": None, "image_size": 64},
    **{"pooling": "max", "preprocessing": None, "cut": None},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(
        *(tmp_path, names(2), np.ones((2, 2), np.float32)),
        **{"named": {"model": NETWORK}, "resize": "pad", "range": "0 4095"},
    )
    return tmp_path / "out"


def given(folder: Path, **changes: Any) -> RunSettings:
    """Return settings; `data__views` is a setting of the section `data`."""
    settings, changes = RunSettings(), {"data__features": str(folder), **changes}
    for name, value in changes.items():
        section, _, field = name.partition("__")
        own = dataclasses.replace(getattr(settings, section), **{field: value})
        settings = dataclasses.replace(settings, **{section: own})
    return settings


def test_without_features_nothing_changes() -> None:
    assert settle(RunSettings()) == RunSettings()


def test_the_network_is_that_of_the_features_and_the_head_is_the_users(
    folder: Path,
) -> None:
    settings = settle(given(folder, model__hidden=[8], model__backbone="VGG16"))
    own = {name: getattr(settings.model, name) for name in NETWORK}
    assert own == NETWORK and settings.model.hidden == [8]
    assert (settings.data.resize, settings.data.range) == ("pad", "0 4095")
    # Its own config.yaml is accepted again.
    assert settle(settings) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data__augmentation", "light"),
        ("data__views", 3),
        ("data__group", "near"),
        ("data__batch_size", "auto"),
        ("data__target", "multi"),
        ("data__resize", "crop"),
        ("data__range", "0 255"),
        ("fine_tune__epochs", 2),
        ("robust__method", "pgd"),
        ("train__from_scratch", True),
        ("train__engine", "bfloat16"),
        ("train__precision", "mixed_float16"),
        ("model__backbone", "ResNet50"),
        ("model__weights", "some.weights.h5"),
        ("model__image_size", 96),
        ("model__pooling", "flatten"),
    ],
)
def test_what_needs_pictures_or_another_network_is_refused_by_flag(
    folder: Path, name: str, value: object
) -> None:
    with pytest.raises(UserError) as error:
        settle(given(folder, **{name: value}))
    flag = f"--{name.replace('__', '.')}"
    assert flag in str(error.value) and "--data.features" in str(error.value)


@pytest.mark.parametrize(
    ("what", "word"),
    [
        # As those of a SavedModel are written.
        ({"size": None}, "SavedModel"),
        ({"named": {"model": {**NETWORK, "weights": "none"}}}, "random"),
    ],
)
def test_features_of_a_network_that_cannot_be_built_are_refused(
    tmp_path: Path, what: dict[str, Any], word: str
) -> None:
    more = {name: value for name, value in what.items() if value}
    plan = put(tmp_path, names(2), np.ones((2, 2), np.float32), **more)
    if not more:
        import json

        file = plan.folder / "plan.json"
        content = json.loads(file.read_text())
        del content["request"]["size"]
        file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=word):
        settle(given(tmp_path / "out"))


def test_of_an_earlier_version_the_size_alone_is_known(tmp_path: Path) -> None:
    put(tmp_path, names(2), np.ones((2, 2), np.float32))
    settings = settle(given(tmp_path / "out", model__backbone="VGG16"))
    assert (settings.model.backbone, settings.model.image_size) == ("VGG16", 32)


def test_what_is_not_the_network_of_the_features_is_said_though_it_is_usual(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = RunSettings().model.backbone
    assert usual != "VGG16"
    settle(given(folder, model__backbone=usual))
    said = capsys.readouterr()
    assert "--model.backbone: VGG16" in said.out + said.err
    settle(given(folder, model__backbone="VGG16"))
    said = capsys.readouterr()
    assert "--model.backbone" not in said.out + said.err
