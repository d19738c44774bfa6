"""The server's gRPC protocol over held versions, by its real stubs, without Docker."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfpipeline.export import plain_json
from tfpipeline.export import signature_inputs as inputs_
from tfpipeline.export import signatures
from tfpipeline.export.signatures import BYTES, CLASSIFY, Loaded
from tfpipeline.predict.client import MAX_MESSAGE_BYTES
from tfpipeline.serve.live_versions import Holder

_THREADS = 8


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, holder: Holder, name: str) -> None:
        self._holder, self._name = holder, name

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer by any signature of the version that is asked for."""
        number, model = self._chosen(request.model_spec, context)
        name = request.model_spec.signature_name or BYTES
        if name not in model.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found, expected one of '
                f"{', '.join(model.signatures)}.",
            )
        with _wrong_is_told(context):
            inputs = {
                key: tf.constant(tf.make_ndarray(value))
                for key, value in request.inputs.items()
            }
            inputs_.check(model.signatures[name], inputs)
            found = model.signatures[name](**inputs)
        reply = predict_pb2.PredictResponse()
        for key, value in found.items():
            reply.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        self._tell(reply.model_spec, number, name)
        return reply

    def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer to Examples."""
        number, model = self._chosen(request.model_spec, context)
        examples = request.input.example_list.examples
        sent = [example.SerializeToString() for example in examples]
        with _wrong_is_told(context):
            found = model.signatures[CLASSIFY](inputs=tf.constant(sent, tf.string))
        reply = classification_pb2.ClassificationResponse()
        for labels, scores in zip(found["classes"].numpy(), found["scores"].numpy()):
            row = reply.result.classifications.add()
            for label, score in zip(labels, scores):
                row.classes.add(label=label.decode(), score=float(score))
        self._tell(reply.model_spec, number, CLASSIFY)
        return reply

    def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse: a classifier has no number to tell."""
        self._chosen(request.model_spec, context)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no signature for Regress")

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tell the inputs and outputs of each signature."""
        number, model = self._chosen(request.model_spec, context)
        if list(request.metadata_field) != ["signature_def"]:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "expected the metadata field signature_def",
            )
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.metadata["signature_def"].Pack(signature_map(model))
        self._tell(reply.model_spec, number, "")
        return reply

    def _chosen(self, spec: Any, context: Any) -> tuple[int, Loaded]:
        return _found(self._holder, self._name, spec, context)

    def _tell(self, spec: Any, number: int, signature: str) -> None:
        spec.name, spec.signature_name = self._name, signature
        spec.version.value = number


def signature_map(model: Loaded) -> get_model_metadata_pb2.SignatureDefMap:
    """Return the inputs and outputs of each signature.

    Args:
        model: A version.
    """
    told = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in signatures.definitions(model.folder).items():
        told.signature_def[name].CopyFrom(definition)
    return told


def _found(holder: Holder, name: str, spec: Any, context: Any) -> tuple[int, Loaded]:
    """Return the version that a request names; end the request where there is none."""
    version = spec.version.value if spec.HasField("version") else None
    label = spec.version_label or None
    chosen = holder.choose(version, label)
    if spec.name != name or chosen is None:
        unknown = grpc.StatusCode.NOT_FOUND
        context.abort(
            unknown if label is None else grpc.StatusCode.INVALID_ARGUMENT,
            plain_json.missing(spec.name, version, label),
        )
    assert chosen is not None  # Aborting raises.
    return chosen


@contextlib.contextmanager
def _wrong_is_told(context: Any) -> Iterator[None]:
    """Tell a client what is wrong with its input, as the official server does."""
    try:
        yield
    except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, plain_json.reason(error))


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, holder: Holder, name: str) -> None:
        self._holder, self._name = holder, name

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say which versions can be asked for, or whether one can."""
        spec = request.model_spec
        one, _ = _found(self._holder, self._name, spec, context)
        reply = get_model_status_pb2.GetModelStatusResponse()
        named = spec.HasField("version") or spec.version_label
        for number in [one] if named else list(self._holder.served.models):
            status = reply.model_version_status.add(version=number)
            status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return reply


def start(holder: Holder, name: str, address: str) -> tuple[grpc.Server, int]:
    """Serve in threads of its own.

    Args:
        holder: The versions.
        name: Of the served model.
        address: Host and port; port 0 is any that is free.

    Returns:
        The server, which `stop` ends, and its port.

    Raises:
        RuntimeError: The port cannot be listened at.
    """
    options = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(holder, name), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _Status(holder, name), server
    )
    port = server.add_insecure_port(address)
    server.start()
    return server, port
