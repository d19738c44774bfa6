"""A saved model as a backbone: cut, of one size, prepared, and found again."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.own import networks
from tests.models.own.networks import SIZE
from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones, classifier, layer_outputs, saving

PIXELS = np.random.default_rng(0).random((2, SIZE, SIZE, 3)).astype(np.float32)


def build(name: object, **more) -> tuple[ModelSettings, keras.Model]:
    """Return the resolved settings of a network and a classifier of it."""
    settings = backbones.resolve(ModelSettings(str(name), **more), "folder")
    backbone = backbones.build_backbone(settings, Path("unused"))
    assert not backbone.trainable_weights
    mode = backbones.mode_of(settings)
    return settings, classifier.build_classifier(backbone, mode, settings, 3)


def features(model: keras.Model, pixels: np.ndarray = PIXELS) -> np.ndarray:
    extractor, _ = classifier.split_classifier(model)
    return np.asarray(extractor(pixels, training=False))


def save(model: keras.Model, folder: Path, name: str = "mine.keras") -> Path:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            # As after a training: not what is there at the start.
            layer.moving_variance.assign(0.01 + 0 * layer.moving_variance)
    model.save(folder / name)
    return folder / name


@pytest.mark.parametrize("make", [networks.cnn, networks.nested])
def test_features_are_those_of_the_model_before_its_top(tmp_path, make) -> None:
    own = make()
    file = save(own, tmp_path)
    settings, model = build(file)
    assert (settings.weights, settings.image_size) == ("own", SIZE)
    assert backbones.mode_of(settings) == "none"
    before_top = keras.Model(own.inputs[0], own.get_layer("pool").output)
    expected = np.asarray(before_top(255 * PIXELS, training=False))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(features(model), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [networks.cnn, networks.nested])
def test_a_classifier_loads_without_the_file_it_was_made_of(tmp_path, make) -> None:
    file = save(make(), tmp_path)
    _, model = build(file)
    before = np.asarray(model(PIXELS, training=False))
    saving.save_classifier(tmp_path / "run.keras", model, ["a", "b", "c"])
    file.unlink()
    loaded, _ = saving.load_classifier(tmp_path / "run.keras")
    np.testing.assert_array_equal(loaded(PIXELS, training=False), before)
    assert classifier.describe(loaded) == classifier.describe(model)


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [("unit", 0, 1), ("tf", -1, 1), ("mobilenet_v2", -1, 1), ("none", 0, 255)],
)
def test_pixels_are_prepared_as_the_user_says(tmp_path, said, low, high) -> None:
    image = keras.Input((SIZE, SIZE, 3))
    one = keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="ones")
    keras.Model(image, one(image)).save(tmp_path / "same.keras")
    _, model = build(tmp_path / "same.keras", preprocessing=said)
    black, white = features(model, np.stack([0 * PIXELS[0], 0 * PIXELS[0] + 1]))
    np.testing.assert_allclose(black, low, atol=1e-5)
    np.testing.assert_allclose(white, high, atol=1e-5)


def test_a_file_that_does_not_rescale_has_to_be_told_how(tmp_path: Path) -> None:
    file = save(networks.cnn(rescales=False), tmp_path)
    with pytest.raises(UserError, match="--model.preprocessing unit"):
        build(file)
    with pytest.raises(UserError, match="Did you mean 'caffe'"):
        build(file, preprocessing="cafe")


def test_preparing_twice_is_warned_of(tmp_path: Path, capsys) -> None:
    file = save(networks.nested(), tmp_path)
    build(file, preprocessing="mobilenet_v2")
    assert "probably too much" in capsys.readouterr().err


def test_the_file_of_a_run_is_shown_what_the_run_was(tmp_path: Path) -> None:
    _, run = build(save(networks.cnn(), tmp_path))
    saving.save_classifier(tmp_path / "run.keras", run, ["a", "b", "c"])
    settings, model = build(tmp_path / "run.keras")
    assert backbones.mode_of(settings) == "unit"
    np.testing.assert_allclose(features(model), features(run), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "width"), [("block1_relu", 8), ("pool", 12), ("top", 5)]
)
def test_the_cut_is_where_the_user_says(tmp_path, layer: str, width: int) -> None:
    _, model = build(save(networks.cnn(), tmp_path), cut=layer)
    assert features(model).shape == (2, width)


def test_a_nested_model_can_be_cut_inside(tmp_path: Path) -> None:
    own = networks.nested()
    layer = "mobilenetv2_0.35_None/block_3_expand_relu"
    _, model = build(save(own, tmp_path), cut=layer)
    base = own.get_layer("mobilenetv2_0.35_None")
    inner = keras.Model(base.inputs[0], base.get_layer("block_3_expand_relu").output)
    expected = np.mean(inner(2 * PIXELS - 1, training=False), axis=(1, 2))
    np.testing.assert_allclose(features(model), expected, rtol=1e-4, atol=1e-5)


def test_maps_of_nested_models_have_sizes_and_grad_cam_its_layer(tmp_path) -> None:
    _, model = build(save(networks.nested(), tmp_path))
    assert layer_outputs.last_maps(model) == ["block_12_add"] or all(
        name in layer_outputs.maps(model) for name in layer_outputs.last_maps(model)
    )
    assert layer_outputs.maps(model)["block_1_expand"] == (16, 16, 48)


def test_any_size_is_taken_where_the_file_takes_any(tmp_path: Path) -> None:
    file = save(networks.cnn(size=None), tmp_path)
    settings, model = build(file)
    assert settings.image_size == 224
    _, model = build(file, image_size=48)
    assert model.input_shape[1:3] == (48, 48)
    assert layer_outputs.last_maps(model) == ["block2_relu"]


def test_a_fixed_size_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes 32 pixels only. Received: 48"):
        build(save(networks.cnn(), tmp_path), image_size=48)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((SIZE, SIZE, 1), "three channels"),
        ((SIZE, 48, 3), "square"),
        ((3, SIZE, SIZE), "channels last"),
        ((16,), "square images"),
    ],
)
def test_other_inputs_are_refused_in_words(tmp_path, shape, words: str) -> None:
    image = keras.Input(shape)
    keras.Model(image, keras.layers.Dense(4)(image)).save(tmp_path / "odd.keras")
    with pytest.raises(UserError, match=words):
        build(tmp_path / "odd.keras", preprocessing="unit")


def test_two_inputs_and_bytes_are_refused(tmp_path: Path) -> None:
    first, second = keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE, SIZE, 3))
    both = keras.layers.Conv2D(4, 3)(keras.layers.Add()([first, second]))
    keras.Model([first, second], both).save(tmp_path / "two.keras")
    with pytest.raises(UserError, match="one input, an image. Received: 2"):
        build(tmp_path / "two.keras", preprocessing="unit")
    whole = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(whole))
    keras.Model(whole, x).save(tmp_path / "bytes.keras")
    with pytest.raises(UserError, match="type float32. Received: uint8"):
        build(tmp_path / "bytes.keras")


def test_a_network_without_maps_needs_a_cut(tmp_path: Path) -> None:
    layers = [keras.layers.Flatten(), keras.layers.Dense(6, name="hidden")]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers])
    model.add(keras.layers.Dense(3))
    file = save(model, tmp_path)
    with pytest.raises(UserError, match="Name the layer whose output"):
        build(file, preprocessing="unit")
    _, built = build(file, preprocessing="unit", cut="hidden")
    expected = keras.Model(model.inputs[0], model.get_layer("hidden").output)(PIXELS)
    np.testing.assert_allclose(features(built), expected, rtol=1e-4, atol=1e-5)


def test_two_files_that_differ_in_an_operation_only_share_no_features(tmp_path) -> None:
    def write(factor: float, name: str) -> Path:
        keras.utils.set_random_seed(0)
        image = keras.Input((SIZE, SIZE, 3))
        x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(image))
        keras.Model(image, factor * x).save(tmp_path / name)
        return tmp_path / name

    digests = [
        classifier.describe(build(write(factor, name))[1])
        for factor, name in ((2.0, "a.keras"), (2.0, "b.keras"), (3.0, "c.keras"))
    ]
    heads = [build(tmp_path / name)[1] for name in ("a.keras", "c.keras")]
    assert not np.allclose(features(heads[0]), features(heads[1]))
    extractors = [
        classifier.describe(classifier.split_classifier(model)[0]) for model in heads
    ]
    assert extractors[0] != extractors[1] and digests[0] != digests[2]


def test_without_its_weights_it_starts_anew(tmp_path: Path) -> None:
    file = save(networks.cnn(), tmp_path)
    kernels = [
        np.asarray(classifier.backbone_of(build(file, weights=how)[1]).weights[0])
        for how in (None, "none")
    ]
    assert kernels[0].shape == kernels[1].shape
    assert not np.allclose(*kernels)


def test_one_layer_called_twice_stays_one(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    twice = keras.layers.Conv2D(3, 3, padding="same", name="twice")
    own = keras.Model(image, twice(twice(keras.layers.Rescaling(1 / 255)(image))))
    _, model = build(save(own, tmp_path))
    expected = np.mean(own(255 * PIXELS), axis=(1, 2))
    np.testing.assert_allclose(features(model), expected, rtol=1e-4, atol=1e-5)
    assert len(classifier.backbone_of(model).weights) == 2
