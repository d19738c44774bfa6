"""A real browser, asked over a pipe: Debian's Chromium without a window."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """A page in a browser, and everything that it complained of or asked for.

    Args:
        to: File number to write messages to.
        back: File number to read messages from.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._kept = to, back, b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        told = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = told["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Ask the browser for something and return its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            part = os.read(self._back, 1 << 20)
            assert part, "the browser has ended"
            self._kept += part
        line, _, self._kept = self._kept.partition(b"\0")
        found = json.loads(line)
        if "method" in found:
            self.events.append(found)
        return found

    def open(self, file: Path | str, width: int = 1280) -> float:
        """Open a file or address; return the seconds until all of it could be used."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1},
            mobile=width < 600,
        )
        loaded = "Page.loadEventFired"
        self.events = [event for event in self.events if event["method"] != loaded]
        started = time.perf_counter()
        url = file if isinstance(file, str) else file.resolve().as_uri()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == loaded for event in self.events):
            self._read()
        # One frame more: laid out and painted.
        self.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        return time.perf_counter() - started

    def ask(self, expression: str) -> Any:
        """Return what an expression of JavaScript comes to."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @property
    def complaints(self) -> list[str]:
        """What stands in the console: errors, exceptions, forbidden requests."""
        names = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in (*names, "Log.entryAdded")
        ]

    @property
    def requests(self) -> list[str]:
        """What it asked for, but for itself and what is written inside of it."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked[1:] if not url.startswith("data:")]


@contextlib.contextmanager
def browsing(profile: Path, *more: str) -> Iterator[Page]:
    """Start a browser and end it with the block; skip the test where there is none.

    Args:
        profile: An empty folder for what it writes.
        more: Flags besides those that it is always started with.
    """
    if COMMAND is None:
        pytest.skip("no chromium here: the page was not looked at in a browser")
    asking, to = os.pipe()
    back, answering = os.pipe()
    flags = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-dev-shm-usage", "--disable-background-networking"),
        *("--disable-component-update", "--remote-debugging-pipe"),
        *(*more, f"--user-data-dir={profile}", "about:blank"),
    )
    # It reads from number 3 and writes to number 4.
    wrapped = f'exec "$@" 3</dev/fd/{asking} 4>/dev/fd/{answering}'
    process = subprocess.Popen(
        ["sh", "-c", wrapped, "sh", COMMAND, *flags],
        pass_fds=(asking, answering),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(asking)
    os.close(answering)
    try:
        yield Page(to, back)
    finally:
        os.close(to)
        os.close(back)
        process.terminate()
        process.wait(20)
