"""Refuses requests that a page of another origin sends through a name of its own.

A browser lets a page read what its own name answers. Such a name can be made to lead to
this machine after the page has been loaded (DNS rebinding); the header `Host` still has
the name, which no user of this server has typed.
"""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse


def is_known(header: str, names: frozenset[str]) -> bool:
    """Return whether a `Host` header can be of someone who addresses this server.

    That is any IP address, for a name is what rebinding needs; `localhost` and names
    below it, which lead nowhere else; and the names that are given.

    Args:
        header: A name or address, perhaps with a port.
        names: Further names, in lower case.
    """
    try:
        host = (urlsplit(f"//{header}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if host in names or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def own_names(host: str) -> frozenset[str]:
    """Return the names of this machine, and the one that it listens on."""
    name = socket.gethostname()
    return frozenset(known.lower() for known in (host, name, f"{name}.local"))


class KnownHosts:
    """ASGI middleware that answers 421 where the `Host` header names another server.

    Args:
        app: What answers all other requests.
        names: As `is_known` takes them.
    """

    def __init__(self, app: Any, names: frozenset[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request to a name of this server."""
        headers = dict(scope.get("headers", ()))
        header = headers.get(b"host", b"").decode("latin-1")
        if scope["type"] in ("http", "websocket") and not is_known(header, self._names):
            error = (
                "Host: expected an IP address, localhost or a name of this machine. "
                f"Received: {header[:100]}. Open the address that serve printed."
            )
            await JSONResponse({"error": error}, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)
