"""The real stubs get the official codes, and words on what was expected."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfpipeline.serve import grpc_api, live_versions


@pytest.fixture(scope="module")
def stub(holder: live_versions.Holder) -> Iterator[Any]:
    server, port = grpc_api.start(holder, "classifier", "127.0.0.1:0")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
    server.stop(0).wait()


def request(signature: str, name: str, value: Any) -> predict_pb2.PredictRequest:
    made = predict_pb2.PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = "classifier", signature
    made.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return made


def test_pixels_out_of_range_are_not_valid(stub: Any) -> None:
    images = np.stack(
        [np.full((8, 8, 3), v, np.float32) for v in (0.5, 200, -1, np.inf)]
    )
    reply = stub.Predict(request("pixels", "images", images), timeout=60)
    valid = tf.make_ndarray(reply.outputs["valid"])
    assert valid.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("signature", "name", "value", "words"),
    [
        (
            "pixels",
            "images",
            np.zeros((1, 8, 8, 3), np.uint8),
            "float32. Received: uint8",
        ),
        ("pixels", "images", np.zeros((1, 8, 8, 3)), "float32. Received: float64"),
        (
            "pixels",
            "image",
            np.zeros((1, 8, 8, 3), np.float32),
            "images. Received: image",
        ),
        (
            "pixels",
            "images",
            np.zeros((8, 8, 3), np.float32),
            "Received: shape (8, 8, 3)",
        ),
        ("pixels", "images", np.zeros((1, 3, 8, 8), np.float32), "(1, 3, 8, 8)"),
        ("serving_default", "image_bytes", np.array(b"x"), "Received: shape ()"),
        ("serving_default", "image_bytes", np.ones(2), "string. Received: float64"),
        ("classify", "inputs", np.array([[b"x"]]), "Received: shape (1, 1)"),
    ],
)
def test_what_is_sent_wrongly_is_told_in_words(
    stub: Any, signature: str, name: str, value: np.ndarray, words: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request(signature, name, value), timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()


def test_codes_are_those_of_the_official_server(stub: Any) -> None:
    def code(**spec: Any) -> grpc.StatusCode:
        made = request("", "image_bytes", [b"x"])
        for name, value in spec.items():
            if name == "version":
                made.model_spec.version.value = value
            else:
                setattr(made.model_spec, name, value)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(made, timeout=60)
        return caught.value.code()

    assert code(signature_name="x") == grpc.StatusCode.FAILED_PRECONDITION
    assert code(version_label="x") == grpc.StatusCode.INVALID_ARGUMENT
    assert code(version=9) == grpc.StatusCode.NOT_FOUND
    assert code(name="nobody") == grpc.StatusCode.NOT_FOUND
