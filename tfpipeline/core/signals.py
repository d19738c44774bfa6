"""SIGTERM and Ctrl-C, as an exception or as a wish that can wait."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whoever manages this machine wants the process to end."""


class Stopped(Exception):
    """The work was stopped by the signal `number`, and everything is kept."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Wish:
    """Whether somebody has asked the work to stop, and by which signal."""

    def __init__(self) -> None:
        self.number = 0

    def __bool__(self) -> bool:
        return self.number != 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextlib.contextmanager
def handle_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: what cleans up, runs.

    In any thread but the main one it does nothing: signals are not for those.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def deferred() -> Iterator[Wish]:
    """Turn the first SIGTERM or Ctrl-C in the block into a wish; a second one acts."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def hear(number: int, frame: FrameType | None) -> None:
        wish.number = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in SIGNALS:
        signal.signal(number, hear)
    try:
        yield wish
    finally:
        restore()
