"""What a word means, of the networks of a study."""

import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.study.networks import read_word


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
