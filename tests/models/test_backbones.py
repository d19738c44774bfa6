"""Backbones by name: what is filled in, what is refused, and how one is told."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world
from tfpipeline.models import backbones
from tfpipeline.study import probes


def resolve(source: str = "folder", **settings) -> ModelSettings:
    return backbones.resolve(ModelSettings(**settings), source)


def test_the_demo_takes_the_demo_weights_and_folders_those_of_imagenet() -> None:
    demo = resolve("demo")
    assert (demo.weights, demo.alpha, demo.image_size) == ("demo", 0.35, 96)
    own = resolve()
    assert (own.weights, own.alpha, own.image_size) == ("imagenet", 1.0, 224)
    assert resolve("demo", backbone="VGG16").weights == "imagenet"
    assert resolve(weights="demo").alpha == 0.35


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "MobilNetV2"}, "MobileNetV2"),
        ({"backbone": "VGG16", "alpha": 0.5}, "one width only"),
        ({"alpha": 0.4}, "0.35, 0.5"),
        ({"backbone": "VGG16", "weights": "demo"}, "MobileNetV2"),
        ({"backbone": "Xception", "image_size": 64}, "at least 71"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve(**settings)


def test_a_network_is_frozen_and_has_the_size_asked_for(tmp_path: Path) -> None:
    settings = resolve(weights="none", alpha=0.35, image_size=64)
    model = backbones.build_backbone(settings, tmp_path)
    assert model.input_shape == (None, 64, 64, 3)
    assert not model.trainable_variables


def test_the_demo_weights_are_those_of_the_file() -> None:
    model = backbones.build_backbone(resolve(weights="demo"), world.WEIGHTS_FILE)
    with np.load(world.WEIGHTS_FILE) as arrays:
        for index, weight in enumerate(model.weights):
            np.testing.assert_array_equal(weight, arrays[f"{index:03d}"])


@pytest.mark.parametrize("suffix", [".weights.h5", ".npz"])
def test_own_weights_come_back_from_a_file(tmp_path: Path, suffix: str) -> None:
    settings = resolve(weights="none", alpha=0.35, image_size=32)
    first = backbones.build_backbone(settings, tmp_path)
    file = tmp_path / f"own{suffix}"
    if suffix == ".npz":
        np.savez(file, **{f"{i:03d}": w for i, w in enumerate(first.get_weights())})
    else:
        first.save_weights(file)
    settings = resolve(weights=str(file), alpha=0.35, image_size=32)
    second = backbones.build_backbone(settings, tmp_path)
    for one, two in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["a.npz", "a.weights.h5", "a.h5", "a.txt"])
def test_a_damaged_weights_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    settings = resolve(weights=str(tmp_path / name), alpha=0.35, image_size=32)
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        backbones.build_backbone(settings, tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.npz"):
        backbones.build_backbone(
            resolve(weights=str(world.WEIGHTS_FILE), alpha=0.5, image_size=32), tmp_path
        )


def test_a_file_whose_network_rescales_otherwise_is_refused(tmp_path: Path) -> None:
    """Keras' EfficientNet has one more layer, without weights, for ImageNet's."""
    settings = resolve(backbone="EfficientNetB0", weights="none", image_size=32)
    with pytest.raises(UserError, match="--model.weights"):
        backbones.load_file(keras.Sequential(), settings, tmp_path / "b0.weights.h5")


def test_a_missing_weights_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        backbones.build_backbone(
            resolve(weights=str(tmp_path / "gone.npz"), alpha=0.35), tmp_path
        )


def test_without_weights_and_network_one_is_told_what_to_fetch(
    no_network: None,
) -> None:
    with pytest.raises(UserError) as error:
        backbones.build_backbone(resolve(backbone="VGG16", image_size=32), Path())
    text = str(error.value)
    assert "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5" in text
    assert "--model.weights none" in text and "models" in text


def test_calibration_makes_untrained_features_differ() -> None:
    images = np.random.default_rng(0).uniform(size=(16, 64, 64, 3)).astype(np.float32)
    images *= np.linspace(0.2, 1, 16, dtype=np.float32)[:, None, None, None]
    for name in ("MobileNetV2", "VGG16"):
        settings = resolve(backbone=name, weights="none", image_size=64)
        keras.utils.set_random_seed(0)
        model = backbones.build_backbone(settings, Path())
        before = np.asarray(model(images * 2 - 1, training=False)).mean((1, 2))
        backbones.calibrate(model, images, "tf")
        after = np.asarray(model(images * 2 - 1, training=False)).mean((1, 2))
        assert after.std(axis=0).mean() > 0.05 > before.std(axis=0).mean()


def test_an_untrained_network_does_not_forget_what_it_has_seen() -> None:
    """Gratings of two directions: chance is 0.5."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96] * 0.3
    label = np.arange(60) % 2
    images = np.stack(
        [np.sin((rows if one else columns) + rng.uniform(0, 6)) for one in label]
    )
    images = 0.5 + 0.3 * images[..., None] + rng.normal(0, 0.1, (60, 96, 96, 3))
    images = np.clip(images, 0, 1).astype(np.float32)
    settings = resolve(alpha=0.35, weights="none", image_size=96)
    right = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model = backbones.build_backbone(settings, Path())
        backbones.calibrate(model, images[:16], "tf")
        features = np.asarray(model(images * 2 - 1, training=False)).mean((1, 2))
        probe = probes.fit_probe(features[:40], label[:40], 2)
        right.append(probes.accuracy(probe.scores, features[40:], label[40:], 2))
    assert np.mean(right) > 0.9, right


@pytest.mark.assets
def test_imagenet_weights_serve_other_sizes_too(imagenet) -> None:
    one = backbones.build_backbone(resolve(alpha=0.35, image_size=224), Path())
    other = backbones.build_backbone(resolve(alpha=0.35, image_size=80), Path())
    assert other.input_shape == (None, 80, 80, 3)
    for a, b in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)
