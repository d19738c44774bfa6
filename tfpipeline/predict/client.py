"""Asking a server over REST or gRPC: one request, again where need be."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline.config.serving import ServerSettings
from tfpipeline.core.errors import UserError
from tfpipeline.export.protocol import SIGNATURE, Answer, instances

# Neither side holds more of one message in memory.
MAX_MESSAGE_BYTES = 128 * 2**20

# Seconds before the first of the retries; each later one waits twice as long.
_BACKOFF_SECONDS = 0.2

_BUSY = (429, 502, 503, 504)
_NONE = "no answer of a model of `export`"

_REST = re.compile(
    r"(?P<server>https?://[^/]+)/v1/models/(?P<name>[^/:]+)"
    r"(?P<which>/(?:versions/\d+|labels/\w+))?(?::predict)?/?"
)
_GRPC = re.compile(
    r"grpc://(?P<server>[^/]+)/(?P<name>[^/:]+)"
    r"(?:/(?:versions/(?P<version>\d+)|labels/(?P<label>\w+)))?/?"
)


class Unreachable(UserError):
    """The server was not there, or took too long: others will not reach it either."""


# From some encoded images to their answers.
Send = Callable[[Sequence[bytes]], list[Answer]]


def is_address(word: str) -> bool:
    """Tell whether something is meant to be the address of a server."""
    return word.startswith(("http://", "https://", "grpc://"))


def open_server(address: str, settings: ServerSettings) -> Send:
    """Return what sends one request.

    Args:
        address: `http://HOST:PORT/v1/models/NAME`, perhaps with `/versions/N` or
            `/labels/L`; or `grpc://HOST:PORT/NAME`, likewise.
        settings: Of the server.

    Raises:
        UserError: No such address, or a package is missing.
    """
    try:
        for pattern, protocol in ((_REST, _rest), (_GRPC, _grpc)):
            if parts := pattern.fullmatch(address):
                return protocol(parts, settings)
    except ImportError as error:
        raise UserError(
            f"--model {address}: sending requests needs a package that is not "
            f"installed ({error.name}): run pip install '.[serving]' in the folder of "
            "tfpipeline's source."
        ) from None
    raise UserError(
        f"--model {address}: expected http://HOST:PORT/v1/models/NAME or "
        "grpc://HOST:PORT/NAME, optionally followed by /labels/stable or /versions/N."
    )


def _rest(parts: re.Match[str], settings: ServerSettings) -> Send:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    which = parts["which"] or ""
    address = f"{parts['server']}/v1/models/{parts['name']}{which}:predict"
    # Predicting changes nothing: any request may be sent again.
    again = Retry(
        total=settings.retries,
        backoff_factor=_BACKOFF_SECONDS,
        status_forcelist=_BUSY,
        allowed_methods=None,
        raise_on_status=False,
    )
    session = requests.Session()
    for kind in ("http://", "https://"):
        adapter = HTTPAdapter(pool_maxsize=settings.parallel, max_retries=again)
        session.mount(kind, adapter)

    def send(contents: Sequence[bytes]) -> list[Answer]:
        body = {"signature_name": SIGNATURE, "instances": instances(contents)}
        seconds = settings.timeout_seconds
        try:
            reply = session.post(address, data=json.dumps(body), timeout=seconds)
        except requests.RequestException as error:
            raise _unreachable(address, error) from None
        if reply.status_code != 200:
            text = " ".join(reply.text.split())[:300]
            raise _refused(address, f"{reply.status_code}: {text}")
        try:
            answers = [_answer(row) for row in reply.json()["predictions"]]
        except (ValueError, KeyError, TypeError):
            raise _refused(address, _NONE) from None
        return _check_count(answers, len(contents), address)

    return send


def _answer(row: dict[str, Any]) -> Answer:
    if not row["valid"]:
        return Answer((), (), row["error"])
    # A number has no probabilities.
    is_number, said = "value" in row, row.get("said")
    return Answer(
        *(row["labels"], [] if is_number else row["probabilities"], ""),
        accepted=row.get("accepted"),
        reason=row.get("accepted_reason", ""),
        novelty=row.get("novelty"),
        known=row.get("known"),
        known_reason=row.get("known_reason", ""),
        said=None if said is None else list(itertools.compress(row["labels"], said)),
        value=row.get("value"),
        low=row.get("low"),
        high=row.get("high"),
    )


def _grpc(parts: re.Match[str], settings: ServerSettings) -> Send:
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from tfpipeline.export import signatures

    address = parts[0]
    again = {
        "maxAttempts": max(2, min(5, settings.retries + 1)),  # gRPC allows no others.
        "initialBackoff": f"{_BACKOFF_SECONDS}s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    service = {"service": "tensorflow.serving.PredictionService"}
    config = {"methodConfig": [{"name": [service], "retryPolicy": again}]}
    options = [
        ("grpc.service_config", json.dumps(config)),
        # What is larger is sent once only.
        ("grpc.per_rpc_retry_buffer_size", 2 * MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    channel = grpc.insecure_channel(parts["server"], options=options)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    # A server that has not started yet is waited for, like a busy one.
    waits = {
        "timeout": settings.timeout_seconds,
        "wait_for_ready": settings.retries > 0,
    }
    gone = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED

    def send(contents: Sequence[bytes]) -> list[Answer]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = parts["name"]
        request.model_spec.signature_name = SIGNATURE
        if parts["version"]:
            request.model_spec.version.value = int(parts["version"])
        if parts["label"]:
            request.model_spec.version_label = parts["label"]
        tensor = tf.make_tensor_proto(list(contents), tf.string, (len(contents),))
        request.inputs["image_bytes"].CopyFrom(tensor)
        try:
            reply = stub.Predict(request, **waits)
        except grpc.RpcError as error:
            if error.code() in gone:
                raise _unreachable(address, error.details()) from None
            raise _refused(address, str(error.details())[:300]) from None
        outputs = {key: tf.make_ndarray(v) for key, v in reply.outputs.items()}
        try:
            answers = signatures.answers_of(outputs)
        except KeyError:
            raise _refused(address, _NONE) from None
        return _check_count(answers, len(contents), address)

    return send


def _check_count(answers: list[Answer], count: int, address: str) -> list[Answer]:
    if len(answers) != count:
        raise _refused(address, f"{len(answers)} answers to {count} images")
    return answers


def _unreachable(address: str, error: object) -> Unreachable:
    return Unreachable(
        f"--model {address}: the server cannot be reached, or did not answer in time "
        f"({' '.join(str(error).split())[:200]}). Is it running? --server.retries and "
        "--server.timeout_seconds let it take longer."
    )


def _refused(address: str, reply: str) -> UserError:
    return UserError(
        f"--model {address}: expected the answers of a model that `python -m "
        f"tfpipeline.export` wrote. Received: {reply}."
    )
