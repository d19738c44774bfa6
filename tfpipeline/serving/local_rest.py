"""KServe's REST server over held versions: the v1 protocol, without Docker."""

import asyncio
import base64
import functools
import json
import logging
import re
import socket
import warnings
from collections.abc import Callable
from typing import Any

import kserve
import tensorflow as tf
from kserve.errors import InvalidInput
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from kserve.protocol.rest.v1_endpoints import V1Endpoints
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from tfpipeline.serving.client import MAX_MESSAGE_BYTES
from tfpipeline.serving.holding import Holder
from tfpipeline.serving.signatures import (
    ALL,
    BYTES,
    FEATURES,
    PIXELS,
    Loaded,
)
from tfpipeline.serving.wording import plain, reason

VERSION_HEADER = "x-model-version"

# Finds a version and its number; None where it is not served any more.
_Choose = Callable[[], tuple[int, Loaded] | None]

_NAMED = re.compile(r"([^/]+)(?:/(?:versions/(\d+)|labels/(\w+)))?")

# The one input of each signature that can be asked by JSON.
_INPUTS = {name: "image_bytes" for name in (BYTES, FEATURES, ALL)} | {PIXELS: "images"}


class _Repository(ModelRepository):
    """Finds versions and labels by the names that the official server gives them."""

    def __init__(self, holder: Holder, name: str) -> None:
        super().__init__()
        self._holder, self._name = holder, name
        self.update(_Model(name, lambda: holder.choose()))

    def get_model(self, name: str) -> Any:
        """Return what answers for `NAME`, `NAME/versions/N` or `NAME/labels/L`."""
        choose = self._choosing(name)
        return _Model(name, choose) if choose and choose() is not None else None

    def served(self, name: str) -> list[int]:
        """Return the versions that can be asked for by a name; none where it is wrong.

        Args:
            name: As `get_model` has it.
        """
        if name == self._name:
            return list(self._holder.served.models)
        choose = self._choosing(name)
        chosen = choose() if choose else None
        return [chosen[0]] if chosen else []

    def _choosing(self, name: str) -> _Choose | None:
        found = _NAMED.fullmatch(name)
        if found is None or found[1] != self._name:
            return None
        version = int(found[2]) if found[2] else None
        return functools.partial(self._holder.choose, version, found[3])


class _Model(kserve.Model):
    def __init__(self, name: str, choose: _Choose) -> None:
        super().__init__(name, return_response_headers=True)
        self._choose = choose
        self.ready = True

    async def predict(
        self, payload: Any, headers: Any = None, response_headers: Any = None
    ) -> dict[str, Any]:
        """Answer a request of the v1 protocol, beside others."""
        chosen = self._choose()
        if chosen is None:
            raise InvalidInput(f"{self.name} is not served any more")
        number, model = chosen
        if response_headers is not None:
            response_headers[VERSION_HEADER] = str(number)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, _answer, model, payload)
        return {"predictions": answer}


def _answer(model: Loaded, payload: Any) -> list[Any]:
    payload = _parsed(payload)
    signature = payload.get("signature_name")
    signature = BYTES if signature in (None, "") else signature
    # One that was exported long ago has fewer.
    known = [name for name in _INPUTS if name in model.signatures]
    if signature not in known:
        raise InvalidInput(f"expected a signature of {', '.join(known)}")
    key = _INPUTS[signature]
    if not isinstance(payload.get("instances"), list) or not payload["instances"]:
        raise InvalidInput("expected a list `instances`, one an image")
    kind = tf.float32 if signature == PIXELS else tf.string
    try:
        sent = [_value(row, key) for row in payload["instances"]]
        found = model.signatures[signature](**{key: tf.constant(sent, kind)})
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise InvalidInput(reason(error)) from None
    columns = {name: plain(value.numpy().tolist()) for name, value in found.items()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _parsed(payload: Any) -> dict[str, Any]:
    """Return a request whatever its content type says: `curl -d` says it is a form."""
    if isinstance(payload, bytes):
        try:
            payload = json.loads(payload)
        except ValueError as error:
            raise InvalidInput(f"expected JSON, but {error}") from None
    if not isinstance(payload, dict):
        raise InvalidInput("expected an object with a list `instances`, one an image")
    return payload


def _value(row: Any, key: str) -> Any:
    """Return the input of one image: itself, below its key, or as base 64."""
    value = row.get(key) if isinstance(row, dict) and key in row else row
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    return value


def run(holder: Holder, name: str, listening: socket.socket) -> None:
    """Serve until the process is told to end.

    Args:
        holder: The versions.
        name: Of the served model.
        listening: A bound socket.
    """
    # Wrong requests are told to those who send them; how KServe sends its answers is
    # between it and its libraries.
    logging.getLogger("kserve").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"fastapi\.")
    repository = _Repository(holder, name)
    plane = DataPlane(model_registry=repository)
    extension = ModelRepositoryExtension(model_registry=repository)
    server = RESTServer("", plane, extension, http_port=0)
    server.create_application = functools.partial(_application, server, plane)
    server.run(sockets=[listening])


async def _status(repository: _Repository, model_name: str) -> dict[str, Any]:
    """Tell which versions can be asked for, as the official server and as KServe do."""
    versions = repository.served(model_name)
    if not versions:
        raise HTTPException(404, f"Model with name {model_name} does not exist.")
    told = [
        {"version": str(number), "state": "AVAILABLE", "status": {"error_code": "OK"}}
        for number in versions
    ]
    return {"name": model_name, "ready": True, "model_version_status": told}


class _Bounded:
    """Refuses a request whose body is longer than a message may be."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what is short enough; what does not say its length is counted."""
        said = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if said.isdigit() and int(said) > MAX_MESSAGE_BYTES:
            told = {"error": f"more than {MAX_MESSAGE_BYTES:,} bytes in one request"}
            await JSONResponse(told, 413)(scope, receive, send)
            return
        count = 0

        async def counted() -> Any:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > MAX_MESSAGE_BYTES:
                raise HTTPException(413, "too many bytes in one request")
            return message

        await self._app(scope, counted, send)


def _application(server: RESTServer, plane: DataPlane) -> None:
    """Make KServe's application, and let names have versions and labels."""
    from kserve.model_server import app

    path = "/v1/models/{model_name:path}:predict"
    # First, since KServe's own path ends at the first slash.
    predict = V1Endpoints(plane).predict
    app.add_api_route(path, predict, methods=["POST"], response_model=None)
    status = functools.partial(_status, plane.model_registry)
    app.add_api_route(path.removesuffix(":predict"), status, methods=["GET"])
    RESTServer.create_application(server)
    app.add_middleware(_Bounded)
    server.config.app = app
