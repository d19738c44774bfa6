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

from tfpipeline.export import protocol, signature_inputs, signatures
from tfpipeline.export.signatures import BYTES, CLASSIFY, Loaded
from tfpipeline.predict.client import MAX_MESSAGE_BYTES
from tfpipeline.serve.live_versions import Holder

_THREADS = 8


class _Servicer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, holder: Holder, name: str) -> None:
        self._holder, self._name = holder, name

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer by any signature of the version that is asked for."""
        number, model = self._choose(request, context)
        name = request.model_spec.signature_name or BYTES
        if name not in model.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found, expected one of '
                f"{', '.join(model.signatures)}.",
            )
        with _report_errors(context):
            inputs = {
                key: tf.constant(tf.make_ndarray(value))
                for key, value in request.inputs.items()
            }
            signature_inputs.check(model.signatures[name], inputs)
            outputs = model.signatures[name](**inputs)
        reply = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            reply.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return self._signed(reply, number, name)

    def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer to Examples."""
        number, model = self._choose(request, context)
        examples = request.input.example_list.examples
        sent = [example.SerializeToString() for example in examples]
        with _report_errors(context):
            outputs = model.signatures[CLASSIFY](inputs=tf.constant(sent, tf.string))
        reply = classification_pb2.ClassificationResponse()
        classes, scores = (outputs[key].numpy() for key in ("classes", "scores"))
        for labels, chances in zip(classes, scores):
            row = reply.result.classifications.add()
            for label, score in zip(labels, chances):
                row.classes.add(label=label.decode(), score=float(score))
        return self._signed(reply, number, CLASSIFY)

    def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse: a classifier has no number to tell."""
        self._choose(request, context)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no signature for Regress")

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the inputs and outputs of each signature."""
        number, model = self._choose(request, context)
        if list(request.metadata_field) != ["signature_def"]:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "expected the metadata field signature_def",
            )
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.metadata["signature_def"].Pack(signature_map(model))
        return self._signed(reply, number, "")

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return which versions can be asked for, or whether one can."""
        chosen, _ = self._choose(request, context)
        reply = get_model_status_pb2.GetModelStatusResponse()
        spec = request.model_spec
        named = spec.HasField("version") or spec.version_label
        for number in [chosen] if named else list(self._holder.served.models):
            status = reply.model_version_status.add(version=number)
            status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return reply

    def _choose(self, request: Any, context: Any) -> tuple[int, Loaded]:
        """Return the version that is asked for; end the request where there is none."""
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        label = spec.version_label or None
        chosen = self._holder.choose(version, label)
        if spec.name != self._name or chosen is None:
            missing = grpc.StatusCode.NOT_FOUND
            context.abort(
                missing if label is None else grpc.StatusCode.INVALID_ARGUMENT,
                protocol.missing(spec.name, version, label),
            )
        assert chosen is not None  # Aborting raises.
        return chosen

    def _signed(self, reply: Any, number: int, signature: str) -> Any:
        """Return a reply that names the version and the signature."""
        reply.model_spec.name = self._name
        reply.model_spec.signature_name = signature
        reply.model_spec.version.value = number
        return reply


def signature_map(model: Loaded) -> get_model_metadata_pb2.SignatureDefMap:
    """Return the inputs and outputs of each signature of a version."""
    definitions = signatures.definitions(model.folder)
    return get_model_metadata_pb2.SignatureDefMap(signature_def=definitions)


@contextlib.contextmanager
def _report_errors(context: Any) -> Iterator[None]:
    """Tell a client what is wrong with its input, as the official server does."""
    try:
        yield
    except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, protocol.reason(error))


def start(holder: Holder, name: str, address: str) -> tuple[grpc.Server, int]:
    """Serve at host:port (0 is any that is free) in threads; return server and port."""
    options = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    servicer = _Servicer(holder, name)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        servicer, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(address)
    server.start()
    return server, port
