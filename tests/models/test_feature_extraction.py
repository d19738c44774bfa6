"""Rows are computed by the engine whose name they are kept under."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.core import console
from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import bfloat16, choice, litert
from tfpipeline.models.engines.choice import Engines
from tfpipeline.models.engines.names import BFLOAT16, LITERT, TENSORFLOW, TRAINED_ON
from tfpipeline.models.feature_extraction import Extraction
from tfpipeline.models.inference import Predictor

KEYS = [f"{i:064x}" for i in range(24)]


@pytest.fixture(autouse=True)
def _talkative():
    """Notes are printed once a command; each test is one."""
    console._mode.said.clear()


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """One convolution and pooling."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(12, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(maps))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).random((24, 16, 16, 3)).astype(np.float32)


@pytest.fixture
def seen(monkeypatch) -> list[int]:
    """Numbers of images that LiteRT is given."""
    counts: list[int] = []
    right = litert.LiteRT.__call__

    def counted(self, images):
        counts.append(len(images))
        return right(self, images)

    monkeypatch.setattr(litert.LiteRT, "__call__", counted)
    return counts


@pytest.fixture
def extraction(network, tmp_path):
    """Return what makes an extraction anew, as another process would."""

    def make() -> Extraction:
        predictor = Predictor(
            Frozen(network), tf.distribute.OneDeviceStrategy("/cpu:0")
        )
        digest = classifier.describe(network)
        given = network, digest, predictor, tmp_path / "engines", LITERT
        return Extraction(
            predictor, 12, (digest,), tmp_path / "features", Engines(*given)
        )

    return make


@pytest.fixture
def feed(pictures):
    """Return the batches of a view."""

    def batches(number: int, order: np.ndarray):
        for i in range(0, len(order), 8):
            part = order[i : i + 8]
            yield pictures[part] + number / 8, None, np.ones(len(part))

    return batches


def test_views_that_were_left_out_are_computed_by_the_same_engine(
    extraction, feed, seen
) -> None:
    extraction().views(KEYS, 1, feed)
    seen.clear()
    views = extraction().views(KEYS, 2, feed)
    assert views.engine == LITERT and sum(seen) == len(KEYS)


def test_damaged_rows_are_computed_again_by_the_same_engine(
    extraction, feed, seen, capsys
) -> None:
    def plain(order):
        return feed(0, order)

    store = extraction().features(KEYS, plain)
    before = store.rows(KEYS)
    (file,) = store.folder.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    seen.clear()
    again = extraction().features(KEYS, plain)
    assert sum(seen) == len(KEYS) and again.folder == store.folder
    np.testing.assert_array_equal(again.rows(KEYS), before)
    assert "damaged" in capsys.readouterr().err


def test_an_engine_that_cannot_be_built_any_more_gives_way_for_all_views(
    extraction, feed, seen, tmp_path, monkeypatch, capsys
) -> None:
    extraction().views(KEYS, 1, feed)
    for file in (tmp_path / "engines").glob("*.tflite"):
        file.unlink()
    monkeypatch.setattr(litert.Traced, "convert", lambda _: 1 / 0)
    seen.clear()
    one = extraction()
    views = one.views(KEYS, 2, feed)
    assert views.engine == TENSORFLOW and not seen
    assert views.cache.folder.name == one.name
    assert views.cache.rows([k for e in (0, 1) for k in views.keys(KEYS, e)]).any()
    assert (
        "engine: TensorFlow; not LiteRT: ZeroDivisionError" in capsys.readouterr().err
    )


@pytest.mark.parametrize("wish", [LITERT, "auto"])
def test_copies_among_the_pictures_of_a_trial_are_one_row(
    network, pictures, tmp_path, monkeypatch, wish: str
) -> None:
    monkeypatch.setattr(choice, "LEAST_PIXELS", 0)
    monkeypatch.setattr(choice, "LEAST_IMAGES", 8)
    # TensorFlow is found to be quick enough.
    monkeypatch.setattr(choice, "WORTH_SECONDS", 1e9)
    keys = [*KEYS[:3], KEYS[2], *KEYS[4:20], KEYS[5], KEYS[22], KEYS[22], KEYS[2]]
    digests = {key: KEYS.index(key) for key in keys}
    shown = np.array([digests[key] for key in keys])

    def feed(order):
        for i in range(0, len(order), 8):
            part = shown[order[i : i + 8]]
            yield pictures[part], None, np.ones(len(part))

    predictor = Predictor(Frozen(network), tf.distribute.OneDeviceStrategy("/cpu:0"))
    digest = classifier.describe(network)
    engines = Engines(network, digest, predictor, tmp_path / "engines", wish)
    extraction = Extraction(predictor, 12, (digest,), tmp_path / "features", engines)
    chosen = np.arange(22)
    store, engine = extraction.learned(keys, chosen, feed, TRAINED_ON)
    assert engine == (LITERT if wish == LITERT else TENSORFLOW)
    expected = np.asarray(network(pictures[shown], training=False))
    np.testing.assert_allclose(store.rows(keys), expected, rtol=1e-4, atol=1e-6)


def test_a_half_filled_cache_has_only_the_rest_read(
    network, pictures, extraction, tmp_path
) -> None:
    fed: list[int] = []

    def feed(order):
        for i in range(0, len(order), 8):
            part = order[i : i + 8]
            fed.extend(part)
            yield pictures[part], None, np.ones(len(part))

    chosen = np.arange(24)
    half = extraction()
    half.learned(KEYS[:21], np.arange(21), feed, TRAINED_ON)
    assert sorted(fed) == list(range(21)) and half.computed == set(KEYS[:21])
    fed.clear()
    shutil.rmtree(tmp_path / "engines")
    rest = extraction()
    store, _ = rest.learned(KEYS, chosen, feed, TRAINED_ON)
    assert rest.computed == set(KEYS[21:])
    # Of the others a few batches for the check of the engine.
    assert set(fed[-3:]) == {21, 22, 23} and len(fed) <= 19
    expected = np.asarray(network(pictures, training=False))
    np.testing.assert_allclose(store.rows(KEYS), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(not bfloat16.is_supported(), reason="no bfloat16 here")
def test_pictures_of_a_trial_stay_as_it_has_computed_them(
    network, pictures, tmp_path
) -> None:
    fed: list[int] = []

    def feed(order):
        fed.extend(order)
        yield pictures[order], None, np.ones(len(order))

    def make(wish: str, place: str) -> Extraction:
        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
        predictor = Predictor(Frozen(network), strategy)
        digest = classifier.describe(network)
        given = network, digest, predictor, tmp_path / place, wish
        folder = tmp_path / place / "features"
        return Extraction(predictor, 12, (digest,), folder, Engines(*given))

    exact = make(TENSORFLOW, "exact").features(KEYS, feed).rows(KEYS)
    fed.clear()
    chosen, most = np.arange(20), TRAINED_ON
    store, engine = make(BFLOAT16, "both").learned(KEYS, chosen, feed, most)
    assert engine == BFLOAT16
    # Each picture once, those of the trial too: as many of 20 as it needs.
    assert sorted(fed) == list(range(24))
    rows = store.rows(KEYS)
    changes = np.abs(rows - exact).max(1) / np.abs(exact).max()
    assert (changes[20:] < 1e-6).all() and (changes[:20] < 1e-6).sum() == 16
    # With what is known of it by then, the same are computed in the same way.
    fed.clear()
    (tmp_path / "both" / "features").rename(tmp_path / "gone")
    again, _ = make(BFLOAT16, "both").learned(KEYS, chosen, feed, most)
    np.testing.assert_allclose(again.rows(KEYS), rows, rtol=1e-5)
