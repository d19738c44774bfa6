"""The command `serve` in a process of its own, on free ports of this machine."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Served(NamedTuple):
    """A running server, its addresses, and the folder that it watches."""

    process: subprocess.Popen
    rest: str
    grpc: str
    base: Path
    ui: str


@contextlib.contextmanager
def serving(base: Path, log: Path, *words: str) -> Iterator[Served]:
    """Start a server, and stop it as Ctrl-C does; what it says goes into a log."""
    argv = [sys.executable, "-m", "tfpipeline.serve", "--base", str(base)]
    argv += ["--rest_port", "0", "--poll_seconds", "0.2", *words]
    with open(log, "w") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
    try:
        last = "/ui" if "--ui" in words else "grpc://"
        end = time.monotonic() + 120
        while last not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        said = log.read_text().split()
        http = [word for word in said if word.startswith("http://")]
        grpc = next((word for word in said if word.startswith("grpc://")), "")
        yield Served(process, http[0], grpc, base, "".join(http[1:]))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()
    assert "Stopped" in log.read_text() and "Traceback" not in log.read_text()
    assert process.returncode == 0
