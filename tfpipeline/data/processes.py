"""Processes that look at files: threads of Python wait for each other."""

import contextlib
import json
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpipeline.data.rows import Row

# It imports from the same places, whatever has changed them in this process.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tfpipeline.data import processes; processes.answer()"
)

# How long one that has nothing more to do may take to end.
END_SECONDS = 10.0


class Processes:
    """So many processes, each of which looks at the files that it is told.

    They end with the block, or with this process, however that ends. A context.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._all: list[subprocess.Popen[bytes]] = []
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> "Processes":
        # Where the system has no room for more, those that are there do.
        with contextlib.suppress(OSError):
            for _ in range(self._count):
                one = subprocess.Popen(
                    [sys.executable, "-c", _START, json.dumps(sys.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    # Ctrl-C is for this process alone, which then lets them end.
                    start_new_session=True,
                )
                self._all.append(one)
                self._idle.put(one)
        return self

    def __exit__(self, *error: object) -> None:
        for one in self._all:
            with contextlib.suppress(OSError):
                _pipe(one.stdin).close()
        for one in self._all:
            try:
                one.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
            _pipe(one.stdout).close()

    def look(self, asked: Sequence[tuple[str, int, int, int]]) -> list[Row] | None:
        """Let the next that is idle look at some files; for any thread.

        Args:
            asked: Path, offset, length and pixels at most, as `examining.examine` takes
                them, of each.

        Returns:
            A row each; None where the process is gone, or none was to be had.
        """
        if not self._all:
            return None
        one = self._idle.get()
        try:
            _pipe(one.stdin).write(_line(asked))
            _pipe(one.stdin).flush()
            return [Row(*values) for values in json.loads(_pipe(one.stdout).readline())]
        except (OSError, ValueError):
            return None
        finally:
            self._idle.put(one)


def _pipe(end: Any) -> Any:
    """Return an end of a pipe that is there, as it was asked for."""
    assert end is not None
    return end


def _line(value: Any) -> bytes:
    # Names that are no UTF-8 are escaped, as all letters are.
    return json.dumps(value).encode("ascii") + b"\n"


def answer() -> None:
    """Look at the files that each line of standard input names, until it ends."""
    from tfpipeline.data.examining import examine

    # What a codec prints does not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            rows = [
                examine(Path(path), max_pixels, offset, length)
                for path, offset, length, max_pixels in json.loads(line)
            ]
            answers.write(_line([list(vars(row).values()) for row in rows]))
            answers.flush()
