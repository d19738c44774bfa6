"""One holder of a lock, and folders that are there whole or as they were before."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import fault_injection
from tfpipeline.core import file_io, staging

# Takes a lock again and again, and makes a file that nobody else may have made.
_HOLD = """
import os, sys
from pathlib import Path
from tfpipeline.core import staging

folder, waits, held = Path(sys.argv[1]), sys.argv[2] == "waits", 0
while held < 1500:
    try:
        with staging.locked(folder / ".lock", waits=waits):
            os.close(os.open(folder / "mine", os.O_CREAT | os.O_EXCL))
            os.unlink(folder / "mine")
            held += 1
    except BlockingIOError:
        pass
"""


@pytest.mark.parametrize("manner", ["waits", "gives up"])
def test_a_lock_never_has_two_holders(memory_path: Path, manner: str) -> None:
    words = [sys.executable, "-c", _HOLD, str(memory_path), manner]
    started = [subprocess.Popen(words) for _ in range(3)]
    assert [one.wait(timeout=120) for one in started] == [0, 0, 0]
    assert not list(memory_path.iterdir())


def test_what_a_living_process_holds_is_left_alone_and_a_dead_ones_removed(
    tmp_path: Path,
) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tfpipeline.core import staging\n"
        "with staging.beside(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'large').write_text('x')\n"
        "    print(folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    target = tmp_path / "set"
    words = [sys.executable, "-c", program, str(target)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        held = Path(other.stdout.readline().strip())
        staging.recover(target)
        staging.sweep([held])
        assert (held / "large").is_file()
        other.send_signal(signal.SIGKILL)
    stranger = tmp_path / ".0123456789ab.other"
    stranger.mkdir()
    staging.recover(target)
    assert list(tmp_path.iterdir()) == [stranger]


def make(folder: Path, word: str) -> None:
    with staging.beside(folder) as staged:
        for name in ("a", "b/c"):
            file_io.write_text(staged / name, word)
        staging.replace(staged, folder)


@pytest.mark.parametrize("replaces", [True, False])
def test_a_folder_is_the_old_one_or_the_new_one_wherever_it_is_interrupted(
    memory_path: Path, replaces: bool
) -> None:
    place, folder = memory_path / "w", memory_path / "w" / "set"
    place.mkdir()
    if replaces:
        make(folder, "old")
    with fault_injection.watched(place, memory_path / "kept") as moments:
        make(folder, "new")
    seen = set()
    for moment in moments:
        with moments.watched():
            staging.recover(folder)
        assert len(list(place.iterdir())) <= 1, moment
        words = [path.read_text() for path in folder.rglob("*") if path.is_file()]
        assert words in (["old"] * 2, ["new"] * 2, [] if not replaces else None), moment
        seen.add(words[0] if words else "nothing")
        with moments.watched():
            make(folder, "new")
        assert [path.name for path in place.iterdir()] == ["set"], moment
        assert (folder / "b/c").read_text() == "new", moment
    assert seen == {"old" if replaces else "nothing", "new"}
    assert len(moments.states) > 15


def test_a_drive_without_locks_on_folders_has_them_by_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(staging.fcntl, "flock", refuse)
    young, old = tmp_path / "young", tmp_path / "old"
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    staging.sweep([young, old])
    assert list(tmp_path.iterdir()) == [young]
    with staging.held(tmp_path / "mine") as folder:
        assert folder.is_dir()


def test_a_folder_is_had_while_others_sweep_the_same_place(tmp_path: Path) -> None:
    # A sweep may come between a folder's making and its lock, and may find it by name
    # while it is gone: neither costs its maker anything.
    ended, lost = threading.Event(), []

    def sweeping() -> None:
        while not ended.is_set():
            staging.sweep(tmp_path.glob("made-*"))

    sweepers = [threading.Thread(target=sweeping) for _ in range(3)]
    for thread in sweepers:
        thread.start()
    try:
        for number in range(1500):
            with staging.held(tmp_path / f"made-{number}") as folder:
                (folder / "file").touch()
                time.sleep(0)
                if not (folder / "file").exists():
                    lost.append(number)
    finally:
        ended.set()
        for thread in sweepers:
            thread.join()
    assert not lost
