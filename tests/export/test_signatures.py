"""What a SavedModel answers, by each of its signatures."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import Exported, Trained
from tfpipeline.config import ModelSettings
from tfpipeline.data import decode_graph
from tfpipeline.export import signatures
from tfpipeline.metrics import classification
from tfpipeline.metrics.decision import Decision
from tfpipeline.models import classifier, saving
from tfpipeline.models.constant_weights import Frozen


@pytest.fixture(scope="module")
def loaded(exported: Exported) -> signatures.Loaded:
    return signatures.Loaded(exported.base / "1")


def example(key: str, content: bytes) -> bytes:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
    return tf.train.Example(
        features=tf.train.Features(feature={key: value})
    ).SerializeToString()


def test_bytes_are_answered_by_names_and_calibrated_probabilities(
    exported: Exported, loaded: signatures.Loaded, small_run: Trained
) -> None:
    model, labels = saving.load_classifier(small_run.path / "model.keras")
    pixels, _, _ = decode_graph.Reader(32, 32, "squash")(tf.constant(exported.contents))
    logits = model(tf.cast(pixels, tf.float32) / 255, training=False).numpy()
    calibration = json.loads((small_run.path / "calibration.json").read_text())
    chance = classification.probabilities(logits / calibration["temperature"])
    best = classification.top_k(logits, 5)
    found = loaded(exported.contents)
    expected = [[labels[k].encode() for k in row] for row in best]
    assert found["labels"].tolist() == expected
    np.testing.assert_allclose(
        found["probabilities"], np.take_along_axis(chance, best, 1), atol=1e-5
    )
    assert found["probabilities"].dtype == np.float32


def test_one_broken_image_never_fails_its_neighbours(
    exported: Exported, loaded: signatures.Loaded
) -> None:
    good = exported.contents
    answers = loaded.answer([good[0], b"broken", good[1], b""])
    (alone,) = loaded.answer([good[0]])
    assert answers[0].labels == alone.labels
    assert answers[0].probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert [bool(a.error) for a in answers] == [False, True, False, True]
    found = loaded([b"broken"])
    assert found["labels"][0].tolist() == [b""] * 5 and not found["probabilities"].any()


def test_pixels_features_and_examples_agree_with_bytes(
    exported: Exported, loaded: signatures.Loaded
) -> None:
    contents = exported.contents
    found = loaded(contents)
    pixels, _, _ = decode_graph.Reader(32, 32, "squash")(tf.constant(contents))
    images = tf.cast(pixels, tf.float32) / 255
    by_pixels = loaded.signatures["pixels"](images=images)
    np.testing.assert_allclose(by_pixels["probabilities"], found["probabilities"], 1e-4)
    keys = [signatures.EXAMPLE_KEYS[i % 2] for i in range(len(contents))]
    sent = [example(*pair) for pair in zip(keys, contents)]
    by_example = loaded.signatures["classify"](inputs=tf.constant(sent))
    assert (by_example["classes"].numpy() == found["labels"]).all()
    np.testing.assert_allclose(by_example["scores"], found["probabilities"], 1e-4)
    vectors = loaded.signatures["features"](
        image_bytes=tf.constant([*contents, b"broken"])
    )
    assert vectors["features"].shape == (len(contents) + 1, 128)
    assert vectors["valid"].numpy().tolist() == [True] * len(contents) + [False]
    assert not vectors["features"][-1].numpy().any()


def test_all_probabilities_are_told_in_the_order_of_the_labels(
    exported: Exported, loaded: signatures.Loaded
) -> None:
    found = loaded([*exported.contents, b"broken"], signatures.ALL)
    names = (exported.base / "1" / "labels.txt").read_text().splitlines()
    assert found["probabilities"].shape == (len(exported.contents) + 1, len(names))
    np.testing.assert_allclose(found["probabilities"].sum(1)[:-1], 1, atol=1e-5)
    assert not found["probabilities"][-1].any() and not found["valid"][-1]
    best = loaded(exported.contents)
    for row, labels, chance in zip(
        found["probabilities"], best["labels"], best["probabilities"]
    ):
        order = np.argsort(-row, kind="stable")[:5]
        assert [names[k].encode() for k in order] == labels.tolist()
        np.testing.assert_allclose(row[order], chance, atol=1e-6)


def test_each_signature_has_its_method_and_names(exported: Exported) -> None:
    saved = signatures.saved_model_pb2.SavedModel.FromString(
        (exported.base / "1" / "saved_model.pb").read_bytes()
    )
    known = saved.meta_graphs[0].signature_def
    methods = {
        name: known[name].method_name.rsplit("/", 1)[-1]
        for name in ("serving_default", "pixels", "features", "classify")
    }
    assert methods.pop("classify") == "classify"
    assert set(methods.values()) == {"predict"}
    assert set(known["classify"].inputs) == {"inputs"}
    assert set(known["classify"].outputs) == {"classes", "scores"}
    assert set(known["serving_default"].inputs) == {"image_bytes"}
    # The demo has too few validation images for a threshold.
    assert set(known["serving_default"].outputs) == {
        *("labels", "probabilities", "valid", "error", "accepted_reason"),
        *("novelty", "known"),
    }


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_answers_are_float32_and_no_training_is_left(
    precision: str, tmp_path: Path
) -> None:
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        image = keras.Input((8, 8, 3))
        maps = keras.layers.Conv2D(4, 3)(image)
        backbone = keras.Model(image, keras.layers.Dropout(0.5)(maps))
        settings = ModelSettings(dropout=0.5, hidden=[7], batch_norm=True)
        model = classifier.build_classifier(backbone, "tf", settings, 3)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    extractor, head = classifier.split_classifier(model)
    answers = signatures.Answers(["a", "b", "<c>"], temperature=2.0)
    reader = decode_graph.Reader(8, 8, "squash")
    network = Frozen(extractor, 0)
    served = signatures.Served(network, head, answers, reader, max_images=3)
    signatures.save(tmp_path / "1", served)
    loaded = signatures.Loaded(tmp_path / "1")
    found = loaded.signatures["pixels"](images=tf.fill((2, 8, 8, 3), 0.5))
    assert found["probabilities"].dtype == tf.float32
    np.testing.assert_allclose(found["probabilities"].numpy().sum(1), 1, atol=1e-5)
    # More images than are taken: those behind are refused, and no memory is asked for.
    content = tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8)).numpy()
    for name in (signatures.BYTES, signatures.FEATURES, signatures.ALL):
        many = loaded([content] * 5, name)
        assert many["valid"].tolist() == [True] * 3 + [False] * 2
        assert many["error"][4] == b"more than 3 images in one request"
        assert not many["features" if name == "features" else "probabilities"][3:].any()
    kept = sum(v.dtype.size * v.shape.num_elements() for v in served.variables)
    assert len(served.variables) == len(extractor.weights) + len(head.weights)
    names = tf.train.list_variables(str(tmp_path / "1" / "variables" / "variables"))
    values = [name for name, shape in names if name.startswith("weights")]
    assert len(values) == len(served.variables) and kept > 0
    assert not [name for name, _ in names if "seed" in name or "optimizer" in name]


def test_constant_weights_are_no_variables_of_what_is_served(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    maps = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    backbone = keras.Model(image, keras.layers.ReLU(6.0)(maps))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    extractor, head = classifier.split_classifier(model)
    answers, reader = signatures.Answers(["a", "b", "c"]), decode_graph.Reader(
        8, 8, "squash"
    )
    pictures = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    told = []
    for number, most_bytes in enumerate((0, 2**20)):
        network = Frozen(extractor, most_bytes)
        served = signatures.Served(network, head, answers, reader)
        signatures.save(tmp_path / str(number), served)
        loaded = signatures.Loaded(tmp_path / str(number))
        told.append(loaded.signatures["pixels"](images=tf.constant(pictures)))
        count = len(head.weights) + (0 if number else len(extractor.weights))
        assert len(served.variables) == count
    np.testing.assert_allclose(
        told[0]["probabilities"], told[1]["probabilities"], atol=1e-6
    )
    np.testing.assert_array_equal(told[0]["labels"], told[1]["labels"])


@pytest.mark.parametrize("most_bytes", [0, 2**20])
def test_every_weight_is_written_once(most_bytes: int, tmp_path: Path) -> None:
    """As a variable or a constant, whatever the number of signatures."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(8, 3, activation="relu")(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    extractor, head = classifier.split_classifier(model)
    answers, reader = signatures.Answers(["a", "b", "c"]), decode_graph.Reader(
        8, 8, "squash"
    )
    network = Frozen(extractor, most_bytes)
    signatures.save(tmp_path / "1", signatures.Served(network, head, answers, reader))
    files = [file for file in (tmp_path / "1").rglob("*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    for kernel in (extractor.get_weights()[0], head.get_weights()[0]):
        assert kernel.size > 20 and content.count(kernel.tobytes()) == 1


def test_a_temperature_divides_logits_and_ties_go_to_the_first() -> None:
    answers = signatures.Answers(["a", "b", "c"], temperature=4.0, top_k=2)
    outputs = answers(tf.constant([[4.0, 4.0, 0.0], [0.0, 8.0, 8.0]]))
    labels, chance = outputs["labels"], outputs["probabilities"]
    assert labels.numpy().tolist() == [[b"a", b"b"], [b"b", b"c"]]
    expected = classification.probabilities(
        np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    )
    np.testing.assert_allclose(chance, [expected[0, :2], expected[1, 1:]], atol=1e-6)


def test_several_labels_have_the_temperature_of_their_thresholds() -> None:
    one = Decision("multi", ("a", "b"), (0.6, 0.6), temperature=2.0)
    answers = signatures.Answers(["a", "b"], temperature=9.0, decision=one)
    outputs = answers(tf.constant([[0.5, 1.0]]))
    assert outputs["labels"].numpy().tolist() == [[b"b", b"a"]]
    chance = 1 / (1 + np.exp(-np.array([[0.5, 0.25]])))
    np.testing.assert_allclose(outputs["probabilities"], chance, rtol=1e-6)
    assert outputs["said"].numpy().tolist() == [[True, False]]


def test_a_number_is_answered_with_the_ends_of_its_interval() -> None:
    for half in (None, 2.5):
        one = Decision("number", ("age",), half_width=half)
        outputs = signatures.Answers(["age"], decision=one)(tf.constant([[31.5]]))
        assert float(outputs["value"][0, 0]) == 31.5
        flat = {name: value.numpy()[:, 0] for name, value in outputs.items()}
        flat |= {"labels": outputs["labels"].numpy()}
        flat |= {"valid": np.array([True]), "error": np.array([b""])}
        (told,) = signatures.answers_of(flat)
        ends = (None, None) if half is None else (29.0, 34.0)
        assert (told.value, told.low, told.high) == (31.5, *ends)


@pytest.mark.parametrize("reason", ["3 images are too few: é", ""])
def test_without_a_threshold_the_reason_is_answered_and_never_true_or_false(
    reason: str,
) -> None:
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    extractor, head = classifier.split_classifier(model)
    content = tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8)).numpy()
    for least in (None, 0.0, 1.1):
        answers = signatures.Answers(["a", "b", "c"], 1.0, 5, least, reason)
        reader = decode_graph.Reader(8, 8, "squash")
        network = Frozen(extractor, 0)
        served = signatures.Served(network, head, answers, reader, max_images=2)
        found = served.serve(tf.constant([content, b"broken", content]))
        told = signatures.answers_of({k: v.numpy() for k, v in found.items()})
        expected = None if least is None else least == 0
        assert [one.accepted for one in told] == [expected, None, None]
        known = {signatures.ACCEPTED, signatures.REASON} & set(found)
        if least is not None:
            assert known == {signatures.ACCEPTED}
        else:
            assert known == ({signatures.REASON} if reason else set())
            assert told[0].reason == reason and not told[1].reason
