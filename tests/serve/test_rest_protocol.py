"""The documented requests of TF Serving's REST protocol get the documented replies."""

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.export import protocol
from tfpipeline.export.signatures import CLASSIFY, Loaded
from tfpipeline.serve import rest_protocol
from tfpipeline.serve.rest_protocol import RequestError

PNG = [
    tf.io.encode_png(np.full((9, 7, 3), shade, np.uint8)).numpy() for shade in (9, 200)
]
B64 = [row["image_bytes"] for row in protocol.instances(PNG)]
PIXELS = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)


@pytest.mark.parametrize(
    ("signature", "name", "values"),
    [
        ("serving_default", "image_bytes", [*B64, {"b64": ""}]),
        ("probabilities", "image_bytes", B64),
        ("features", "image_bytes", B64),
        ("pixels", "images", [*PIXELS.tolist(), (PIXELS[0] * 255).tolist()]),
    ],
)
def test_rows_and_columns_give_the_same_numbers_by_name_or_without(
    loaded: Loaded, signature: str, name: str, values: list[Any]
) -> None:
    said = {"signature_name": signature}
    plain = rest_protocol.predict(loaded, said | {"instances": values})
    named = rest_protocol.predict(
        loaded, said | {"instances": [{name: v} for v in values]}
    )
    columns = rest_protocol.predict(loaded, said | {"inputs": values})
    by_name = rest_protocol.predict(loaded, said | {"inputs": {name: values}})
    assert plain == named and columns == by_name
    assert set(plain) == {"predictions"} and set(columns) == {"outputs"}
    (rows,), (told,) = plain.values(), columns.values()
    assert len(rows) == len(values)
    assert all(set(row) == set(told) for row in rows)
    assert {key: [row[key] for row in rows] for key in told} == told
    # As JSON they are what the signature itself answers.
    sent = tf.constant(PNG) if name == "image_bytes" else tf.constant(PIXELS)
    found = loaded.signatures[signature](**{name: sent})
    kind = "features" if signature == "features" else "probabilities"
    numbers = json.loads(json.dumps(told[kind]))[:2]
    np.testing.assert_allclose(numbers, found[kind].numpy(), atol=1e-6)
    assert told["valid"] == [True, True] + [False] * (len(values) - 2)


def test_a_serialized_example_is_answered_by_either_method(loaded: Loaded) -> None:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[PNG[0]]))
    features = tf.train.Features(feature={"image/encoded": value})
    example = tf.train.Example(features=features).SerializeToString()
    (row,) = protocol.instances([example])
    asked = {"signature_name": "classify", "inputs": [row["image_bytes"]]}
    by_predict = rest_protocol.predict(loaded, asked)["outputs"]
    by_classify = rest_protocol.classify(
        loaded, {"examples": [{"image/encoded": B64[0]}]}
    )
    (pairs,) = by_classify["results"]
    assert [
        list(pair) for pair in zip(*by_predict["classes"], *by_predict["scores"])
    ] == pairs
    (answer,) = loaded.answer(PNG[:1])
    assert [label for label, _ in pairs] == list(answer.labels)
    np.testing.assert_allclose([p for _, p in pairs], answer.probabilities, atol=1e-6)
    # What all Examples share may stand beside them.
    shared = {"context": {"image_bytes": B64[0]}, "examples": [{}, {"width": 3}]}
    assert rest_protocol.classify(loaded, shared)["results"] == [pairs, pairs]


IMAGES = {"signature_name": "pixels"}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("both", {"instances": B64, "inputs": B64}, "only one of"),
    ("neither", {}, "`instances`"),
    ("no list", {"instances": "x"}, "a list `instances`"),
    ("no instance", {"instances": []}, "a list `instances`"),
    ("a name that is none", {"instances": B64, "signature_name": ["x"]}, "string"),
    ("a number", {"instances": B64, "signature_name": 0}, "string"),
    (
        "an unknown one",
        {"instances": B64, "signature_name": "other"},
        '"other" not found',
    ),
    ("other keys", {"instances": [{"image": B64[0]}]}, "equal to: image_bytes"),
    ("more keys", {"instances": [{"image_bytes": B64[0], "a": 1}]}, "equal to"),
    ("mixed", {"instances": [{"image_bytes": B64[0]}, B64[0]]}, "item 1"),
    ("mixed again", {"instances": [B64[0], {"image_bytes": B64[0]}]}, "item 1"),
    ("no such input", {"inputs": {"image": B64}}, "named input: image_bytes"),
    ("one scalar", {"inputs": B64[0]}, "Received: shape ()."),
    ("nested", {"inputs": [B64]}, "Received: shape (1, 2)."),
    ("nested rows", {"instances": [B64]}, "Received: shape (1, 2)."),
    ("no base 64", {"instances": [{"b64": "???"}]}, "base64"),
    ("a number as bytes", {"instances": [1]}, "image_bytes: expected string"),
    ("null", {"instances": [None]}, "image_bytes: expected string"),
    ("ragged", IMAGES | {"instances": [[[1.0]], [1.0, 2.0]]}, "rectangular"),
    ("text", IMAGES | {"instances": ["1.5"]}, "images: expected float32"),
    ("true", IMAGES | {"instances": [[True, 0.5]]}, "images: expected float32"),
    ("bytes", IMAGES | {"instances": B64}, "images: expected float32"),
    ("too small", IMAGES | {"instances": [[[[0.5] * 3]]]}, "shape (1, 1, 1, 3)"),
    ("no batch", IMAGES | {"inputs": PIXELS[0].tolist()}, "shape (8, 8, 3)"),
]


@pytest.mark.parametrize(
    ("sent", "words"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_a_wrong_request_is_told_what_was_expected(
    loaded: Loaded, sent: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError) as caught:
        rest_protocol.predict(loaded, sent)
    assert words in str(caught.value) and caught.value.code == 400
    assert "stack traces" not in str(caught.value)


def test_signatures_of_other_methods_are_told_by_their_method(loaded: Loaded) -> None:
    good = [{"image_bytes": B64[0]}]
    for name in ("serving_default", "pixels"):
        with pytest.raises(RequestError, match="Was: tensorflow/serving/predict"):
            rest_protocol.classify(loaded, {"signature_name": name, "examples": good})
    for name, method in (("", "predict"), (CLASSIFY, "classify")):
        with pytest.raises(RequestError, match=f"Was: tensorflow/serving/{method}"):
            rest_protocol.answer(
                "regress", loaded, {"signature_name": name, "examples": good}
            )
    for sent in ({}, {"examples": []}, {"examples": {}}, {"instances": good}):
        with pytest.raises(RequestError, match="a list `examples`"):
            rest_protocol.classify(loaded, sent)
    for example in (
        "x",
        {"image_bytes": None},
        {"image_bytes": [1, "x"]},
        {"a": [[1]]},
    ):
        with pytest.raises(RequestError):
            rest_protocol.classify(loaded, {"examples": [example]})
    with pytest.raises(RequestError, match="image/encoded"):
        rest_protocol.classify(loaded, {"examples": [{"image/encoded": 3}]})


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("POST", "/v1/models/a:predict", ("a", None, None, "predict")),
        ("POST", "/v1/models/a/versions/12:classify", ("a", 12, None, "classify")),
        (
            "POST",
            "/v1/models/a/labels/stable:regress",
            ("a", None, "stable", "regress"),
        ),
        ("GET", "/v1/models/a", ("a", None, None, "")),
        ("GET", "/v1/models/a/versions/3", ("a", 3, None, "")),
        ("GET", "/v1/models/a/labels/x/metadata", ("a", None, "x", "metadata")),
        ("GET", "/v1/models/a/metadata", ("a", None, None, "metadata")),
    ],
)
def test_a_path_names_a_model_a_version_and_a_method(
    method: str, path: str, asked: tuple[Any, ...]
) -> None:
    assert rest_protocol.read_path(method, path) == asked


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/a"),
        ("POST", "/v1/models/a:explain"),
        ("POST", "/v1/models/a/versions/x:predict"),
        ("POST", "/v1/models/a/versions/1/labels/b:predict"),
        ("GET", "/v1/models/a:predict"),
        ("GET", "/v1/models/a/b"),
        ("PUT", "/v1/models/a:predict"),
    ],
)
def test_another_path_is_a_malformed_request(method: str, path: str) -> None:
    with pytest.raises(RequestError, match=f"Malformed request: {method} {path}"):
        rest_protocol.read_path(method, path)


def test_a_body_is_an_object_in_which_nan_is_a_number() -> None:
    read = rest_protocol.read_body(b'{"instances": [NaN, -Infinity]}')["instances"]
    assert np.isnan(read[0]) and np.isinf(read[1])
    for body in (b"", b"nonsense", b"[1]", b"1", b"\xff", b"[" * 100_000):
        with pytest.raises(RequestError, match="expected"):
            rest_protocol.read_body(body)


def test_the_only_output_has_no_name() -> None:
    found = {"y": np.array([[1.5], [2.5]], np.float32)}
    assert rest_protocol.reply(found, True) == {"predictions": [[1.5], [2.5]]}
    assert rest_protocol.reply(found, False) == {"outputs": [[1.5], [2.5]]}


def test_outputs_called_bytes_are_in_base_64_and_texts_are_not() -> None:
    found = {
        "a_bytes": np.array([[b"\xff\x00"]], object),
        "b": np.array([b"x"], object),
    }
    there = {"a_bytes": [[{"b64": "/wA="}]], "b": ["x"]}
    assert rest_protocol.reply(found, False) == {"outputs": there}
    assert rest_protocol.reply(found, True) == {
        "predictions": [{"a_bytes": [{"b64": "/wA="}], "b": "x"}]
    }


def test_several_inputs_are_given_by_their_names() -> None:
    """The documented example, of inputs with the same number of rows."""
    names = ("tag", "signal")
    columns = {"tag": ["foo", "bar"], "signal": [[1, 2], [3, 4]]}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    assert rest_protocol.rows(rows, names) == columns
    assert rest_protocol.columns(columns, names) == columns
    for read in (rest_protocol.rows, rest_protocol.columns):
        with pytest.raises(RequestError, match="tag, signal"):
            read([1, 2], names)
