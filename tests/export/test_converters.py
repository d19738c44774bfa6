"""Other runtimes get a file that says what it is, and refuse what is no picture."""

import contextlib
import dataclasses
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.export import converters, litert_graphs, model_metadata
from tfpipeline.metrics import novelty
from tfpipeline.models import classifier, preprocessing

# What runs a file here will move to a package of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")

SAID = model_metadata.Description(
    "pets", ["Hund", "kätzchen", "dog 3"], (12, 10), "crop"
)
SOME = np.random.default_rng(0).random((8, 12, 10, 3), np.float32)


@pytest.fixture(scope="module", params=["litert_float16", "litert_int8", "onnx"])
def converted(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A small untrained classifier, as it was converted."""
    if request.param == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 10, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(image, keras.layers.Dense(3)(pooled))
    target = converters.TARGETS[request.param]
    return target.file, target.convert(
        model, converters.Answering(1.5), SOME, target.kind
    )


@pytest.fixture(scope="module")
def described(converted: tuple[str, bytes]) -> tuple[str, bytes]:
    file, content = converted
    return file, model_metadata.describe(content, file, SAID)


def scaled(image: keras.KerasTensor) -> keras.KerasTensor:
    """Keras' EfficientNets have this, whose mean and deviation are plain tensors."""
    layer = keras.layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])
    return keras.layers.Conv2D(4, 3, activation="relu")(layer(image))


def grouped(image: keras.KerasTensor) -> keras.KerasTensor:
    """ConvNeXt's depthwise convolutions are grouped ones."""
    maps = keras.layers.Conv2D(4, 3, padding="same")(image)
    for groups in (2, 4):
        maps = keras.layers.Conv2D(4, 3, groups=groups, activation="relu")(maps)
    return maps


def exact_gelu(image: keras.KerasTensor) -> keras.KerasTensor:
    maps = keras.layers.LayerNormalization()(keras.layers.Conv2D(4, 3)(image))
    return keras.layers.Activation("gelu")(maps)


def of_mode(mode: str) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    return lambda image: preprocessing.preprocess(image, mode)


KINDS = {
    "normalization": scaled,
    "grouped_convolution": grouped,
    "exact_gelu": exact_gelu,
    **{f"pixels_of_{mode}": of_mode(mode) for mode in preprocessing.MODES},
}


@pytest.mark.parametrize("target", converters.TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_answers_as_in_keras(
    kind: str, target: str, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 10, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(KINDS[kind](image))
    logits = keras.layers.Dense(3)(keras.layers.BatchNormalization()(pooled))
    model = keras.Model(image, logits)
    # Whole pictures differ, and what is pooled has unit size.
    random = np.random.default_rng(0)
    light = random.random((64, 1, 1, 3)) * np.ones((64, 12, 10, 3))
    images = (0.8 * light + 0.2 * random.random((64, 12, 10, 3))).astype(np.float32)
    model.layers[-2].momentum = 0.0
    model(images, training=True)
    chosen, shown = images[:32], images[32:]
    expected = tf.nn.softmax(model(shown, training=False) / 1.5).numpy()
    assert expected.std(0).max() > 0.05
    row = converters.TARGETS[target]
    file = tmp_path / row.file
    file.write_bytes(row.convert(model, converters.Answering(1.5), chosen, row.kind))
    most = {"litert_float16": 3e-3, "litert_int8": 0.06, "onnx": 1e-5}[target]
    chance = asked(file, shown)
    assert abs(chance - expected).max() < most
    # As docs/serving.md says of 8 bits.
    assert target != "litert_int8" or not (chance * 256 % 1).any()


def test_what_onnx_has_no_word_for_is_named() -> None:
    pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    image = keras.Input((12, 10, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Lambda(tf.math.lgamma)(pooled))
    with pytest.raises(ValueError, match="Lgamma"):
        converters.TARGETS["onnx"].convert(
            model, converters.Answering(), SOME, "float32"
        )


def asked(file: Path, images: np.ndarray) -> np.ndarray:
    return converters.run(file, images)[converters.OUTPUT]


class Table:
    """A table of FlatBuffers, read by the places of its fields.

    Source: "FlatBuffer internals", https://flatbuffers.dev/internals.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def read(self, kind: str, at: int) -> Any:
        return struct.unpack_from("<" + kind, self.data, at)[0]

    def place(self, slot: int) -> int:
        fields = self.at - self.read("i", self.at)
        assert self.read("H", fields) > 4 + 2 * slot, slot
        offset = self.read("H", fields + 4 + 2 * slot)
        assert offset, f"field {slot} is not there"
        return self.at + offset

    def number(self, slot: int, kind: str) -> int:
        return self.read(kind, self.place(slot))

    def table(self, slot: int) -> "Table":
        at = self.place(slot)
        return Table(self.data, at + self.read("I", at))

    def tables(self, slot: int) -> list["Table"]:
        vector = self.table(slot).at
        places = range(vector + 4, vector + 4 + 4 * self.read("I", vector), 4)
        return [Table(self.data, at + self.read("I", at)) for at in places]

    def floats(self, slot: int) -> list[float]:
        vector = self.table(slot).at
        count = self.read("I", vector)
        return list(struct.unpack_from(f"<{count}f", self.data, vector + 4))

    def text(self, slot: int) -> str:
        at = self.table(slot).at
        return self.data[at + 4 : at + 4 + self.read("I", at)].decode()


def metadata(content: bytes) -> Table:
    """Return the metadata of a LiteRT model, found as its readers find it."""
    model = Table(content, struct.unpack_from("<I", content)[0])
    (place,) = [
        one.number(1, "I")
        for one in model.tables(6)
        if one.text(0) == "TFLITE_METADATA"
    ]
    vector = model.tables(4)[place].table(0).at
    count = struct.unpack_from("<I", content, vector)[0]
    data = content[vector + 4 : vector + 4 + count]
    assert data[4:8] == b"M001"
    return Table(data, struct.unpack_from("<I", data)[0])


def test_a_file_names_its_classes_range_and_size(described: tuple[str, bytes]) -> None:
    file, content = described
    if file.endswith(".onnx"):
        import onnx

        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
        told = {prop.key: prop.value for prop in model.metadata_props}
        assert json.loads(told["labels"]) == SAID.labels
        assert json.loads(told["image_size"]) == [12, 10]
        assert told["Image.NominalPixelRange"] == "Normalized_0_1"
        assert told["resize"] == "crop"
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (entry,) = archive.infolist()
        # Its readers on phones map it and inflate nothing.
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode().splitlines() == SAID.labels
    told = metadata(content)
    assert told.text(0) == "pets" and told.text(7) == "1.0.0"
    (graph,) = told.tables(3)
    (given,), (answer,) = graph.tables(2), graph.tables(3)
    assert given.text(0) == "images" and "12 x 10" in given.text(1)
    assert given.table(3).number(0, "B") == 2
    image = given.table(3).table(1)
    assert image.number(0, "b") == 1
    assert [image.table(1).number(slot, "I") for slot in (0, 1)] == [10, 12]
    (unit,) = given.tables(4)
    assert unit.number(0, "B") == 1
    assert [unit.table(1).floats(slot) for slot in (0, 1)] == [[0], [255]]
    assert [given.table(5).floats(slot) for slot in (0, 1)] == [[1], [0]]
    (names,) = answer.tables(6)
    assert answer.text(0) == "probabilities" and names.text(0) == "labels.txt"
    assert names.number(2, "b") == 2


def test_it_is_described_the_same_way_again_and_answers_as_before(
    converted: tuple[str, bytes], described: tuple[str, bytes], tmp_path: Path
) -> None:
    file, content = described
    assert model_metadata.describe(converted[1], file, SAID) == content
    before, after = tmp_path / f"a{file}", tmp_path / file
    before.write_bytes(converted[1]), after.write_bytes(content)
    chance = asked(after, SOME)
    assert np.array_equal(chance, asked(before, SOME))
    np.testing.assert_allclose(chance.sum(1), 1, atol=0.02)


def test_what_is_no_picture_has_no_probabilities(
    described: tuple[str, bytes], tmp_path: Path
) -> None:
    file = tmp_path / described[0]
    file.write_bytes(described[1])
    wrong = [SOME[0] * 255, SOME[0] * 2 - 1, SOME[0].copy(), SOME[0].copy()]
    wrong[2][1, 2, 0], wrong[3][4, 5, 2] = np.nan, np.inf
    chance = asked(file, np.stack([*wrong, SOME[0], np.zeros_like(SOME[0])]))
    if "int8" in file.name:
        # Values that 8 bits cannot hold are clipped before anything could look at them.
        white = asked(file, np.ones_like(SOME[:1]))
        bright = asked(file, np.maximum(SOME[:1] * 255, 1))
        assert np.array_equal(bright, white)
    else:
        assert not chance[:2].any()
        # Where an image has NaN, tf2onnx multiplies what TensorFlow selects.
        assert not np.nan_to_num(chance[2:4]).any()
    np.testing.assert_allclose(chance[4:].sum(1), 1, atol=0.02)


@pytest.mark.parametrize("target", converters.TARGETS)
def test_a_number_is_answered_and_of_what_is_no_picture_it_is_none(
    target: str, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 10, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(image, keras.layers.Dense(1)(pooled))
    row = converters.TARGETS[target]
    file = tmp_path / row.file
    answering = converters.Answering(target="number", half_width=0.25)
    file.write_bytes(row.convert(model, answering, SOME, row.kind))
    wrong = [SOME[0] * 255, SOME[0] * 2 - 1, SOME[0].copy()]
    wrong[2][1, 2, 0] = np.nan
    outputs = converters.run(file, np.stack([*wrong, *SOME]))
    assert set(outputs) == {"value", "low", "high"}
    told = outputs["value"][:, 0]
    expected = np.asarray(model(SOME))[:, 0]
    most = {"litert_float16": 3e-3, "litert_int8": 0.06, "onnx": 1e-5}[target]
    assert abs(told[3:] - expected).max() < most
    for name, off in (("low", -0.25), ("high", 0.25)):
        ends = outputs[name][:, 0]
        assert abs(ends[3:] - told[3:] - off).max() < most
        if target != "litert_int8":
            assert np.isnan(ends[:3]).all()
    if target != "litert_int8":
        assert np.isnan(told[:3]).all()


NARROW = 6


@pytest.fixture(scope="module")
def strange() -> tuple[keras.Model, novelty.Novelty, np.ndarray]:
    """A classifier with features, its score of novelty, and images to ask about."""
    keras.utils.set_random_seed(1)
    image = keras.Input((12, 10, 3))
    maps = keras.layers.Conv2D(NARROW, 3, activation="relu")(image)
    vectors = keras.layers.GlobalAveragePooling2D(name=classifier.FEATURES)(maps)
    layers = [keras.Input((NARROW,)), keras.layers.Dense(3)]
    head = keras.Sequential(layers, name=classifier.HEAD)
    model = keras.Model(image, head(vectors))
    random = np.random.default_rng(1)
    tints = random.uniform(0.3, 0.9, (90, 1, 1, 3))
    tints[65:] *= (0.02, 1.1, 0.02)
    noise = random.uniform(-0.1, 0.1, (90, 12, 10, 3))
    images = np.clip(tints + noise, 0, 1).astype(np.float32)
    extractor, head = classifier.split_classifier(model)
    features = np.asarray(extractor(images))
    logits = np.asarray(head(features))
    score = novelty.fit(features[:40], logits[:40].argmax(1))
    parts = [
        np.stack(score.parts(features, logits), 1)[rows]
        for rows in (slice(40, 65), slice(0, 40))
    ]
    return model, novelty.calibrate(score, *parts), images


@pytest.mark.parametrize("target", converters.TARGETS)
def test_novelty_is_an_output_of_each_file_and_the_classes_stay_the_first(
    target: str, strange, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    model, score, images = strange
    extractor, head = classifier.split_classifier(model)
    features = extractor(images)
    expected = np.asarray(score(features, head(features)))
    assert score.threshold is not None and (expected > 1).sum() > 5
    row = converters.TARGETS[target]
    file = tmp_path / row.file
    content = row.convert(model, converters.Answering(1.5), images, row.kind, score)
    about = SAID._replace(novelty=True, threshold=score.threshold)
    file.write_bytes(model_metadata.describe(content, row.file, about))
    told = converters.run(file, images)
    assert all(values.dtype == np.float32 for values in told.values())
    values, known = told["novelty"][:, 0], told["known"][:, 0]
    assert values.shape == known.shape == (90,)
    # Features of 8 bits lie on a coarse grid, from which distances are computed.
    most = {"litert_float16": 0.02, "litert_int8": 0.35, "onnx": 1e-3}[target]
    off = abs(values - expected) / np.maximum(1, abs(expected))
    assert off.max() < most
    assert np.array_equal(known, values <= score.threshold)
    plain = tmp_path / f"plain-{row.file}"
    plain.write_bytes(row.convert(model, converters.Answering(1.5), images, row.kind))
    np.testing.assert_allclose(told["probabilities"], asked(plain, images), atol=0.01)
    if target == "onnx":
        import onnx

        outputs = [one.name for one in onnx.load(file).graph.output]
        assert outputs == ["probabilities", "novelty", "known"]
        return
    assert litert_graphs.outputs(litert_graphs.read(file.read_bytes())) == [
        "probabilities",
        "novelty",
        "known",
    ]
    (graph,) = metadata(file.read_bytes()).tables(3)
    heads = [one.text(0) for one in graph.tables(3)]
    assert heads == ["probabilities", "novelty", "known"]
    assert "at most 1" in graph.tables(3)[2].text(1)


@pytest.mark.parametrize("kind", ["single", "number"])
@pytest.mark.parametrize("target", ["litert_float16", "onnx"])
def test_what_is_no_picture_is_not_known(
    target: str, kind: str, strange, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    model, score, images = strange
    row = converters.TARGETS[target]
    file = tmp_path / row.file
    answering = converters.Answering(target=kind)
    file.write_bytes(row.convert(model, answering, images, row.kind, score))
    told = converters.run(file, np.stack([images[0], images[0] * 255]))
    assert told["known"].ravel().tolist() == [1, 0]
    assert told["novelty"][1] == 0
    first = told[answering.output]
    assert np.isfinite(first[0]).all()
    assert np.isnan(first[1]).all() if kind == "number" else not first[1].any()


@pytest.mark.parametrize("target", converters.TARGETS)
def test_where_nothing_can_be_promised_there_is_no_known(
    target: str, strange, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    model, score, images = strange
    row = converters.TARGETS[target]
    file = tmp_path / row.file
    without = dataclasses.replace(score, threshold=None, reason="too few")
    file.write_bytes(
        row.convert(model, converters.Answering(), images, row.kind, without)
    )
    assert sorted(converters.run(file, images[:2])) == ["novelty", "probabilities"]


def test_only_operations_that_every_phone_has_are_used(
    described: tuple[str, bytes],
) -> None:
    file, content = described
    if file.endswith(".onnx"):
        import onnx

        domains = {node.domain for node in onnx.load_from_string(content).graph.node}
        assert domains <= {"", "ai.onnx"}
        return
    with contextlib.redirect_stdout(io.StringIO()) as said:
        tf.lite.experimental.Analyzer.analyze(model_content=content)
    assert "FlexOps" not in said.getvalue() and "Custom" not in said.getvalue()
    assert "Op#0" in said.getvalue()


@pytest.mark.parametrize("kind", ["multi", "number"])
@pytest.mark.parametrize("target", converters.TARGETS)
def test_a_score_of_features_alone_is_an_output_too(
    target: str, kind: str, strange, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    model, _, images = strange
    features = np.asarray(classifier.split_classifier(model)[0](images))
    score = novelty.fit(features[:40], None)
    parts = [np.stack(score.parts(r), 1) for r in (features[40:65], features[:40])]
    score = novelty.calibrate(score, *parts)
    row = converters.TARGETS[target]
    file, first = tmp_path / row.file, "value" if kind == "number" else "probabilities"
    answering = converters.Answering(target=kind)
    file.write_bytes(row.convert(model, answering, images, row.kind, score))
    told = converters.run(file, images)
    assert told.keys() == {first, "novelty", "known"}
    expected = np.asarray(score(features))
    off = abs(told["novelty"][:, 0] - expected) / np.maximum(1, abs(expected))
    assert off.max() < {"litert_float16": 0.02, "litert_int8": 0.35}.get(target, 1e-3)
    assert np.array_equal(told["known"][:, 0], told["novelty"][:, 0] <= 1)
    if row.kind != "int8":
        # What is no picture has neither.
        none = converters.run(file, images[:1] + 5)
        assert not none["novelty"].any() and not none["known"].any()
