"""Behind a URL one process plans, and the others wait for it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core.stores import Place
from tfpipeline.shards import processes


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("before", [b"", b"old"])
@pytest.mark.parametrize("written", ["plan.json", "shard-000000.done.json"])
def test_others_start_when_the_first_has_planned(
    before: bytes,
    written: str,
    tmp_path: Path,
    sleeper: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    place, looks = Place(f"file://{tmp_path}"), list[float]()
    if before or written != "plan.json":
        (tmp_path / "plan.json").write_bytes(b"old")

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            (tmp_path / written).write_bytes(b"new")

    monkeypatch.setattr(time, "sleep", look)
    assert processes._has_planned(sleeper, place, before)
    # A plan that is not to be replaced is one.
    assert len(looks) == (2 if before or written == "plan.json" else 0)


@pytest.mark.parametrize("code", [0, 2])
def test_nobody_waits_for_a_process_that_has_ended(tmp_path: Path, code: int) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    ended = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    ended.wait()
    place = Place(f"file://{tmp_path}/none")
    assert processes._has_planned(ended, place, b"") == (code == 0)


def test_behind_a_url_each_has_a_part_and_the_first_alone_replaces() -> None:
    given = EmbedSettings(output="gs://b/out", workers=3, overwrite=True)
    far = [processes._alone(given, Place("gs://b/out"), n) for n in range(3)]
    assert [(s.part, s.parts, s.workers) for s in far] == [
        *(("0", 3, 1), ("1", 3, 1), ("2", 3, 1)),
    ]
    assert [s.overwrite for s in far] == [True, False, False]
    near = processes._alone(given, Path("out"), 1)
    assert (near.part, near.parts, near.overwrite) == ("0", 0, True)
