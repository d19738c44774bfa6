"""What a word means, of the networks of a study, and how fast they are."""

from pathlib import Path

import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.core import hardware
from tfpipeline.models.inference import Predictor
from tfpipeline.study.networks import Speeds, read_kept, read_word

SMALL = ModelSettings("PlainCNN", "none", None, 8)


@pytest.fixture
def speeds(tmp_path: Path) -> Speeds:
    """Where nothing was timed yet."""
    return Speeds(tmp_path, tf.distribute.get_strategy())


def mean(strategy: tf.distribute.Strategy) -> Predictor:
    """Return a network that takes no time to speak of."""
    return Predictor(lambda x: tf.reduce_mean(x, axis=[1, 2]), strategy)


def test_a_network_is_timed_once_whatever_its_weights_are(speeds: Speeds) -> None:
    assert speeds.known(SMALL) is None
    took = speeds.of(SMALL, mean(speeds.strategy))
    assert took > 0 and speeds.of(SMALL, None) == took
    other = ModelSettings("PlainCNN", "some.h5", None, 8)
    assert speeds.known(other) == took
    assert speeds.known(ModelSettings("PlainCNN", "none", None, 16)) is None


@pytest.mark.parametrize("what", [{"processor": "another"}, {"cores": 96}])
def test_another_machine_does_not_know_it(speeds: Speeds, monkeypatch, what) -> None:
    speeds.of(SMALL, mean(speeds.strategy))
    about = hardware.about()
    monkeypatch.setattr(hardware, "about", lambda: about | what)
    assert speeds.known(SMALL) is None
    monkeypatch.setattr(hardware, "about", lambda: about | {"memory_gb": 1.0})
    assert speeds.known(SMALL) is not None, "how much memory is fitted changes nothing"


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"milliseconds": null}'])
def test_a_damaged_time_is_measured_again(speeds: Speeds, text: str) -> None:
    speeds.of(SMALL, mean(speeds.strategy))
    (file,) = speeds.folder.iterdir()
    file.write_text(text)
    assert speeds.known(SMALL) is None
    assert speeds.of(SMALL, mean(speeds.strategy)) == read_kept(file)["milliseconds"]


@pytest.mark.parametrize(
    "word, expected",
    [
        ("MobileNetV2", ("MobileNetV2", "imagenet", 1.0, 224)),
        ("MobileNet:0.25", ("MobileNet", "imagenet", 0.25, 224)),
        ("demo", ("MobileNetV2", "demo", 0.35, 96)),
        ("MobileNetV2:0.35:none", ("MobileNetV2", "none", 0.35, 224)),
        ("MobileNetV2:0.35:none@96", ("MobileNetV2", "none", 0.35, 96)),
        ("VGG16:none@64", ("VGG16", "none", None, 64)),
        ("PlainCNN", ("PlainCNN", "none", None, 64)),
        ("ResNet50:my/weights.h5", ("ResNet50", "my/weights.h5", None, 224)),
    ],
)
def test_a_word_names_network_width_weights_and_size(word: str, expected) -> None:
    assert read_word(word) == ModelSettings(*expected)
