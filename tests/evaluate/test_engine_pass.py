"""A whole network by parts: extractor, head, and which engine measures a run."""

import keras
import numpy as np

from tfpipeline.config import ModelSettings
from tfpipeline.evaluate import engine_pass
from tfpipeline.models import classifier


def test_head_of_a_classifier_gives_its_logits() -> None:
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    pixels = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    features = classifier.split_classifier(model)[0](pixels)
    np.testing.assert_allclose(
        engine_pass.head_of(model)(features), model(pixels), rtol=1e-6
    )


def test_a_run_is_measured_by_the_engine_that_has_its_features() -> None:
    assert engine_pass.engine_of("auto", "litert") == "litert"
    assert engine_pass.engine_of("auto", "bfloat16") == "tensorflow"
    assert engine_pass.engine_of("auto", "tensorflow") == "auto"
    assert engine_pass.engine_of("tensorflow", "litert") == "tensorflow"
