"""Channel statistics of the photographs of a class, and images that keep to them."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.models import reference
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.layer_outputs import Inside
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import (
    class_features,
    class_statistics,
    generate,
    objectives,
    presets,
)


@pytest.fixture(scope="module")
def network() -> Network:
    """Return a plain network of two sizes."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", padding="same", name="a")(image)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", padding="same", name="b")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(image, keras.layers.Dense(2, name="head")(x))
    return Network("plain", model, ClassNames(("cat", "dog")))


@pytest.fixture
def run(tmp_path, monkeypatch) -> str:
    """Return a run that keeps a reference, of files that are gone."""
    monkeypatch.setattr(class_statistics.reference, "read", lambda folder: None)
    (tmp_path / "run" / "reference").mkdir(parents=True)
    return str(tmp_path / "run")


@pytest.fixture
def photographs(network, run, tmp_path, monkeypatch) -> np.ndarray:
    """Let the run have learned from three files of a cat that are as they were.

    Of the other four, one is no picture, one another picture than it was, one is not
    there, and one is packed: two examples are in it.
    """
    shape = (6, *network.size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    paths = [str(tmp_path / f"{i}.png") for i in range(7)]
    for path, picture in zip(paths, pictures):
        image_io.save_png(Path(path), picture)
    Path(paths[3]).write_bytes(b"is no picture")
    digests = [
        hashlib.sha256(Path(path).read_bytes()).hexdigest() if number != 4 else "other"
        for number, path in enumerate(paths[:6])
    ]
    paths.append(paths[5])
    digests += ["", digests[5]]
    rows = np.zeros((8, 1), np.float32)
    kept = (rows, paths, paths, ["cat"] * 8, np.array(["train"] * 8), digests, {})
    made = reference.Reference(*kept)
    monkeypatch.setattr(class_statistics.reference, "read", lambda folder: made)
    return pictures[:3]


def of(run, network, **wish):
    given = SynthesisSettings(**wish)
    preset = presets.choose_preset("best", given)
    return class_statistics.of(preset, given, run, network, [0, 1])


def test_layers_are_the_last_ones_of_the_last_sizes(network) -> None:
    assert class_statistics.layers(network) == ["a", "b"]
    model = keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    vgg16 = Network("VGG16", model, ClassNames())
    layers = [f"block{i}_conv3" for i in (3, 4, 5)]
    assert class_statistics.layers(vgg16) == layers


def test_targets_are_the_mean_statistics_of_photographs_that_can_be_read(
    run, network, photographs
) -> None:
    found = of(run, network, class_statistics=2.0)
    assert found.weight == 2 and list(found.targets) == ["a", "b"]
    maps = Inside(network.model, ["a", "b"])(photographs.astype(np.float32) / 255)
    assert found.lacking([0, 1]) == 1
    for name, of_class in found.targets.items():
        assert list(of_class) == [0]  # There is no dog.
        mean = np.mean(objectives.moments(maps[name]), axis=0)
        np.testing.assert_allclose(of_class[0], mean, rtol=1e-4, atol=1e-5)


def test_only_plain_networks_with_photographs_take_it_unasked(
    run, network, photographs, monkeypatch
) -> None:
    found = of(run, network)
    assert found is not None and found.weight == class_statistics.WEIGHT
    assert of(run, network, class_statistics=0.0) is None
    assert of(run, network, start="photo.jpg") is None
    assert of(None, network) is None
    monkeypatch.setattr(class_features, "is_plain", lambda model: False)
    assert of(run, network) is None


def test_without_photographs_it_is_refused_or_not_done(run, network) -> None:
    assert of(run, network) is None
    for given in (None, run):
        with pytest.raises(UserError, match="class_statistics: expected with --run"):
            of(given, network, class_statistics=1.0)
    with pytest.raises(UserError, match="class_statistics: expected at least 0"):
        of(run, network, class_statistics=-1.0)
    settings = SynthesisSettings(class_statistics=1.0)
    with pytest.raises(UserError, match="class_statistics with --preset lesson"):
        presets.choose_preset("lesson", settings)


def test_images_keep_nearer_to_the_statistics_of_photographs(
    run, network, photographs
) -> None:
    strategy = tf.distribute.get_strategy()
    given = SynthesisSettings(steps=16)
    preset = presets.choose_preset("best", given)
    aim = of(run, network, class_statistics=50.0)
    pictures = {}
    for statistics in (None, aim):
        job = generate.Job(
            network, [0, 1], preset, given, 0, strategy, statistics=statistics
        )
        cat, dog = generate.make(job)
        pictures[statistics is aim] = np.stack([cat.picture, dog.picture])
    far = {}
    for kept, images in pictures.items():
        maps = Inside(network.model, ["a", "b"])(images.astype(np.float32) / 255)
        terms = (
            objectives.statistics(n, aim.targets[n][0])(
                objectives.Seen(tf.constant(images), maps, tf.range(2))
            )
            for n in "ab"
        )
        far[kept] = float(sum(terms)[0])
    assert far[True] < far[False]
    # Of a class without photographs, the image is what it was.
    np.testing.assert_allclose(
        pictures[True][1].astype(int), pictures[False][1].astype(int), atol=3
    )
