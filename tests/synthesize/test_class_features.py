"""Where photographs of a class lie in the features of a run, and images towards it."""

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.config.synthesis import SynthesisSettings, SynthesizeSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import classifier, load_network, reference
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import class_features, generate, presets
from tfpipeline.synthesize.command import synthesize


@pytest.fixture(scope="module")
def network(small_run) -> Network:
    return load_network.open_network(str(small_run.path), ModelSettings())


def of(run: str | None, network: Network, **wish) -> np.ndarray | None:
    given = SynthesisSettings(**wish)
    preset = presets.choose_preset("best", given)
    return class_features.of(preset, given, run, network)


@pytest.mark.parametrize(
    ("name", "plain"), [("VGG16", True), ("MobileNet", True), ("MobileNetV2", False)]
)
def test_a_network_is_plain_by_its_structure(name: str, plain: bool) -> None:
    made = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    image = keras.Input((32, 32, 3))
    assert class_features.is_plain(keras.Model(image, made(image))) is plain


class Residual(keras.layers.Layer):
    """A block whose sum is inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.Conv2D(3, 3, padding="same")

    def call(self, image):
        return image + self.inner(image)


class Written(keras.Model):
    """The same as a model in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Residual()

    def call(self, image):
        return self.block(image)


def summed(image):
    return image + keras.layers.Conv2D(3, 3, padding="same")(image)


def gated(image):
    return image * keras.layers.Conv2D(3, 3, padding="same")(image)


def joined(image):
    maps = keras.layers.Conv2D(3, 3, padding="same")(image)
    return keras.ops.concatenate([image, maps], axis=-1)


def shifted(image):
    return keras.layers.Conv2D(3, 3)(image[..., ::-1] * 255.0 - 100.0)


def nested(block):
    inner = keras.Input((8, 8, 3))
    return lambda image: keras.Model(inner, block(inner))(image)


def in_sequence(image):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3)]
    return keras.Sequential(layers)(image)


@pytest.mark.parametrize(
    ("block", "plain"),
    [
        *((block, False) for block in (summed, gated, joined, nested(summed))),
        *(
            (block, False)
            for block in (lambda x: Residual()(x), lambda x: Written()(x))
        ),
        *((block, True) for block in (shifted, nested(shifted), in_sequence)),
    ],
)
def test_what_is_added_by_an_operation_or_within_a_layer_is_no_plain_network(
    block, plain: bool
) -> None:
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(block(image))
    model = keras.Model(image, keras.layers.Dense(2)(pooled))
    assert class_features.is_plain(model) is plain


def test_along_a_direction_photographs_spread_as_the_logit_does(
    small_run, network
) -> None:
    found = of(str(small_run.path), network, class_features=2.0)
    kept = reference.read(RunFolder(small_run.path))
    assert found is not None and kept is not None
    _, head = classifier.split_classifier(network.model)
    logits = np.asarray(head(kept.features))
    spread = (kept.features @ found.T).std(0)
    np.testing.assert_allclose(spread, 2 * logits.std(0), rtol=1e-3)
    train = kept.rows("train")
    for index, name in enumerate(network.labels):
        rows = kept.features[[i for i in train if kept.label[i] == name]]
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(0)
        cosine = mean @ found[index] / np.linalg.norm(mean)
        assert cosine == pytest.approx(np.linalg.norm(found[index]), rel=1e-4)


def test_only_plain_networks_take_it_unasked(small_run, network, monkeypatch) -> None:
    run = str(small_run.path)
    asked = of(run, network, class_features=class_features.WEIGHT)
    np.testing.assert_array_equal(of(run, network), asked)
    given = SynthesisSettings()
    preset = presets.choose_preset("best", given)
    weight = class_features.weight(preset, given, run, network)
    assert weight == class_features.WEIGHT
    assert of(run, network, class_features=0.0) is None
    assert of(None, network) is None
    # A photograph is to show what it shows.
    assert of(run, network, start="photo.jpg") is None
    monkeypatch.setattr(class_features, "is_plain", lambda model: False)
    assert of(run, network) is None


def test_without_a_run_that_has_kept_features_it_is_refused(network, tmp_path) -> None:
    for run in (None, str(tmp_path)):
        with pytest.raises(UserError, match="class_features: expected with --run"):
            of(run, network, class_features=1.0)
    with pytest.raises(UserError, match="class_features: expected at least 0"):
        of(None, network, class_features=-1.0)


def test_images_reach_further_towards_photographs_of_their_class(
    small_run, network, tmp_path
) -> None:
    found = of(str(small_run.path), network, class_features=1.0)
    extract, _ = classifier.split_classifier(network.model)
    reached = {}
    for weight in (0.0, 200.0):
        output = tmp_path / str(weight)
        settings = SynthesizeSettings(
            ["0", "1"],
            output=str(output),
            run=str(small_run.path),
            tensorboard=False,
            synthesis=SynthesisSettings(steps=64, class_features=weight),
        )
        result = synthesize(settings)
        assert result["summary"]["class_features"] == weight
        if weight:
            assert result["summary"]["without_photographs"] == 0
        assert "train" not in result["checks"]["natural_path"]["photographs"]
        items = result["images"]
        pictures = np.stack([image_io.decode(output / i["file"]) for i in items])
        rows = np.asarray(extract(pictures.astype(np.float32) / 255))
        dots = (rows * found[:2]).sum(1)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(found[:2], axis=1)
        reached[weight] = dots * (dots / lengths) ** generate.COSINE_POWER
    assert (reached[200.0] > reached[0.0]).all(), reached


def test_a_class_without_photographs_is_told(
    small_run, network, tmp_path, monkeypatch, capsys
) -> None:
    right = class_features.directions

    def directions(run, network):
        found = right(run, network)
        found[1] = 0
        return found

    monkeypatch.setattr(class_features, "directions", directions)
    settings = SynthesizeSettings(
        ["0", "1"],
        output=str(tmp_path / "out"),
        run=str(small_run.path),
        tensorboard=False,
        synthesis=SynthesisSettings(steps=2, class_features=3.0),
    )
    summary = synthesize(settings)["summary"]
    assert (summary["class_features"], summary["without_photographs"]) == (3.0, 1)
    said = " ".join(capsys.readouterr().err.split())
    assert f"{network.labels[1]}: the run has no features of photographs" in said
    assert f"{network.labels[0]}: the run has no" not in said
