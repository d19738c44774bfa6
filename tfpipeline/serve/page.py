"""The page on which a served model is tried: one file, which asks its server alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.predict.client import MAX_MESSAGE_BYTES
from tfpipeline.report import html
from tfpipeline.serve.host_check import own_names

if TYPE_CHECKING:
    from tfpipeline.serve.grad_cam import GradCam

Reply = Callable[[Request], Awaitable[Response]]

_TEMPLATE = Path(__file__).with_name("page.html")


def render(model: str, *, grad_cam: bool = False) -> str:
    """Return the page on a served model.

    Args:
        model: Its name in the addresses of the server.
        grad_cam: Whether the server has Grad-CAM for it.
    """
    template = jinja2.Template(
        _TEMPLATE.read_text(encoding="utf-8"), autoescape=True, trim_blocks=True
    )
    # The look of the other pages of this package.
    style = Markup((html.TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return template.render(
        model=model, grad_cam=grad_cam, style=style, most_bytes=MAX_MESSAGE_BYTES
    )


def headers(text: str) -> dict[str, str]:
    """Return the headers of a page: nothing but what stands in it runs or is shown.

    It may ask its own server and use the camera; no other page may contain it.
    """
    script, style = (
        " ".join(f"'{_digest(part)}'" for part in re.findall(pattern, text, re.DOTALL))
        for pattern in (r"<script>(.*?)</script>", r"<style>(.*?)</style>")
    )
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; "
        "img-src data: blob:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Permissions-Policy": "camera=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


class Page:
    """The page of a server, and what it asks for besides the server's protocol.

    Args:
        model: Name of the served model.
        grad_cam: What explains answers; None where there is no run.
        host: What the server listens on.
    """

    path = "/ui"

    def __init__(
        self, model: str, grad_cam: GradCam | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.hosts = own_names(host)
        self._text = render(model, grad_cam=grad_cam is not None)
        self._headers, self._grad_cam = headers(self._text), grad_cam

    @property
    def routes(self) -> dict[str, tuple[str, Reply]]:
        """The method and what replies, by path."""
        routes: dict[str, tuple[str, Reply]] = {self.path: ("GET", self._show)}
        if self._grad_cam is not None:
            routes[f"{self.path}/grad_cam"] = ("POST", self._explain)
        return routes

    async def _show(self, _: Request) -> Response:
        return Response(self._text, 200, self._headers, "text/html")

    async def _explain(self, request: Request) -> Response:
        """Explain the answer to the encoded image that is sent as it is."""
        assert self._grad_cam is not None
        content = await request.body()
        try:
            result = self._grad_cam.submit(content)
            return JSONResponse(await asyncio.wrap_future(result))
        except ImageError as error:
            return JSONResponse({"error": str(error)}, 400)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 500)
