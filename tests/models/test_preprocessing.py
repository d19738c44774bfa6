"""The folded preprocessing against each family's own `preprocess_input`."""

import keras
import numpy as np
import pytest

from tests.models.test_registry import SMALLEST, THEIRS
from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones, classifier, preprocessing, saving
from tfpipeline.models.registry import BACKBONES


def pixels(size: int, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(size)
    return rng.integers(0, 256, (count, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize("name", THEIRS)
def test_pixels_go_through_what_the_family_documents(name: str) -> None:
    row = BACKBONES[name]
    theirs = getattr(keras.applications, row.family).preprocess_input(pixels(8).copy())
    ours = preprocessing.preprocess(
        keras.ops.convert_to_tensor(pixels(8) / 255), row.mode
    )
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_an_unknown_mode_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="caffe"):
        preprocessing.preprocess(pixels(8), "cafe")


@pytest.mark.slow
@pytest.mark.parametrize("family", SMALLEST)
def test_a_classifier_equals_keras_before_and_after_saving(
    family: str, tmp_path
) -> None:
    name = SMALLEST[family]
    row = BACKBONES[name]
    settings = backbones.resolve(
        ModelSettings(
            backbone=name, weights="none", image_size=row.minimal_size, dropout=0.0
        ),
        "folder",
    )
    keras.utils.set_random_seed(0)
    backbone = backbones.build_backbone(settings, tmp_path / "unused")
    raw = pixels(row.minimal_size)
    backbones.calibrate(backbone, pixels(row.minimal_size, 24) / 255, row.mode)
    model = classifier.build_classifier(backbone, row.mode, settings, 3)
    family_module = getattr(keras.applications, row.family)
    maps = backbone(family_module.preprocess_input(raw.copy()), training=False)
    head = classifier.split_classifier(model)[1]
    expected = np.asarray(head(keras.ops.mean(maps, axis=(1, 2))))
    assert np.ptp(expected) > 1e-3
    before = np.asarray(model(raw / 255, training=False))
    np.testing.assert_allclose(before, expected, atol=2e-3 * np.ptp(expected))
    saving.save_classifier(tmp_path / "m.keras", model, ["a", "b", "c"])
    loaded, labels = saving.load_classifier(tmp_path / "m.keras")
    assert labels == ("a", "b", "c")
    np.testing.assert_allclose(loaded(raw / 255, training=False), before, atol=1e-5)
