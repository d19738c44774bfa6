"""A second process saves time, and nothing depends on it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfpipeline.core import hardware, startup
from tfpipeline.report import second_process


def touch(file: Path) -> None:
    """Leave a file behind, with the process that wrote it."""
    file.write_text(str(os.getpid()))


def speak() -> int:
    """Print, and return a number."""
    print("words")
    return 7


def fail(here: int) -> int:
    """Return a number here; fail elsewhere."""
    if os.getpid() != here:
        raise ValueError("elsewhere")
    return 7


def die(here: int) -> int:
    """Return a number here; end any other process."""
    if os.getpid() != here:
        os._exit(3)
    return 7


def wait(seconds: float) -> int:
    """Return which process it was, after a while."""
    time.sleep(seconds)
    return os.getpid()


@contextlib.contextmanager
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Start one as a command does; yield which it is."""
    monkeypatch.setattr(startup, "owns_process", lambda: True)
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    with second_process.started():
        yield second_process.call(os.getpid)()


def is_running(process: int) -> bool:
    """Tell whether a process is there that has not ended."""
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    return False


def ends(process: int) -> bool:
    """Wait for a process to end, and tell whether it did."""
    for _ in range(300):
        if not is_running(process):
            return True
        time.sleep(0.1)
    return False


def test_it_works_beside_this_one_in_order_and_ends_with_the_block(monkeypatch) -> None:
    with started(monkeypatch) as other:
        assert other != os.getpid()
        first = second_process.call(wait, 0.2)
        assert second_process.call(max, b"\1" * 10**6, b"\2" * 10**7)()[0] == 2
        assert first() == other
        last = second_process.call(wait, 0.2)
    # What was asked for is done before it ends.
    assert last() == other and not is_running(other)


def test_without_it_the_same_is_done_here_at_once() -> None:
    done: list[int] = []
    with second_process.started():
        second_process.call(done.append, 7)
        assert done == [7] and second_process.call(os.getpid)() == os.getpid()
        failed = second_process.call(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            failed()


def test_what_it_prints_is_no_answer(monkeypatch, capfd) -> None:
    with started(monkeypatch):
        assert second_process.call(speak)() == 7
    assert capfd.readouterr().out == ""


def test_what_fails_there_is_done_here(monkeypatch) -> None:
    with started(monkeypatch) as other:
        assert second_process.call(fail, os.getpid())() == 7
        assert second_process.call(os.getpid)() == other
        with pytest.raises(ZeroDivisionError):
            second_process.call(divmod, 1, 0)()


def test_once_it_has_died_all_is_done_here(monkeypatch) -> None:
    with started(monkeypatch) as other:
        wanted = [second_process.call(die, os.getpid()) for _ in range(3)]
        assert [one() for one in wanted] == [7, 7, 7]
        assert second_process.call(os.getpid)() == os.getpid()
    assert not is_running(other)


def test_it_ends_with_an_interrupted_block_without_doing_the_rest(monkeypatch) -> None:
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), started(monkeypatch) as other:
        for _ in range(100):
            second_process.call(wait, 600.0)
        raise KeyboardInterrupt
    assert not is_running(other) and time.perf_counter() - began < 300


def test_it_ends_with_a_process_that_is_killed() -> None:
    code = (
        "import os, time\n"
        "from tfpipeline.core import startup, hardware\n"
        "from tfpipeline.report import second_process\n"
        "startup.own_process()\n"
        "hardware.cores = lambda: 2\n"
        "with second_process.started():\n"
        "    print(second_process.call(os.getpid)(), flush=True)\n"
        "    time.sleep(600)\n"
    )
    words = [sys.executable, "-c", code]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        other = int(process.stdout.readline())
        assert is_running(other)
        process.send_signal(signal.SIGKILL)
    assert ends(other)


def test_a_hint_is_followed_there_and_nowhere_else(monkeypatch, tmp_path: Path) -> None:
    name = f"{__name__}.touch"
    with second_process.started():
        second_process.hint(name, tmp_path / "here")()
    assert not (tmp_path / "here").exists()
    with started(monkeypatch) as other:
        second_process.hint(name, tmp_path / "missing" / "there")()
        second_process.hint("no.module", tmp_path)()
        second_process.hint(name, tmp_path / "there")()
        assert (tmp_path / "there").read_text() == str(other)
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


def test_a_hint_is_not_waited_for_until_it_would_cost_time(monkeypatch) -> None:
    with started(monkeypatch):
        began = time.perf_counter()
        second_process.hint(f"{__name__}.wait", 5.0)()
        assert 0.9 < time.perf_counter() - began < 4.0
