"""Which engine measures a run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.evaluate import engine_pass, forward_pass
from tfpipeline.evaluate.engine_pass import Ways
from tfpipeline.evaluate.forward_pass import Scored
from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import choice
from tfpipeline.models.engines.names import LITERT, TENSORFLOW
from tfpipeline.models.inference import Predictor


def test_a_run_is_measured_by_the_engine_that_has_its_features() -> None:
    assert engine_pass.engine_of("auto", "litert") == "litert"
    assert engine_pass.engine_of("auto", "bfloat16") == "tensorflow"
    assert engine_pass.engine_of("auto", "tensorflow") == "auto"
    assert engine_pass.engine_of("tensorflow", "litert") == "tensorflow"


@pytest.mark.parametrize("engine", [TENSORFLOW, LITERT])
def test_features_go_through_the_head_by_some_batches_and_only_where_an_engine_has_them(
    engine: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(engine_pass, "_NUMBERS", 9 * 4)
    monkeypatch.setattr(choice, "LEAST_IMAGES", 0)
    monkeypatch.setattr(choice, "LEAST_PIXELS", 0)
    hashed, rows = [], []
    right = classifier.describe
    monkeypatch.setattr(
        classifier, "describe", lambda model: (hashed.append(model), right(model))[1]
    )
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3, activation="relu")(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    head = forward_pass.from_features(Scored(model))
    pictures = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)
    batches = [
        (pictures[i : i + 8], None, np.ones(len(pictures[i : i + 8])))
        for i in (0, 8, 16)
    ]

    def from_features(features):
        rows.append(len(features))
        return head(features)

    predictor = Predictor(Frozen(model), tf.distribute.OneDeviceStrategy("/cpu:0"))
    given = model, from_features, predictor, batches, (20, "evaluate")
    outputs = engine_pass.outputs(*given, Ways(engine, tmp_path))
    expected = np.asarray(model(pictures, training=False))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert rows == ([16, 4] if engine == LITERT else [])
    assert len(hashed) == (engine == LITERT)
