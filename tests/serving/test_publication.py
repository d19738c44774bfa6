"""Number and label come together, whoever publishes and whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tfpipeline.errors import UserError
from tfpipeline.serving import publication, versions

_PUT = """
import sys, time
from pathlib import Path
from tfpipeline.serving import publication, server_files, versions

base, label, die_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def died(*_):
    print("here", flush=True)
    time.sleep(60)

if die_at == "announced":
    import os
    os.rename = died
if die_at == "renamed":
    server_files.write = died
if die_at == "half told":
    real, calls = server_files.atomic.write_text, []
    def third(*args):
        calls.append(args)
        return died() if len(calls) == 3 else real(*args)
    server_files.atomic.write_text = third
with versions.staged(base) as folder:
    (folder / "saved_model.pb").write_bytes(b"x")
    print(*publication.publish(folder, label, "pets", [1, 4]))
"""


def process(base: Path, label: str = "auto", die_at: str = "") -> subprocess.Popen:
    found = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", _PUT, str(base), label, die_at],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": found},
    )


def kill_when_there(started: subprocess.Popen) -> None:
    with started:
        assert started.stdout.readline() == "here\n"
        started.send_signal(signal.SIGKILL)


def put(base: Path, label: str = "auto") -> tuple[int, dict[str, int]]:
    with versions.staged(base) as folder:
        (folder / "saved_model.pb").write_bytes(b"x")
        return publication.publish(folder, label, "pets", [1, 4])


def test_of_many_processes_one_alone_is_the_first(tmp_path: Path) -> None:
    started = [process(tmp_path) for _ in range(6)]
    told = [one.communicate(timeout=120)[0].split(" ", 1) for one in started]
    assert sorted(int(number) for number, _ in told) == list(range(1, 7))
    own = Counter(
        name
        for number, labels in told
        for name, which in eval(labels).items()
        if which == int(number)
    )
    assert own == {"stable": 1, "canary": 5}
    assert versions.read_labels(tmp_path) == {"stable": 1, "canary": 6}


@pytest.mark.parametrize("die_at", ["announced", "renamed", "half told"])
def test_what_a_killed_process_has_begun_is_ended_by_the_next(
    tmp_path: Path, die_at: str
) -> None:
    put(tmp_path)
    kill_when_there(process(tmp_path, "stable", die_at))
    # Whatever it had come to: a server sees a version that is labelled, and whole.
    assert versions.read_labels(tmp_path) == {"stable": 1}
    number, labels = put(tmp_path, "canary")
    renamed = die_at != "announced"
    assert labels == {"stable": 2 if renamed else 1, "canary": number}
    assert number == (3 if renamed else 2)
    assert versions.read_labels(tmp_path) == labels
    assert not (tmp_path / ".publishing.json").exists()


def test_going_back_ends_what_was_begun_first(tmp_path: Path) -> None:
    put(tmp_path)
    kill_when_there(process(tmp_path, "canary", "renamed"))
    assert publication.promote(tmp_path, 1) == {"stable": 1, "canary": 2}
    assert publication.promote(tmp_path, 2) == {"stable": 2}
    with pytest.raises(UserError, match="Received: 9"):
        publication.promote(tmp_path, 9)


def test_what_was_left_long_ago_is_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".next-old", tmp_path / ".next-young"
    for folder in (old, young):
        (folder / "variables").mkdir(parents=True)
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    put(tmp_path)
    assert not old.exists() and young.exists()
