"""Several requests are under way, in order, and whatever happens nothing is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tfpipeline.config.serving import ServerSettings
from tfpipeline.core.errors import UserError
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import batching
from tfpipeline.predict.client import Unreachable


def named(contents) -> list[Answer]:
    return [Answer([str(len(content))], [1.0], "") for content in contents]


def reads(*sizes: int):
    return [lambda size=size: bytes(size) for size in sizes]


@pytest.mark.parametrize("parallel", [1, 3])
def test_images_are_sent_together_up_to_a_number_and_a_size(parallel: int) -> None:
    sizes = [10, 10, 10, 900_000, 10, 10, 2_000_000, 10]
    sent: list[list[int]] = []
    lock = threading.Lock()

    def send(contents) -> list[Answer]:
        with lock:
            sent.append([len(content) for content in contents])
        return named(contents)

    answers = batching.ask(send, reads(*sizes), ServerSettings(2, 1.0, parallel))
    assert [int(answer.labels[0]) for answer in answers] == sizes
    assert sorted(sent) == sorted(
        [[10, 10], [10, 900_000], [10, 10], [2_000_000], [10]]
    )


def test_no_more_files_lie_in_memory_than_are_under_way() -> None:
    lock = threading.Lock()
    read = answered = most = 0

    def send(contents) -> list[Answer]:
        nonlocal answered
        time.sleep(0.002)
        with lock:
            answered += len(contents)
        return named(contents)

    def one() -> bytes:
        nonlocal read, most
        with lock:
            read += 1
            most = max(most, read - answered)
        return b"x"

    settings = ServerSettings(batch_size=2, parallel=3)
    assert len(batching.ask(send, [one] * 40, settings)) == 40
    # Those of the requests under way, and one that did not fit any more.
    assert 2 * 3 <= most <= 2 * 3 + 1


def test_a_slow_request_does_not_hold_up_the_others() -> None:
    slow, others = threading.Event(), []

    def send(contents) -> list[Answer]:
        if len(contents[0]) == 1:
            assert slow.wait(20)
        else:
            others.append(len(contents[0]))
            if len(others) == 9:
                slow.set()
        return named(contents)

    answers = batching.ask(send, reads(*range(1, 11)), ServerSettings(1, 1.0, 2))
    assert [int(answer.labels[0]) for answer in answers] == list(range(1, 11))


def test_a_refused_request_leaves_the_others_as_they_are() -> None:
    def send(contents) -> list[Answer]:
        if len(contents[0]) == 3:
            raise UserError("413: too much")
        return named(contents)

    with pytest.raises(batching.Incomplete) as caught:
        batching.ask(send, reads(*range(1, 7)), ServerSettings(1, 1.0, 1))
    answers, cause = caught.value.results, caught.value.cause
    assert [bool(answer.error) for answer in answers] == [False] * 2 + [True] + [
        False
    ] * 3
    assert answers[2].error == "not answered: 413: too much"
    assert isinstance(cause, UserError)


def test_after_a_server_is_gone_nothing_more_is_sent() -> None:
    sent = []

    def send(contents) -> list[Answer]:
        sent.append(len(contents[0]))
        if len(contents[0]) > 2:
            raise Unreachable("gone")
        return named(contents)

    with pytest.raises(batching.Incomplete) as caught:
        batching.ask(send, reads(*range(1, 50)), ServerSettings(1, 1.0, 1))
    assert sent == [1, 2, 3]
    errors = [answer.error for answer in caught.value.results]
    assert errors == ["", "", "not answered: gone"] + ["not asked: gone"] * 46


def test_a_server_that_answers_nothing_is_one_error_and_asked_little() -> None:
    sent = []

    def send(contents) -> list[Answer]:
        sent.append(contents)
        raise UserError("404")

    with pytest.raises(UserError, match="404"):
        batching.ask(send, reads(*range(1, 50)), ServerSettings(1, 1.0, 3))
    assert len(sent) <= 3


def test_what_no_message_can_hold_is_an_answer_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(batching, "MOST_MEGABYTES", 1.0)
    answers = batching.ask(named, reads(5, 1_000_001, 6), ServerSettings(2, 1.0))
    assert [answer.labels for answer in answers] == [["5"], (), ["6"]]
    assert "too large to be sent" in answers[1].error
    with pytest.raises(UserError, match="batch_megabytes: expected a number up to 1"):
        batching.ask(named, reads(5), ServerSettings(2, 2.0))


_INTERRUPTED = """
import signal, time
from tfpipeline.config.serving import ServerSettings
from tfpipeline.predict import batching as sending
from tfpipeline.predict.client import Answer

# Whoever started the tests in the background may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def send(contents):
    if len(contents[0]) > 2:
        print("waiting", flush=True)
        time.sleep(60)
    return [Answer(["a"], [1.0], "")]

try:
    reads = [lambda n=n: bytes(n) for n in range(1, 9)]
    sending.ask(send, reads, ServerSettings(1, 1.0, 1))
except sending.Incomplete as error:
    assert isinstance(error.cause, KeyboardInterrupt)
    print([answer.error for answer in error.results])
"""


def test_an_interrupt_keeps_what_was_answered_and_waits_for_nothing() -> None:
    found = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": found},
        cwd=Path(__file__).parent,
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        since = time.monotonic()
        process.send_signal(signal.SIGINT)
        said, wrong = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - since < 15
    assert process.returncode == 0, wrong
    assert said == str(["", ""] + ["not asked: interrupted"] * 6) + "\n"
