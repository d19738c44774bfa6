"""Many files are looked at by processes: what they find, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfpipeline import images
from tfpipeline.data import audit, processes
from tfpipeline.data.examining import examine
from tfpipeline.data.processes import Processes

MOST = 10**6


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return pictures of noise, and what is none."""
    root = tmp_path / "in"
    rng = np.random.default_rng(0)
    for i in range(30):
        noise = rng.integers(0, 256, (20, 30, 3), np.uint8)
        images.save_png(root / f"{i:02}.png", noise)
    os.rename(root / "03.png", os.fsencode(root) + b"/03-\xff.png")
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("hello")
    (root / "link.png").symlink_to("nowhere")
    os.mkfifo(root / "pipe.png")
    return sorted(root.iterdir())


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two processes look, however few files there are."""
    monkeypatch.setattr(audit, "PROCESSES_FROM", 1)
    monkeypatch.setattr(audit.machine, "cores", lambda: 2)


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
    monkeypatch.setattr(f"{audit.__name__}.examine", never)
    assert audit.audit(paths, cache=None) == expected
    assert {row.reason for row in expected} >= {"", "empty file", "not a file"}


def test_a_part_of_a_file_and_a_limit_of_pixels_reach_them(paths, everywhere) -> None:
    picture = paths[0]
    data = picture.read_bytes()
    shard = picture.parent / "shard"
    shard.write_bytes(b"xyz" + data + b"more")
    (row,) = audit.audit([shard], [(3, len(data))], cache=None)
    assert not row.reason and (row.height, row.width) == (20, 30)
    (row,) = audit.audit([picture], cache=None, max_pixels=599)
    assert "more than 599 pixels" in row.reason


def test_few_files_start_no_process(paths, monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(f"{audit.__name__}.Processes", never)
    assert len(audit.audit(paths, cache=None)) == len(paths)


def test_they_end_with_the_block_whatever_ended_it(paths) -> None:
    with pytest.raises(ZeroDivisionError), Processes(2) as some:
        assert some.look([(str(paths[0]), 0, 0, MOST)]) == [examine(paths[0])]
        pids = [one.pid for one in some._all]
        raise ZeroDivisionError
    assert all(gone(pid, 0.5) for pid in pids)


def test_what_a_lost_process_had_is_looked_at_here(
    paths, everywhere, monkeypatch
) -> None:
    class Losing(Processes):
        def look(self, asked):
            self._all[0].kill()
            self._all[0].wait()
            return super().look(asked)

    monkeypatch.setattr(f"{audit.__name__}.Processes", Losing)
    rows = audit.audit(paths, cache=None)
    assert rows == [examine(path) for path in paths]


def test_without_room_for_a_process_files_are_looked_at_here(
    paths, everywhere, monkeypatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes.subprocess, "Popen", full)
    rows = audit.audit(paths, cache=None)
    assert rows == [examine(path) for path in paths]


def test_one_that_does_not_end_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(processes, "END_SECONDS", 0.2)
    with Processes(1) as some:
        (one,) = some._all
        one.send_signal(signal.SIGSTOP)
    assert one.returncode == -signal.SIGKILL


_COMMAND = """
import sys
from pathlib import Path
from tfpipeline.data import audit
from tfpipeline.data.processes import Processes

class Told(Processes):
    def __enter__(self):
        super().__enter__()
        print(*(one.pid for one in self._all), flush=True)
        return self

audit.PROCESSES_FROM, audit.machine.cores, audit.Processes = 1, lambda: 2, Told
# More than any test waits for.
audit.audit([Path(sys.argv[1])] * 500_000, cache=Path(sys.argv[2]))
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
    kept = list((tmp_path / "cache").glob("audit-*/*.json"))
    assert len(kept) == (sent == signal.SIGINT)


def test_they_start_without_tensorflow() -> None:
    told = (
        "import sys; from tfpipeline.data import examining, processes; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told]).returncode == 0
