"""Processes that look at files: threads of Python wait for each other."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from tfpipeline.core import hardware, remote
from tfpipeline.core.errors import UserError
from tfpipeline.data.scan_cache import Row

# It imports from the same places, whatever has changed them in this process.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from tfpipeline.data import scan_workers; scan_workers.answer()"
)

# What one says when it listens, on a line of its own.
_READY = b"ready\n"

# How long that may take, and how long one may take to end that has nothing to do.
START_SECONDS, END_SECONDS = 60.0, 10.0

# One is worth its start with so many files, and takes so much memory.
_FILES_EACH, _BYTES_EACH = 500, 2**27

# Path, offset, length, most pixels, and how closely: see `inspect_file.examine`.
Job = tuple[str, int, int, int, str]


def fitting(files: int) -> int:
    """Return how many processes are worth their start, and have room."""
    if not sys.executable or getattr(sys, "frozen", False):
        return 0
    count = min(hardware.cores(), files // _FILES_EACH)
    # Threads do more than the few for which there would be room.
    return count if count > 1 and count * _BYTES_EACH < hardware.free() // 2 else 0


class Processes:
    """So many processes, each of which looks at the files that it is told. A context.

    They end with the block, or with this process, however that ends.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._all: list[subprocess.Popen[bytes]] = []
        # None, once none is left.
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes] | None]
        self._idle = queue.SimpleQueue()
        self._left, self._lock = 0, threading.Lock()
        self._ready: set[int] = set()

    def __enter__(self) -> "Processes":
        try:
            # Where the system has no room for more, those that are there do.
            with contextlib.suppress(OSError):
                for _ in range(self._count):
                    self._all.append(_start())
        except BaseException:
            self.__exit__()
            raise
        self._left = len(self._all)
        for process in self._all or (None,):
            self._idle.put(process)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._all:
            with contextlib.suppress(OSError):
                _pipe(process.stdin).close()
        for process in self._all:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _pipe(process.stdout).close()

    def look(self, jobs: Sequence[Job]) -> list[Row] | None:
        """Let the next that is idle look at some files; for any thread.

        Returns a row each; None where the process does not answer as it should, and is
        not asked again, or where none is left.
        """
        process = self._idle.get()
        rows = self._answer(process, jobs) if process else None
        if process is None or rows is not None:
            self._idle.put(process)
            return rows
        process.kill()
        with self._lock:
            self._left -= 1
            if not self._left:
                self._idle.put(None)
        return None

    def _answer(
        self, process: subprocess.Popen[bytes], jobs: Sequence[Job]
    ) -> list[Row] | None:
        stdin, stdout = _pipe(process.stdin), _pipe(process.stdout)
        try:
            if process.pid not in self._ready:
                # What is printed before it listens is passed over.
                ender = threading.Timer(START_SECONDS, process.kill)
                ender.start()
                try:
                    if not any(line == _READY for line in stdout):
                        return None
                finally:
                    ender.cancel()
                self._ready.add(process.pid)
            stdin.write(_line(jobs))
            stdin.flush()
            rows = [Row(*values) for values in json.loads(stdout.readline())]
        except Exception:  # Whatever is wrong with it, others can look.
            return None
        places = [(remote.absolute(path), offset) for path, offset, *_ in jobs]
        return rows if [row.place for row in rows] == places else None


def _start() -> subprocess.Popen[bytes]:
    path = [entry for entry in sys.path if isinstance(entry, str)]
    # Each has one core: NumPy would start a thread for every one of the machine.
    alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _START, *path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **alone},
        # Ctrl-C is for this process alone, which then lets them end.
        start_new_session=True,
    )


def _pipe(end: Any) -> Any:
    """Return an end of a pipe that is there, as it was asked for."""
    assert end is not None
    return end


def _line(value: Any) -> bytes:
    # Names that are no UTF-8 are escaped, as all letters are.
    return json.dumps(value).encode("ascii") + b"\n"


def answer() -> None:
    """Look at the files that each line of standard input names, until it ends."""
    # What a codec prints does not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from tfpipeline.data.inspect_file import examine

    with contextlib.suppress(BrokenPipeError), answers:
        answers.write(b"\n" + _READY)
        answers.flush()
        for line in sys.stdin.buffer:
            try:
                rows = [
                    examine(path, max_pixels, offset, length, look)
                    for path, offset, length, max_pixels, look in json.loads(line)
                ]
            except UserError:
                # Whoever asked looks at these files, and tells what the matter is.
                answers.write(_line(None))
            else:
                answers.write(_line([list(vars(row).values()) for row in rows]))
            answers.flush()
