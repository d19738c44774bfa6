"""A second Python process that does some of the work beside this one.

Importing TensorFlow, building and tracing networks keep one core busy, in Python;
threads of Python would wait for each other. What needs no TensorFlow can be done on
another core meanwhile. Where there is no such process, or something is wrong with it,
the work is done in this one: nothing depends on it but the time.

Functions and values go through a pair of sockets that only the two of them have, as
`multiprocessing` sends them.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

from tfpipeline.core import hardware, startup

# It imports from the same places, whatever has changed them in this process.
_START = """
import sys
sys.path[:] = sys.argv[2:]
try:
    from tfpipeline.report import second_process
except Exception:
    sys.exit(1)
second_process.answer(int(sys.argv[1]))
"""

# How long it may take to end what it is at after Ctrl-C, and to end with nothing to do.
_GRACE_SECONDS, _END_SECONDS = 2.0, 10.0

# How long the first process waits for what it could do itself.
_PATIENCE_SECONDS = 1.0

# It takes what the first process leaves.
_NICE = 5

# How much memory it takes.
_BYTES = 2**28

_T = TypeVar("_T")


class _Process:
    """The process, and a thread that hands it one piece of work after the other."""

    def __init__(self) -> None:
        from multiprocessing.connection import Pipe

        path = [entry for entry in sys.path if isinstance(entry, str)]
        # It has one core: NumPy would start a thread for every one of the machine.
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._pipe, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(other.fileno()), *path],
                stdin=subprocess.DEVNULL,
                # Standard output is for the result of the command alone.
                stdout=2,
                pass_fds=[other.fileno()],
                env={**os.environ, **alone},
                # Ctrl-C is for this process alone, which then lets the other one end.
                start_new_session=True,
            )
        self._thread = ThreadPoolExecutor(1)

    def ask(self, function: Callable[..., Any], *given: Any) -> Future[list[Any]]:
        """Let it call a function, after what it was asked before."""
        try:
            return self._thread.submit(self._answer, function, given)
        except RuntimeError:  # There is no room for a thread.
            nothing = Future[list[Any]]()
            nothing.set_result([])
            return nothing

    def _answer(self, function: Callable[..., Any], given: Any) -> list[Any]:
        """Return what the function returned, alone; nothing where it did not."""
        try:
            self._pipe.send((function, given))
            return list(self._pipe.recv())
        except Exception:  # Whatever is wrong, this process does it itself.
            self._process.kill()
            return []

    def end(self, *, at_once: bool) -> None:
        """Let it do what it was asked for, or only what it is at, and end it."""
        # A block that was interrupted does not wait for long.
        ender = threading.Timer(_GRACE_SECONDS, self._process.kill)
        try:
            if at_once:
                ender.start()
            self._thread.shutdown(cancel_futures=at_once)
            self._pipe.close()
            self._process.wait(_END_SECONDS)
        except BaseException as error:  # Another Ctrl-C, too, does not wait for it.
            self._process.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            self._process.wait()
        finally:
            ender.cancel()


_current: ContextVar[_Process | None] = ContextVar("current", default=None)


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Let a second process do what is given to `call` and `hint` in this block.

    It ends with the block, or with this process, however that ends. There is none where
    there is no core or no memory for it, nor where a command is called from Python.
    """
    process = None
    room = hardware.cores() > 1 and hardware.free() > 4 * _BYTES
    if (
        startup.owns_process()
        and room
        and sys.executable
        and not getattr(sys, "frozen", False)
    ):
        with contextlib.suppress(OSError):
            process = _Process()
    if process is None:
        yield
        return
    token = _current.set(process)
    at_once = True
    try:
        yield
        at_once = False
    finally:
        _current.reset(token)
        process.end(at_once=at_once)


def is_there() -> bool:
    """Tell whether there is a second process: what is called does not wait for this."""
    return _current.get() is not None


def call(function: Callable[..., _T], *given: Any) -> Callable[[], _T]:
    """Let the second process call a function; return what waits for its result.

    The function is one of a module, and it must not matter if it is called twice. Where
    there is no second process it is called here at once; where it fails there, it is
    called here when its result is asked for. Either way, it is the result that raises
    what the function raised.
    """
    process = _current.get()
    if process is None:
        done = Future[_T]()
        try:
            done.set_result(function(*given))
        except Exception as error:
            done.set_exception(error)
        return done.result
    asked = process.ask(function, *given)

    def result() -> _T:
        answer = asked.result()
        return answer[0] if answer else function(*given)

    return result


def hint(name: str, *given: Any) -> Callable[[], None]:
    """Let the second process do what saves time later; return what waits for that.

    Nothing is done where there is none, or where it fails there. What takes much longer
    than this process took to need it is not waited for.

    Args:
        name: Of a function with its module, which this process need not import.
        given: What it is called with.
    """
    process = _current.get()
    if process is None:
        return lambda: None
    asked = process.ask(_called, name, *given)

    def wait() -> None:
        futures.wait([asked], _PATIENCE_SECONDS)

    return wait


def _called(name: str, *given: Any) -> None:
    module, _, function = name.rpartition(".")
    getattr(importlib.import_module(module), function)(*given)


def answer(pipe: int) -> None:
    """Call what is asked for through a pipe, until its other end is closed."""
    from multiprocessing.connection import Connection

    asked = Connection(pipe)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    # Whoever does not listen any more has ended, or has no use for it; what cannot be
    # read or sent is done by whoever asked.
    with contextlib.suppress(Exception):
        while True:
            function, given = asked.recv()
            try:
                done = [function(*given)]
            except Exception:  # Whoever asked does it once more, and tells.
                done = []
            asked.send(done)
    # Nothing is left to be done: modules are not taken apart one by one.
    os._exit(0)
