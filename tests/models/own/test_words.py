"""What is wrong with a network of one's own is said before TensorFlow is imported."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest

from tests.models.own import networks
from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import registry
from tfpipeline.models.own import archive, words


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    networks.cnn().save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


def refused(name: object, **more: object) -> str:
    with pytest.raises(UserError) as caught:
        registry.check(ModelSettings(str(name), **more))
    return str(caught.value)


def test_a_saved_model_and_a_layer_of_it_are_accepted(saved: Path) -> None:
    registry.check(ModelSettings(str(saved)))
    registry.check(ModelSettings(str(saved), cut="block2_relu"))


def test_a_missing_file_names_the_nearest_beside_it(saved: Path) -> None:
    assert "Did you mean 'mine.keras'?" in refused(saved.with_name("mina.keras"))


def test_a_missing_layer_names_the_nearest(saved: Path) -> None:
    assert "Did you mean 'block2_relu'?" in refused(saved, cut="block2_rely")


def test_layers_of_nested_models_have_both_names(tmp_path: Path) -> None:
    file = tmp_path / "a.keras"
    networks.nested().save(file)
    names = [*archive.layer_names(archive.read(file))]
    assert "mobilenetv2_0.35_None/block_3_expand" in names


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.keras"
    file.write_bytes(content)
    assert "expected a model that Keras 3 saved" in refused(file)


def test_an_h5_file_is_no_backbone(tmp_path: Path) -> None:
    assert "model.save('FILE.keras')" in refused(tmp_path / "a.h5")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    code = keras.layers.Lambda(lambda x: x, name="sly")
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), code]
    keras.Sequential(layers).save(tmp_path / "a.keras")
    assert "'sly' is a Lambda" in refused(tmp_path / "a.keras")


def test_a_class_of_another_package_is_refused(saved: Path, tmp_path: Path) -> None:
    config = archive.read(saved)
    config["config"]["layers"][2] |= {"module": "os", "class_name": "system"}
    file = tmp_path / "b.keras"
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("config.json", json.dumps(config))
    assert "is a system of os, whose code is not in Keras" in refused(file)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"weights": "imagenet"}, "comes with its weights"),
        ({"alpha": 0.5}, "one width"),
        ({"cut": "block9"}, "no layer 'block9'"),
        ({"preprocessing": "densent"}, "Did you mean 'densenet'"),
    ],
)
def test_what_does_not_go_with_a_file_is_refused(saved, more, words: str) -> None:
    assert words in refused(saved, **more)


@pytest.mark.parametrize("more", [{"preprocessing": "tf"}, {"cut": "block5_conv1"}])
def test_what_is_for_ones_own_network_is_refused_elsewhere(more) -> None:
    assert "is for a network of your own" in refused("VGG16", **more)


@networks.needs_hub
def test_an_unknown_preset_names_the_nearest() -> None:
    message = refused("kerashub:vit_base_patch16_224_imagnet")
    assert "Did you mean 'vit_base_patch16_224_imagenet'?" in message


@networks.needs_hub
def test_presets_are_known_without_importing_keras_hub() -> None:
    import keras_hub

    known = set(words.builtin_presets())
    for kind in ("ViTBackbone", "DINOV2Backbone", "SigLIPBackbone", "ResNetBackbone"):
        theirs = set(getattr(keras_hub.models, kind).presets)
        assert theirs and theirs <= known


@networks.needs_hub
def test_a_folder_that_is_no_preset_is_refused(tmp_path: Path) -> None:
    assert "expected a folder that `save_to_preset`" in refused(f"kerashub:{tmp_path}")


def test_without_keras_hub_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install '.[hub]'" in refused("kerashub:vit")


@pytest.mark.parametrize("name", ["mina.keras", "kerashub:vit_bas_patch16"])
def test_a_wrong_name_costs_no_import_of_tensorflow(tmp_path: Path, name: str) -> None:
    code = (
        "import sys\n"
        "from tfpipeline.core.errors import UserError\n"
        "from tfpipeline.config import RunSettings, ModelSettings\n"
        "from tfpipeline.train.command import train\n"
        "try:\n"
        f"    train(RunSettings(model=ModelSettings({name!r})))\n"
        "except UserError:\n"
        "    heavy = {'tensorflow', 'keras', 'keras_hub'} & {*sys.modules}\n"
        "    sys.exit(len(heavy))\n"
        "sys.exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60)
    assert done.returncode == 0


def test_the_digest_follows_the_content_not_the_name(saved: Path) -> None:
    own = ModelSettings(str(saved))
    before = words.content(own)
    other = saved.rename(saved.with_name("other.keras"))
    assert words.content(ModelSettings(str(other))) == before
    assert words.content(ModelSettings(str(other), cut="block1_relu")) != before
    networks.nested().save(other)
    assert words.content(ModelSettings(str(other))) != before
