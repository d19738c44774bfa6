"""A client sends what fits together, again where need be, and keeps the order."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.config.serving import ServerSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import client
from tfpipeline.predict.command import predict

ROW = {"labels": ["a"], "probabilities": [1.0], "valid": True, "error": ""}


@contextlib.contextmanager
def server(
    replies: list[int], row: dict[str, Any] = ROW
) -> Iterator[tuple[str, list[int]]]:
    """Give the address of a server that answers by some codes first, and its log."""
    seen: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            code = replies.pop(0) if replies else 200
            seen.append(code)
            rows = [row] * len(body["instances"])
            content = json.dumps(
                {"predictions": rows} if code == 200 else {"error": "x"}
            )
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/v1/models/pets", seen
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def test_a_busy_server_is_asked_again() -> None:
    with server([503, 429]) as (address, seen):
        send = client.open_server(address, ServerSettings(retries=3))
        assert send([b"x", b"y"]) == [Answer(["a"], [1.0], "")] * 2
    assert seen == [503, 429, 200]


def test_a_server_that_stays_busy_is_told_after_so_many_tries() -> None:
    with server([503] * 9) as (address, seen):
        send = client.open_server(address, ServerSettings(retries=2))
        with pytest.raises(UserError, match="503"):
            send([b"x"])
    assert seen == [503] * 3


def test_a_wrong_request_is_not_sent_again() -> None:
    with server([404] * 3) as (address, seen):
        send = client.open_server(address, ServerSettings())
        with pytest.raises(UserError, match="404"):
            send([b"x"])
    assert seen == [404]


@pytest.mark.parametrize(
    "kind", ["http://127.0.0.1:9/v1/models/a", "grpc://127.0.0.1:9/a"]
)
def test_no_server_is_one_message(kind: str) -> None:
    settings = ServerSettings(retries=0, timeout_seconds=3)
    with pytest.raises(UserError, match="cannot be reached"):
        client.open_server(kind, settings)([b"x"])


@pytest.mark.parametrize(
    "address",
    ["http://h:1", "http://h:1/v2/models/a", "grpc://h:1", "grpc://h:1/a/tags/b"],
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    assert client.is_address(address)
    with pytest.raises(UserError, match="expected http://HOST:PORT/v1/models/NAME"):
        client.open_server(address, ServerSettings())


def test_a_large_grpc_request_is_sent_again_as_well() -> None:
    from concurrent import futures

    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    calls = []

    class Busy(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            calls.append(len(calls))
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    options = [("grpc.max_receive_message_length", -1)]
    served = grpc.server(futures.ThreadPoolExecutor(1), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Busy(), served)
    port = served.add_insecure_port("127.0.0.1:0")
    served.start()
    try:
        send = client.open_server(
            f"grpc://127.0.0.1:{port}/a", ServerSettings(retries=2)
        )
        with pytest.raises(UserError, match="cannot be reached"):
            send([bytes(600_000)])
    finally:
        served.stop(0).wait()
    assert len(calls) == 3


@pytest.mark.parametrize(
    "more, target", [({"said": [True]}, "multi"), ({"value": 3.5}, "number")]
)
@pytest.mark.parametrize("flag", ["--output", "--output=", "--sort_into"])
def test_outputs_of_single_classes_are_refused_by_the_first_answers(
    more: dict[str, Any], target: str, flag: str, tmp_path: Path, capsys
) -> None:
    picture, output = tmp_path / "in" / "a.png", tmp_path / "out"
    image_io.save_png(picture, np.zeros((9, 9, 3), np.uint8))
    if flag == "--output":
        output = tmp_path / "out.html"
    with server([], ROW | more) as (address, _):
        argv = ["--model", address, "--images", str(picture), "--quiet"]
        argv += [flag.strip("="), str(output)]
        assert cli.main(predict, PredictSettings, argv) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{flag.strip('=')} {output}: not defined for --data.target {target}" in said
    assert not output.is_file() and not list(output.glob("*.csv"))
