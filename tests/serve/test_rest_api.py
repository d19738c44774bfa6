"""The documented requests and replies of TF Serving, by real HTTP on this machine."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.export import protocol
from tfpipeline.export.signatures import Loaded
from tfpipeline.serve import live_versions, rest_api

PNG = [
    tf.io.encode_png(np.full((9, 7, 3), shade, np.uint8)).numpy() for shade in (9, 200)
]
ROWS = protocol.instances(PNG)
COLUMNS = {"image_bytes": [row["image_bytes"] for row in ROWS]}
GREY = np.full((8, 8, 3), 0.5).tolist()


@pytest.fixture(scope="module")
def server(holder: live_versions.Holder) -> Iterator[str]:
    """The address of a server in a thread; KServe has one application a process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        served = rest_api.Server(holder, "classifier")
        thread = threading.Thread(target=served.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            served._server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def ask(address: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Send a body as `curl -d` does, without a word on what it is; None gets."""
    sent = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(address, sent, timeout=60) as reply:
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers[rest_api.VERSION_HEADER] == "1"
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("which", ["", "/versions/1", "/labels/stable"])
def test_rows_columns_and_examples_get_the_same_numbers(
    server: str, loaded: Loaded, which: str
) -> None:
    model = f"{server}/v1/models/classifier{which}"
    code, by_row = ask(f"{model}:predict", {"instances": ROWS})
    again, by_column = ask(f"{model}:predict", {"inputs": COLUMNS})
    assert (code, again) == (200, 200)
    found = by_column["outputs"]
    for name, values in found.items():
        assert [row[name] for row in by_row["predictions"]] == values
    code, told = ask(f"{model}:classify", {"examples": ROWS})
    assert code == 200
    for pairs, labels, chance in zip(
        told["results"], found["labels"], found["probabilities"], strict=True
    ):
        assert [pair[0] for pair in pairs] == labels
        np.testing.assert_allclose([pair[1] for pair in pairs], chance, atol=1e-6)
    for answer, chance in zip(loaded.answer(PNG), found["probabilities"], strict=True):
        np.testing.assert_allclose(answer.probabilities, chance, atol=1e-6)


def test_pixels_that_are_none_are_told_beside_those_that_are(server: str) -> None:
    # NaN is a number in this protocol, and no pixel.
    odd = np.full((8, 8, 3), np.nan).tolist()
    bright = np.full((8, 8, 3), 200).tolist()
    body = {"signature_name": "pixels", "inputs": [GREY, odd, bright]}
    code, told = ask(f"{server}/v1/models/classifier:predict", body)
    assert code == 200 and told["outputs"]["valid"] == [True, False, False]
    error = told["outputs"]["error"]
    assert error[0] == "" and "NaN" in error[1] and "200 to 200" in error[2]


@pytest.mark.parametrize("which", ["", "/versions/1", "/labels/stable"])
def test_status_and_metadata_are_the_documented_ones(server: str, which: str) -> None:
    model = f"{server}/v1/models/classifier{which}"
    code, told = ask(model)
    state = {"version": "1", "state": "AVAILABLE"}
    state["status"] = {"error_code": "OK", "error_message": ""}
    assert code == 200 and told["model_version_status"] == [state]
    code, told = ask(f"{model}/metadata")
    spec = {"name": "classifier", "signature_name": "", "version": "1"}
    assert code == 200 and told["model_spec"] == spec
    known = told["metadata"]["signature_def"]["signature_def"]
    given = known["pixels"]["inputs"]["images"]
    assert given["dtype"] == "DT_FLOAT"
    sides = [side["size"] for side in given["tensor_shape"]["dim"]]
    assert sides == ["-1", "8", "8", "3"]
    assert known["classify"]["method_name"] == "tensorflow/serving/classify"


SENT = {"instances": ROWS}
WRONG: list[tuple[str, dict[str, Any] | None, int, str]] = [
    ("classifier:predict", {}, 400, "`instances`"),
    ("classifier:predict", {**SENT, "signature_name": "x"}, 400, '"x" not found'),
    ("classifier:predict", {**SENT, "inputs": COLUMNS}, 400, "only one"),
    (
        "classifier:predict",
        {"signature_name": "pixels", "instances": [[[0.5] * 3]]},
        400,
        "(batch, 8, 8, 3). Received: shape (1, 1, 3).",
    ),
    ("classifier:classify", SENT, 400, "`examples`"),
    ("classifier:regress", {"examples": ROWS}, 400, "tensorflow/serving/regress"),
    ("classifier:explain", SENT, 400, "Malformed request: POST"),
    ("classifier:predict", None, 400, "Malformed request: GET"),
    ("classifier/nothing", None, 400, "Malformed request"),
    ("classifier/versions/9:predict", SENT, 404, "Specific(classifier, 9)"),
    ("classifier/versions/9", None, 404, "Specific(classifier, 9)"),
    ("classifier/labels/x:predict", SENT, 400, "label: x"),
    ("nobody:predict", SENT, 404, "Latest(nobody)"),
    ("nobody", None, 404, "Latest(nobody)"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), WRONG)
def test_an_error_is_an_object_with_the_official_code(
    server: str, path: str, body: dict[str, Any] | None, status: int, words: str
) -> None:
    code, told = ask(f"{server}/v1/models/{path}", body)
    assert code == status and set(told) == {"error"}
    assert words in told["error"]
