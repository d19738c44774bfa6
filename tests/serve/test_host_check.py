"""Whose requests are answered: those to a name of this server, by their header."""

import asyncio
import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from tfpipeline.serve import host_check

NAMES = host_check.own_names("Models.example")


@pytest.mark.parametrize(
    "header",
    [
        *("127.0.0.1:8501", "[::1]:8501", "192.168.1.7", "localhost:8501", "LOCALHOST"),
        *("ui.localhost", "models.example:80", "models.example."),
    ],
)
def test_addresses_and_names_of_the_server_are_known(header: str) -> None:
    assert host_check.is_known(header, NAMES)


@pytest.mark.parametrize(
    "header",
    [
        *("evil.example", "evil.example:8501", "localhost.evil.example", ""),
        *("127.0.0.1.evil.example", "[::1", "notlocalhost", "models.example.evil"),
    ],
)
def test_a_name_of_somebody_else_is_not(header: str) -> None:
    assert not host_check.is_known(header, NAMES)


@pytest.mark.parametrize("host, code", [("127.0.0.1", 200), ("evil.example", 421)])
def test_a_request_to_another_name_is_refused_before_anything_reads_it(
    host: str, code: int
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "headers": [(b"host", host.encode())]}
    known = host_check.KnownHosts(PlainTextResponse("fine"), NAMES)
    asyncio.run(known(scope, receive, send))
    assert sent[0]["status"] == code
    if code == 421:
        assert host in json.loads(sent[1]["body"])["error"]
