"""KServe's REST server over held versions: TF Serving's protocol, without Docker."""

import asyncio
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

from tfpipeline.export import protocol
from tfpipeline.export.signatures import Loaded
from tfpipeline.predict.client import MAX_MESSAGE_BYTES
from tfpipeline.serve import grpc_api, rest_protocol
from tfpipeline.serve.host_check import KnownHosts
from tfpipeline.serve.live_versions import Holder
from tfpipeline.serve.page import Page
from tfpipeline.serve.rest_protocol import RequestError

VERSION_HEADER = "x-model-version"


class Server(RESTServer):
    """KServe's server, whose `run` serves at bound sockets until it is told to end."""

    def __init__(self, holder: Holder, name: str, page: Page | None = None) -> None:
        # Wrong requests are told to those who send them; how KServe sends its answers
        # is between it and its libraries.
        logging.getLogger("kserve").setLevel(logging.CRITICAL)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module=r"fastapi\.")
        # Its own paths say whether it is alive.
        alive = kserve.Model(name)
        alive.ready = True
        registry = ModelRepository()
        registry.update(alive)
        super().__init__(
            "kserve.model_server:app",
            DataPlane(model_registry=registry),
            ModelRepositoryExtension(model_registry=registry),
            http_port=0,
        )
        self._holder, self._name, self._page = holder, name, page

    def create_application(self) -> None:
        """Make KServe's application, whose paths of this protocol know no versions."""
        from kserve.model_server import app

        # First, since KServe's own paths end at the first slash.
        path = "/v1/models/{rest:path}"
        app.router.add_route(path, self._reply, methods=["GET", "POST"])
        routes = {} if self._page is None else self._page.routes
        for path, (method, show) in routes.items():
            app.router.add_route(path, show, methods=[method])
        super().create_application()
        app.add_middleware(_Bounded)
        if self._page is not None:
            app.add_middleware(KnownHosts, names=self._page.hosts)

    async def _reply(self, request: Request) -> Response:
        """Answer a request beside others; what is wrong is told as JSON."""
        headers: dict[str, str] = {}
        code = 200
        try:
            path = rest_protocol.read_path(request.method, request.scope["path"])
            name, version, label, _ = path
            body = await request.body()
            chosen = self._holder.choose(version, label)
            if name != self._name or chosen is None:
                why = protocol.missing(name, version, label)
                raise RequestError(why, 404 if label is None else 400)
            headers[VERSION_HEADER] = str(chosen[0])
            loop = asyncio.get_running_loop()
            content = await loop.run_in_executor(
                None, self._content, path, chosen, body
            )
        except RequestError as error:
            content, code = {"error": str(error)}, error.code
        except HTTPException as error:
            content, code = {"error": error.detail}, error.status_code
        # NaN is a number in this protocol.
        return Response(json.dumps(content), code, headers, "application/json")

    def _content(
        self, path: rest_protocol.Path, chosen: tuple[int, Loaded], body: bytes
    ) -> dict[str, Any]:
        (_, version, label, what), (number, model) = path, chosen
        if what == "metadata":
            signature_def = json_format.MessageToDict(
                grpc_api.signature_map(model),
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            spec = {"name": self._name, "signature_name": "", "version": str(number)}
            return {"model_spec": spec, "metadata": {"signature_def": signature_def}}
        if what:
            return rest_protocol.answer(what, model, rest_protocol.read_body(body))
        # Which versions can be asked for, as the official server and KServe say it.
        named = version is not None or label is not None
        fine = {"error_code": "OK", "error_message": ""}
        status = [
            {"version": str(number), "state": "AVAILABLE", "status": fine}
            for number in ([number] if named else self._holder.served.models)
        ]
        return {"name": self._name, "ready": True, "model_version_status": status}


class _Bounded:
    """Refuses a request whose body is longer than a message may be."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what is short enough; what does not say its length is counted."""
        length = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_MESSAGE_BYTES:
            error = f"more than {MAX_MESSAGE_BYTES:,} bytes in one request"
            await JSONResponse({"error": error}, 413)(scope, receive, send)
            return
        count = 0

        async def receive_counted() -> Any:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > MAX_MESSAGE_BYTES:
                raise HTTPException(413, "too many bytes in one request")
            return message

        await self._app(scope, receive_counted, send)
