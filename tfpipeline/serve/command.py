"""Versions of an exported model on a server of this machine, without Docker."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfpipeline.config.serving import ServeSettings
from tfpipeline.core import console, startup
from tfpipeline.core.errors import UserError

if TYPE_CHECKING:
    from tfpipeline.serve.grad_cam import GradCam
    from tfpipeline.serve.live_versions import Holder

# For requests that are under way when it is told to stop.
_GRACE_SECONDS = 30

# KServe has one application a process, which does not start twice.
_served = threading.Event()


def serve(settings: ServeSettings) -> None:
    """Serve the versions that `export` wrote by REST and gRPC, to try them out."""
    if settings.base is None:
        raise UserError("--base: expected the folder above the versions.")
    base, host = Path(settings.base), settings.host
    if settings.run is not None and not settings.ui:
        raise UserError(
            f"--run {settings.run}: expected --ui true with it, because only the page "
            f"shows Grad-CAM. Add it, or leave --run out."
        )
    _check_process(base, settings.name)
    # Where a shell has its children ignore Ctrl-C, this one does not.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with startup.quiet_start():
        try:
            with _hidden_words():
                from tfpipeline.serve import grpc_api, live_versions, rest_api
                from tfpipeline.serve.page import Page
        except ImportError as error:
            raise UserError(
                f"Serving needs a package that is not installed ({error.name}): run "
                f"pip install '.[server]' in the folder of tfpipeline's source."
            ) from None
        holder = live_versions.Holder(base)
        explainer = _grad_cam(settings, holder)
        page = Page(settings.name, explainer, host) if settings.ui else None
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _taken(host, "rest_port", settings.rest_port):
            listening.bind((host, settings.rest_port))
            listening.listen()
        rest = f"{host}:{listening.getsockname()[1]}/v1/models/{settings.name}"
        addresses = {"rest": f"http://{rest}"}
        if (port := settings.grpc_port) is not None:
            with startup.quiet_start(), _taken(host, "grpc_port", port):
                server, port = grpc_api.start(holder, settings.name, f"{host}:{port}")
            stack.callback(lambda: server.stop(grace=_GRACE_SECONDS).wait())
            addresses["grpc"] = f"grpc://{host}:{port}/{settings.name}"
        if page is not None:
            addresses["ui"] = f"http://{host}:{listening.getsockname()[1]}{page.path}"
        try:
            # Where a shell has its children ignore Ctrl-C, the server ends by it as
            # well, but nothing is raised. Whoever has read the addresses may give it
            # before the server runs.
            with contextlib.suppress(KeyboardInterrupt):
                done = f"Serving {holder.called} of {settings.name}, until Ctrl-C:"
                console.close(console.Closing([done], then=[*addresses.values()]))
                # It serves for long: what was asked for is needed now.
                console.answer({"versions": [*holder.served.models], **addresses})
                holder.follow(settings.poll_seconds)
                _served.set()
                rest_api.Server(holder, settings.name, page).run([listening])
        finally:
            holder.end()
            stack.close()
            console.close("Stopped.")


def _grad_cam(settings: ServeSettings, holder: Holder) -> GradCam | None:
    """Return what explains the answers of the version that the page asks."""
    chosen = holder.choose()
    if settings.run is None or chosen is None:
        return None
    from tfpipeline.serve import grad_cam

    return grad_cam.GradCam(settings.run, chosen[1].folder)


def _check_process(base: Path, name: str) -> None:
    """Refuse a process in which the server cannot run: a notebook, or a second time."""
    why = "this process has served before" if _served.is_set() else ""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        why = "an event loop runs here, as in every notebook"
    if why:
        from tfpipeline.export import tf_serving_files

        raise UserError(
            f"{base}: cannot be served in this process: {why}. Run in a terminal: "
            f"{tf_serving_files.local_command(base, name)}"
        )


@contextlib.contextmanager
def _hidden_words() -> Iterator[None]:
    """Keep the command line from KServe, which reads it as its own when imported.

    Of `--grpc_port`, which both have, it knows no null.
    """
    words, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = words


@contextlib.contextmanager
def _taken(host: str, flag: str, port: int) -> Iterator[None]:
    """Say which flag names a port that cannot be listened on."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        why = str(error).split("; set")[0]
        raise UserError(
            f"--{flag} {port}: cannot listen on {host} ({why}). Another server may "
            f"have the port: choose another --{flag}; 0 takes any free one."
        ) from None
