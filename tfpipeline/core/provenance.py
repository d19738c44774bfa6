"""How long each phase took, and on what machine and versions it ran."""

import contextlib
import importlib.metadata
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from tfpipeline import __version__
from tfpipeline.core import progress, remote

PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow")


class Phases:
    """Seconds that each phase of a command took; the clock starts with the object."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to a phase, e.g. `extract`, and show it."""
        started = time.perf_counter()
        try:
            with progress.waiting(name.replace("_", " ")):
                yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def report(self) -> dict[str, float]:
        """Return the seconds of each phase so far, and `total`, rounded to 1 ms."""
        total = time.perf_counter() - self._started
        return {k: round(v, 3) for k, v in {**self.seconds, "total": total}.items()}


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of those that it stands on."""
    installed = {"python": platform.python_version(), "tfpipeline": __version__}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed


# What was called in Python instead of being typed; see `record_command`.
_CALLED: ContextVar[str | None] = ContextVar("called", default=None)


@contextlib.contextmanager
def record_command(line: str) -> Iterator[None]:
    """Let `command` return the command line that says the same as a call in Python."""
    token = _CALLED.set(line)
    try:
        yield
    finally:
        _CALLED.reset(token)


def command() -> str:
    """Return the command line of this process, as a user would type it.

    What is secret in URLs is left out.
    """
    line = _CALLED.get() or f"{program()} {shlex.join(sys.argv[1:])}".rstrip()
    if "://" not in line:
        return line
    return shlex.join(map(_shown, shlex.split(line)))


def _shown(word: str) -> str:
    start = word.find("=") + 1 if word.startswith("--") else 0
    return word[:start] + remote.shown(word[start:])


def program() -> str:
    """Return how this process was started, e.g. ``python -m tfpipeline.train``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return sys.argv[0]
    return f"python -m {spec.name.removesuffix('.__main__')}"


def of_result(phases: Phases, seed: int) -> dict[str, Any]:
    """Return what the summary of a result says of how it came about."""
    return {
        "seconds": phases.report(),
        "seed": seed,
        "command": command(),
        "versions": versions(),
    }
