"""Networks of Keras with their own classes."""

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones, imagenet_weights


@pytest.mark.assets
def test_it_is_the_network_of_keras_with_its_preprocessing_inside(
    assets, imagenet
) -> None:
    model = imagenet_weights.build_pretrained(imagenet_weights.resolve(ModelSettings()))
    picture = image_io.read(assets / "images" / "dog.jpg", 224, 224, "squash")
    logits = model(picture[None].astype(np.float32) / 255).numpy()[0]
    keras_model = keras.applications.MobileNetV2()
    prepared = keras.applications.mobilenet_v2.preprocess_input(
        picture[None].astype(np.float32)
    )
    shares = keras_model.predict(prepared, verbose=0)[0]
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), shares, atol=1e-5)
    assert imagenet_weights.class_names()[int(logits.argmax())] == "Appenzeller"


@pytest.mark.assets
def test_names_are_words(assets, imagenet) -> None:
    names = imagenet_weights.class_names()
    assert len(names) == 1000
    assert (names[284], names[340], names[898]) == (
        "Siamese cat",
        "zebra",
        "water bottle",
    )


def test_names_that_cannot_be_had_are_told_with_the_file_to_fetch(monkeypatch) -> None:
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", no_network)
    with pytest.raises(UserError, match="imagenet_class_index.json.*by their numbers"):
        imagenet_weights.class_names()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": "demo"}, "no classes of its own"),
        ({"image_size": 100}, "96, 128, 160, 192, 224 pixels. Received: 100"),
        ({"backbone": "VGG17"}, "VGG16"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        imagenet_weights.resolve(ModelSettings(**settings))


def test_a_file_of_weights_is_loaded(tmp_path) -> None:
    settings = ModelSettings("MobileNet", weights="none", alpha=0.25, image_size=32)
    first = imagenet_weights.build_pretrained(imagenet_weights.resolve(settings))
    file = tmp_path / "w.weights.h5"
    next(one for one in first.layers if isinstance(one, keras.Model)).save_weights(file)
    again = imagenet_weights.build_pretrained(
        imagenet_weights.resolve(
            ModelSettings("MobileNet", weights=str(file), alpha=0.25, image_size=32)
        )
    )
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    np.testing.assert_allclose(first(image), again(image), rtol=1e-5)


@pytest.mark.parametrize("backbone", ["VGG16", "ResNet50", "MobileNetV2"])
def test_an_untrained_network_is_calibrated_to_logits_that_differ(backbone) -> None:
    settings = imagenet_weights.resolve(
        ModelSettings(backbone, weights="none", image_size=32)
    )
    model = imagenet_weights.build_pretrained(settings)
    pictures = np.random.default_rng(0).random((8, 32, 32, 3), np.float32)
    inner = next(one for one in model.layers if isinstance(one, keras.Model))
    mode = "tf" if backbone == "MobileNetV2" else "caffe"
    backbones.calibrate(inner, pictures, mode)
    logits = model(pictures).numpy()
    assert np.isfinite(logits).all() and logits.std(1).mean() > 0.05
    assert not model.trainable_variables
