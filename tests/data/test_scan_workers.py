"""Many files are looked at by processes: what they find, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core import image_io
from tfpipeline.data import scan, scan_workers
from tfpipeline.data.inspect_file import MEASURED, examine
from tfpipeline.data.scan_workers import Processes

MOST = 10**6


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return pictures of noise, and what is none."""
    root = tmp_path / "in"
    rng = np.random.default_rng(0)
    for i in range(30):
        noise = rng.integers(0, 256, (20, 30, 3), np.uint8)
        image_io.save_png(root / f"{i:02}.png", noise)
    os.rename(root / "03.png", os.fsencode(root) + b"/03-\xff.png")
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("hello")
    (root / "link.png").symlink_to("nowhere")
    os.mkfifo(root / "pipe.png")
    return sorted(root.iterdir())


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two processes look, however few files there are."""
    monkeypatch.setattr(scan, "PROCESSES_FROM", 1)
    monkeypatch.setattr(scan_workers, "fitting", lambda files: 2)


def gone(pid: int, seconds: float = 20) -> bool:
    """Wait until a process has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_processes_find_what_this_one_finds(paths, everywhere, monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("looked at here")

    expected = [examine(path) for path in paths]
    monkeypatch.setattr(f"{scan.__name__}.examine", never)
    assert scan.audit(paths, cache=None) == expected
    assert {row.reason for row in expected} >= {"", "empty file", "not a file"}


def test_a_part_of_a_file_and_a_limit_of_pixels_reach_them(paths, everywhere) -> None:
    picture = paths[0]
    data = picture.read_bytes()
    shard = picture.parent / "shard"
    shard.write_bytes(b"xyz" + data + b"more")
    (row,) = scan.audit([shard], [(3, len(data))], cache=None)
    assert not row.reason and (row.height, row.width) == (20, 30)
    (row,) = scan.audit([picture], cache=None, max_pixels=599)
    assert "more than 599 pixels" in row.reason


def test_few_files_start_no_process(paths, monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(scan_workers, "Processes", never)
    assert len(scan.audit(paths, cache=None)) == len(paths)


def test_they_end_with_the_block_whatever_ended_it(paths) -> None:
    with pytest.raises(ZeroDivisionError), Processes(2) as some:
        assert some.look([(str(paths[0]), 0, 0, MOST, MEASURED)]) == [examine(paths[0])]
        pids = [one.pid for one in some._all]
        raise ZeroDivisionError
    assert all(gone(pid, 0.5) for pid in pids)


@pytest.mark.parametrize("when", ["before the first question", "after an answer"])
def test_what_a_lost_process_had_is_looked_at_here(
    paths, everywhere, monkeypatch, when: str
) -> None:
    class Losing(Processes):
        def look(self, asked):
            if when == "before the first question":
                self._all[0].kill()
                self._all[0].wait()
            found = super().look(asked)
            if when == "after an answer" and found is not None:
                for one in self._all:
                    if one.pid in self._ready:
                        one.kill()
                        one.wait()
            return found

    monkeypatch.setattr(scan_workers, "Processes", Losing)
    rows = scan.audit(paths * 30, cache=None)
    assert rows == [examine(path) for path in paths] * 30


NOT_AS_THEY_SHOULD = {
    # Something that Python imports at its start has something to say.
    "print first": "import sys; sys.path[:] = sys.argv[1:]; print('ready?\\n\\n7'); "
    "from tfpipeline.data.scan_workers import answer; sys.stdout.flush(); answer()",
    "print no whole line": "import os, sys; sys.path[:] = sys.argv[1:]; "
    "from tfpipeline.data.scan_workers import answer; os.write(1, b'abc'); answer()",
    "end between question and answer": "import sys; print('ready', flush=True); "
    "sys.stdin.readline(); print('[[\"', end='', flush=True)",
    "never listen": "import time; time.sleep(100)",
    "end at once": "raise SystemExit(3)",
    "answer what nobody asked": "import sys; print('ready', flush=True)\n"
    "for line in sys.stdin: print('[[\"/other.png\"]]', flush=True)",
    "are of another version": "import sys; print('ready', flush=True)\n"
    "for line in sys.stdin: print([list(range(30))], flush=True)",
}


@pytest.mark.parametrize("how", NOT_AS_THEY_SHOULD)
def test_processes_that_do_not_do_as_they_should_give_no_wrong_row(
    paths, everywhere, monkeypatch, how: str
) -> None:
    monkeypatch.setattr(scan_workers, "_START", NOT_AS_THEY_SHOULD[how])
    monkeypatch.setattr(
        scan_workers, "START_SECONDS", 1.0 if how == "never listen" else 60
    )
    rows = scan.audit(paths * 3, cache=None)
    assert rows == [examine(path) for path in paths] * 3


@pytest.mark.parametrize("how", ["print first", "print no whole line"])
def test_one_that_prints_first_is_asked_all_the_same(
    paths, monkeypatch, how: str
) -> None:
    monkeypatch.setattr(scan_workers, "_START", NOT_AS_THEY_SHOULD[how])
    with Processes(1) as one:
        for path in paths[:3]:
            assert one.look([(str(path), 0, 0, MOST, MEASURED)]) == [examine(path)]


def test_none_is_asked_again_once_it_has_failed(paths) -> None:
    asked = [(str(paths[0]), 0, 0, MOST, MEASURED)]
    with Processes(2) as some:
        some._all[0].kill()
        some._all[0].wait()
        found = [some.look(asked) for _ in range(6)]
        assert found.count(None) == 1
        some._all[1].kill()
        some._all[1].wait()
        assert [some.look(asked) for _ in range(3)] == [None] * 3


def test_what_is_on_the_path_but_no_text_is_left_out(paths, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, 7])
    with Processes(1) as one:
        assert one.look([(str(paths[0]), 0, 0, MOST, MEASURED)]) == [examine(paths[0])]


def test_so_many_are_started_as_are_worth_it_and_have_room(monkeypatch) -> None:
    monkeypatch.setattr(scan_workers.hardware, "cores", lambda: 8)
    monkeypatch.setattr(scan_workers.hardware, "free", lambda: 1 << 40)
    assert scan_workers.fitting(10**6) == 8
    assert scan_workers.fitting(2_500) == 5
    assert scan_workers.fitting(999) == 0
    monkeypatch.setattr(scan_workers.hardware, "free", lambda: 1 << 29)
    assert scan_workers.fitting(10**6) == 0, "no room for eight: threads, not two"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert scan_workers.fitting(10**6) == 0, "the executable is no Python there"
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "executable", None)
    assert scan_workers.fitting(10**6) == 0


def test_without_room_for_a_process_files_are_looked_at_here(
    paths, everywhere, monkeypatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(scan_workers.subprocess, "Popen", full)
    rows = scan.audit(paths, cache=None)
    assert rows == [examine(path) for path in paths]


def test_one_that_does_not_end_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(scan_workers, "END_SECONDS", 0.2)
    with Processes(1) as some:
        (one,) = some._all
        one.send_signal(signal.SIGSTOP)
    assert one.returncode == -signal.SIGKILL


_COMMAND = """
import sys
from pathlib import Path
from tfpipeline.data import scan, scan_workers
from tfpipeline.data.scan_workers import Processes

class Told(Processes):
    def __enter__(self):
        super().__enter__()
        print(*(one.pid for one in self._all), flush=True)
        return self

scan.PROCESSES_FROM, scan_workers.fitting = 1, lambda n: 2
scan_workers.Processes = Told
# More than any test waits for.
scan.audit([Path(sys.argv[1])] * 500_000, cache=Path(sys.argv[2]))
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_none_is_left_where_this_one_is_ended(
    paths: list[Path], tmp_path: Path, sent: signal.Signals
) -> None:
    words = [sys.executable, "-c", _COMMAND, str(paths[0]), str(tmp_path / "cache")]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=quiet) as one:
        try:
            assert one.stdout is not None
            pids = [int(word) for word in one.stdout.readline().split()]
            assert len(pids) == 2
            time.sleep(1)
            one.send_signal(sent)
            assert one.wait(20) == (-sent)
        finally:
            one.kill()
    assert all(gone(pid) for pid in pids)
    kept = list((tmp_path / "cache").glob("audit-*/*.sqlite"))
    assert len(kept) == (sent == signal.SIGINT)


def test_they_start_without_tensorflow() -> None:
    told = (
        "import sys; from tfpipeline.data import inspect_file, scan_workers; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told]).returncode == 0


def test_urls_are_looked_at_by_processes_too(paths, capfd) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    url = f"file://{paths[0].absolute()}"
    with scan_workers.Processes(1) as one:
        assert one.look([(url, 0, 0, MOST, MEASURED)]) == [examine(url)]
        # What stops all is told by the process that asked.
        assert one.look([("nosuch://b/a.png", 0, 0, MOST, MEASURED)]) is None
    assert "Traceback" not in capfd.readouterr().err
