"""Signals end a block at once, or wait as a wish."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core import signals


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture
def _heard() -> Iterator[None]:
    """Hear Ctrl-C, which a process in the background may have been told to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_signal_is_a_wish_and_the_second_acts(_heard: None) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals.deferred() as wish:
        assert not wish
        send(signal.SIGTERM)
        assert wish and wish.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(KeyboardInterrupt), signals.deferred() as wish:
        send(signal.SIGINT)
        send(signal.SIGINT)
    assert wish.number == signal.SIGINT


def test_sigterm_lets_what_cleans_up_run() -> None:
    cleaned = []
    with pytest.raises(signals.Terminated), signals.handle_sigterm():
        try:
            send(signal.SIGTERM)
        finally:
            cleaned.append(True)
    assert cleaned


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (signals.Terminated(), 143),
        (KeyboardInterrupt(), 130),
        (signals.Stopped("Stopped at epoch 3.", signal.SIGTERM), 143),
    ],
)
def test_a_command_ends_with_the_code_of_the_signal(error, code: int, capsys) -> None:
    def command(settings: PredictSettings) -> None:
        """Do nothing."""
        raise error

    assert cli.main(command, PredictSettings, []) == code
    told = capsys.readouterr().err
    assert told.startswith("Stopped at" if error.args else "error: Interrupted")


def test_other_threads_are_left_alone() -> None:
    seen = []

    def work() -> None:
        with signals.deferred() as wish, signals.handle_sigterm():
            seen.append(bool(wish))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
