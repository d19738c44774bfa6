"""Logits by kept features are those of the whole network."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.core import image_io
from tfpipeline.data import scan
from tfpipeline.data.pipeline import Batches, Reading
from tfpipeline.evaluate import forward_pass
from tfpipeline.metrics import novelty
from tfpipeline.models import classifier


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    """Ten pictures, of which the last two are equal files."""
    rng, paths = np.random.default_rng(0), []
    for i in range(10):
        if i < 9:
            picture = rng.integers(0, 256, (9, 8, 3), np.uint8)
        paths.append(tmp_path / f"{i}.png")
        image_io.save_png(paths[-1], picture)
    files = scan.audit(paths, cache=None)
    return Batches(files, np.zeros(10), Reading(8, 8, "squash", 4))


def test_features_are_computed_once_and_change_no_answer(
    batches: Batches, strategy, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    with strategy.scope():
        image = keras.Input((8, 8, 3))
        maps = keras.layers.Conv2D(4, 3, activation="relu")(image)
        backbone = keras.Model(image, maps)
        model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    keys = [f"{i:064x}" for i in (*range(9), 8)]
    chosen = np.array([9, 2, 5, 7, 1, 0])

    def logits(features: Path | None, order: np.ndarray = chosen):
        kept = None if features is None else (features, ())
        given = (model, None), batches, keys, order, strategy, kept
        values, novelty, count = forward_pass.predict(*given)
        assert novelty is None
        return values, count

    whole, none = logits(None)
    first, before = logits(tmp_path / "features")
    again, after = logits(tmp_path / "features")
    assert (none, before, after) == (None, 0, 6) and whole.shape == (6, 3)
    assert np.array_equal(first, again)
    np.testing.assert_allclose(first, whole, rtol=1e-5, atol=1e-5)
    more, kept = logits(tmp_path / "features", np.arange(10))
    assert kept == 7, "one is equal to another that was seen"
    np.testing.assert_allclose(more[chosen], whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kept", [False, True])
def test_novelty_is_that_of_the_features_whichever_way_they_come(
    batches: Batches, strategy, tmp_path: Path, kept: bool
) -> None:
    keras.utils.set_random_seed(0)
    with strategy.scope():
        image = keras.Input((8, 8, 3))
        maps = keras.layers.Conv2D(4, 3, activation="relu")(image)
        backbone = keras.Model(image, maps)
        model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    rows = np.random.default_rng(1).random((20, 4)).astype(np.float32)
    score = novelty.fit(rows, np.arange(20) % 3)
    chosen, keys = np.arange(9), [f"{i:064x}" for i in range(10)]
    features = (tmp_path / "features", ()) if kept else None
    given = batches, keys, chosen, strategy, features
    logits, values, _ = forward_pass.predict((model, score), *given)
    plain, none, _ = forward_pass.predict((model, None), *given)
    assert none is None and values is not None and values.shape == (9,)
    np.testing.assert_allclose(logits, plain, rtol=1e-5, atol=1e-5)
    extractor, _ = classifier.split_classifier(model)
    shown = [np.asarray(x)[np.asarray(w) > 0] for x, _, w in batches.plain(chosen)]
    images = np.concatenate(shown)
    expected = np.asarray(score(extractor(images, training=False), plain))
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)
