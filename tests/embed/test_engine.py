"""Which engine computes features follows from the network and the plan alone."""

import keras
import numpy as np
import pytest

from tfpipeline import distribute
from tfpipeline.config import DistributeSettings
from tfpipeline.embed import engine
from tfpipeline.embed.engine import Engine
from tfpipeline.models.inference import Predictor


def of(wish: str, *, depthwise: bool) -> Engine:
    """Return the engine of a small network."""
    keras.utils.set_random_seed(0)
    kind = keras.layers.DepthwiseConv2D if depthwise else keras.layers.MaxPooling2D
    last = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((16, 16, 3)), kind(3), last])
    strategy = distribute.start(DistributeSettings(strategy="one_device"), "float32", 0)
    return Engine(model, Predictor(lambda x: model(x, training=False), strategy), wish)


@pytest.mark.parametrize(
    ("wish", "depthwise", "many", "name"),
    [
        ("auto", True, True, "litert"),
        ("auto", True, False, "tensorflow"),
        ("auto", False, True, "tensorflow"),
        ("tensorflow", True, True, "tensorflow"),
        ("litert", False, False, "litert"),
    ],
)
def test_the_network_and_the_number_of_pictures_decide(
    wish: str, depthwise: bool, many: bool, name: str
) -> None:
    least = engine.LEAST_PIXELS // 16**2
    assert of(wish, depthwise=depthwise).name(least if many else least - 1) == name


def test_an_engine_is_built_once_and_computes_the_same(tmp_path) -> None:
    own = of("litert", depthwise=True)
    images = np.random.default_rng(0).random((5, 16, 16, 3), np.float32)
    own.ready(1, lambda: images, tmp_path)
    first = own.run
    assert first is not None
    np.testing.assert_allclose(first(images), own._predictor(images), rtol=1e-4)
    own.ready(1, lambda: images, tmp_path)
    assert own.run is first and len(list(tmp_path.glob("*.tflite"))) == 1
    quick = of("tensorflow", depthwise=True)
    quick.ready(10**9, lambda: images, tmp_path)
    assert quick.run is None
