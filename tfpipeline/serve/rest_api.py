"""KServe's REST server over held versions: TF Serving's protocol, without Docker."""

import asyncio
import functools
import json
import logging
import warnings
from typing import Any

import kserve
from google.protobuf import json_format
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tfpipeline.export import plain_json
from tfpipeline.export.signatures import Loaded
from tfpipeline.predict.client import MAX_MESSAGE_BYTES
from tfpipeline.serve import grpc_api, rest_protocol
from tfpipeline.serve.live_versions import Holder
from tfpipeline.serve.rest_values import RequestError

VERSION_HEADER = "x-model-version"

# Where KServe has its one application.
_APP = "kserve.model_server:app"


class _Models:
    """Answers whatever is asked below `/v1/models/`."""

    def __init__(self, holder: Holder, name: str) -> None:
        self._holder, self._name = holder, name

    async def __call__(self, request: Request) -> Response:
        """Answer a request beside others; what is wrong is told as JSON."""
        headers: dict[str, str] = {}
        try:
            asked = rest_protocol.read_path(request.method, request.scope["path"])
            body = await request.body()
            number, model = self._chosen(asked)
            headers[VERSION_HEADER] = str(number)
            loop = asyncio.get_running_loop()
            told = await loop.run_in_executor(
                None, self._answer, asked, number, model, body
            )
            code = 200
        except RequestError as error:
            told, code = {"error": str(error)}, error.code
        except HTTPException as error:
            told, code = {"error": error.detail}, error.status_code
        # NaN is a number in this protocol.
        content = json.dumps(told)
        return Response(content, code, headers, "application/json")

    def _chosen(self, asked: rest_protocol.Asked) -> tuple[int, Loaded]:
        chosen = self._holder.choose(asked.version, asked.label)
        if asked.name != self._name or chosen is None:
            said = plain_json.missing(asked.name, asked.version, asked.label)
            raise RequestError(said, 404 if asked.label is None else 400)
        return chosen

    def _answer(
        self, asked: rest_protocol.Asked, number: int, model: Loaded, body: bytes
    ) -> dict[str, Any]:
        if asked.what in rest_protocol.METHODS:
            return rest_protocol.METHODS[asked.what](
                model, rest_protocol.read_body(body)
            )
        if asked.what == "metadata":
            return self._metadata(number, model)
        named = asked.version is not None or asked.label is not None
        return self._status([number] if named else list(self._holder.served.models))

    def _status(self, versions: list[int]) -> dict[str, Any]:
        """Tell which versions can be asked for, as the official server and KServe."""
        fine = {"error_code": "OK", "error_message": ""}
        told = [
            {"version": str(number), "state": "AVAILABLE", "status": fine}
            for number in versions
        ]
        return {"name": self._name, "ready": True, "model_version_status": told}

    def _metadata(self, number: int, model: Loaded) -> dict[str, Any]:
        """Tell the inputs and outputs of each signature."""
        spec = {"name": self._name, "signature_name": "", "version": str(number)}
        told = json_format.MessageToDict(
            grpc_api.signature_map(model),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return {"model_spec": spec, "metadata": {"signature_def": told}}


def server(holder: Holder, name: str) -> RESTServer:
    """Return a server, whose `run` serves at bound sockets until it is told to end.

    Args:
        holder: The versions.
        name: Of the served model.
    """
    # Wrong requests are told to those who send them; how KServe sends its answers is
    # between it and its libraries.
    logging.getLogger("kserve").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"fastapi\.")
    repository = ModelRepository()
    # Its own paths say whether it is alive.
    alive = kserve.Model(name)
    alive.ready = True
    repository.update(alive)
    plane = DataPlane(model_registry=repository)
    extension = ModelRepositoryExtension(model_registry=repository)
    made = RESTServer(_APP, plane, extension, http_port=0)
    made.create_application = functools.partial(
        _application, made, _Models(holder, name)
    )
    return made


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


def _application(server: RESTServer, models: _Models) -> None:
    """Make KServe's application, whose own paths of this protocol know no versions."""
    from kserve.model_server import app

    # First, since KServe's own paths end at the first slash.
    path = "/v1/models/{rest:path}"
    app.router.add_route(path, models.__call__, methods=["GET", "POST"])
    RESTServer.create_application(server)
    app.add_middleware(_Bounded)
