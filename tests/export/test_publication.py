"""Number and label come together, whoever publishes and whoever is killed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import fault_injection
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.export import publication, versions

_PUT = """
import sys, time
from pathlib import Path
from tfpipeline.export import publication, tf_serving_files

base, label, die_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def died(*_):
    print("here", flush=True)
    time.sleep(60)

if die_at == "announced":
    import os
    os.rename = died
if die_at == "renamed":
    tf_serving_files.write = died
if die_at == "half told":
    real, calls = tf_serving_files.file_io.write_text, []
    def third(*args):
        calls.append(args)
        return died() if len(calls) == 3 else real(*args)
    tf_serving_files.file_io.write_text = third
with publication.staged(base) as folder:
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
    with publication.staged(base) as folder:
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


def test_what_a_killed_export_has_left_is_removed_and_a_living_ones_is_not(
    tmp_path: Path,
) -> None:
    with publication.staged(tmp_path) as living:
        (living / "variables").mkdir()
        dead = tmp_path / ".next-0123456789ab"
        (dead / "variables").mkdir(parents=True)
        put(tmp_path)
        assert not dead.exists() and (living / "variables").is_dir()


def export(base: Path) -> tuple[int, dict[str, int]]:
    with publication.staged(base) as folder:
        file_io.write_bytes(folder / "saved_model.pb", b"x")
        file_io.write_bytes(folder / "variables" / "variables.index", b"y")
        return publication.publish(folder, "auto", "pets", [1, 4])


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_version_is_whole_and_labelled_wherever_publishing_is_killed(
    memory_path: Path, before: int, power_cut: bool
) -> None:
    base = memory_path / "base"
    base.mkdir()
    for _ in range(before):
        export(base)
    old = versions.read_labels(base)
    notes = base / "notes.txt"
    notes.write_text("mine")
    with fault_injection.watched(
        base, memory_path / "kept", power_cut=power_cut
    ) as moments:
        number, labels = export(base)
    names = {"batching.config", "compose.yaml", "models.config", "notes.txt"}
    for moment in moments:
        # What a server sees meanwhile: whole versions, and labels of those there are.
        there = versions.versions(base)
        assert there in ([*range(1, number)], [*range(1, number + 1)]), moment
        assert versions.read_labels(base) in (old, labels), moment
        whole = [(base / f"{n}/variables/variables.index").read_bytes() for n in there]
        assert whole == [b"y"] * len(there), moment
        again, now = export(base)
        assert again == len(there) + 1 and now == versions.read_labels(base), moment
        # A label is never lost: the next one is the canary of what was to be stable.
        expected = labels if again == number else {"stable": 1, "canary": again}
        assert now == expected, moment
        entries = {path.name for path in base.iterdir()}
        assert entries == names | {str(n) for n in range(1, again + 1)}, moment
    assert len(moments.states) > 20
