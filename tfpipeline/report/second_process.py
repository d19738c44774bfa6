"""A second Python process that does some of the work beside this one.

Importing TensorFlow, building and tracing networks keep one core busy, in Python;
threads of Python would wait for each other. What needs no TensorFlow can be done on
another core meanwhile. Where there is no such process, or something is wrong with it,
the work is done in this one: nothing depends on it but the time.
"""

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

from tfpipeline.core import hardware, startup

# It imports from the same places, whatever has changed them in this process.
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from tfpipeline.report import second_process; second_process.answer(sys.argv[1])"
)

# How long it may take to end what it is at after Ctrl-C, and to end with nothing to do.
_GRACE_SECONDS, _END_SECONDS = 2.0, 10.0

# How much memory it takes.
_BYTES = 2**28

_T = TypeVar("_T")


class _Process:
    """The process, and a thread that hands it one piece of work after the other."""

    def __init__(self, module: str) -> None:
        path = [entry for entry in sys.path if isinstance(entry, str)]
        # It has one core: NumPy would start a thread for every one of the machine.
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, module, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **alone},
            # Ctrl-C is for this process alone, which then lets the other one end.
            start_new_session=True,
        )
        self._thread = ThreadPoolExecutor(1)

    def ask(self, function: Callable[..., Any], *given: Any) -> Future[list[Any]]:
        """Let it call a function, after what it was asked before."""
        return self._thread.submit(self._answer, function, given)

    def _answer(self, function: Callable[..., Any], given: Any) -> list[Any]:
        """Return what the function returned, alone; nothing where it did not."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            pickle.dump((function, given), stdin)
            stdin.flush()
            return list(pickle.load(stdout))
        except Exception:  # Whatever is wrong, this process does it itself.
            self._process.kill()
            return []

    def end(self, *, at_once: bool) -> None:
        """Let it do what it was asked for, or only what it is at, and end it."""
        # A block that was interrupted does not wait for long.
        ender = threading.Timer(_GRACE_SECONDS, self._process.kill)
        if at_once:
            ender.start()
        self._thread.shutdown(cancel_futures=at_once)
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        ender.cancel()
        self._process.stdout.close()


_current: ContextVar[_Process | None] = ContextVar("current", default=None)


@contextlib.contextmanager
def started(module: str) -> Iterator[None]:
    """Let a second process do what is given to `call` in this block.

    It ends with the block, or with this process, however that ends. There is none where
    there is no core or no memory for it, nor where a command is called from Python.

    Args:
        module: Is imported there at once, and its function `prepare` called: what takes
            its time before the first piece of work.
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
            process = _Process(module)
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


def call(function: Callable[..., _T], *given: Any) -> Callable[[], _T]:
    """Let the second process call a function; return what waits for its result.

    The function and what it is given must be such as `pickle` knows, and it must not
    matter if it is called twice. Where there is no second process it is called here at
    once; where it fails there, it is called here when its result is asked for. Either
    way, it is the result that raises what the function raised.
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


def answer(module: str) -> None:
    """Call what is asked for on standard input, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # What is printed does not get among the answers.
    os.dup2(2, 1)
    try:
        importlib.import_module(module).prepare()
        while True:
            function, given = pickle.load(sys.stdin.buffer)
            try:
                done = [function(*given)]
            except Exception:  # Whoever asked does it once more, and tells.
                done = []
            pickle.dump(done, answers)
            answers.flush()
    except (EOFError, BrokenPipeError):
        pass
    # Nothing is left to be done: modules are not taken apart one by one.
    os._exit(0)
