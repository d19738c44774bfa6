"""Damage that libjpeg reports without a name gets the name of its file."""

import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage


@pytest.fixture
def files(tmp_path: Path) -> list[Row]:
    """Three whole pictures, and two whose data ends before they do."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    whole = stream.getvalue()
    short = whole[: len(whole) // 2] + b"\xff\xd9"
    contents = {"a.jpg": whole, "b.jpg": short, "c.jpg": whole, "d.jpg": short}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    Image.fromarray(noise).save(tmp_path / "e.png")
    rows = list(scan.audit([tmp_path / n for n in (*contents, "e.png")], cache=None))
    assert not any(row.reason for row in rows), "Pillow reads them all, and is silent"
    return rows


def decode(files: list[Row]) -> None:
    for row in files:
        tf.io.decode_image(Path(row.path).read_bytes())


def test_damaged_files_are_named_and_the_rest_of_stderr_is_kept(
    files: list[Row], capfd
) -> None:
    with jpeg_damage.named(files):
        decode(files)
        os.write(2, b"another library\n")
    shown = capfd.readouterr().err
    assert "Corrupt JPEG" not in shown and "another library\n" in shown
    assert "in 2 of 5 files" in shown
    assert [name in shown for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")] == [
        *(False, True),
        *(False, True),
    ]


def test_a_file_is_named_once_however_often_it_is_decoded(files, capfd) -> None:
    with jpeg_damage.named(files):
        decode(files[:2] * 3)
    assert "d.jpg" not in (shown := capfd.readouterr().err) or "2 of 5" in shown
    with jpeg_damage.named(files):
        decode(files * 2)
    with jpeg_damage.named(files):
        decode(files * 2)
    shown += capfd.readouterr().err
    assert "Corrupt JPEG" not in shown
    assert (shown.count("b.jpg"), shown.count("d.jpg")) == (1, 1)


def test_what_other_libraries_write_is_seen_within_the_block(files, capfd) -> None:
    with jpeg_damage.named(files):
        os.write(2, b"at once\nwithout an end")
        seen, since = "", time.monotonic()
        while "at once" not in seen and time.monotonic() < since + 30:
            time.sleep(0.1)
            # What is kept of the descriptor leads to where the test looks.
            seen += capfd.readouterr().err
        assert "at once" in seen
    assert capfd.readouterr().err == "without an end"


def test_without_damage_nothing_is_said_and_blocks_do_not_disturb_each_other(
    files: list[Row], capfd
) -> None:
    with jpeg_damage.named(files[:1]), jpeg_damage.named(files[:1]):
        decode(files[:1])
    with pytest.raises(ValueError), jpeg_damage.named(files):
        raise ValueError
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


SCRIPT = """
import os, sys
from tfpipeline.data.sources import jpeg_damage
before = sys.stderr
with jpeg_damage.named([]):
    os.write(2, b"second\\n")
    print("first", file=sys.stderr)
    END
assert sys.stderr is before
print("third", file=sys.stderr)
"""


def ended(end: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SCRIPT.replace("END", end)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_what_python_prints_does_not_wait_for_what_others_write() -> None:
    done = ended("pass")
    *two, third = done.stderr.splitlines()
    assert (done.returncode, set(two), third) == (0, {"first", "second"}, "third")


def test_the_last_words_of_a_process_that_aborts_are_shown() -> None:
    done = ended("os.write(2, b'why' * 40_000 + b'\\nno end'); os.abort()")
    assert done.returncode == -signal.SIGABRT
    assert "second\n" in done.stderr and done.stderr.endswith("y\nno end")
    assert done.stderr.count("why") == 40_000


def test_the_filter_ends_with_its_block(monkeypatch) -> None:
    started, popen = [], subprocess.Popen

    def start(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    with jpeg_damage.named([]):
        assert started[0].poll() is None
    assert started[0].poll() == 0


def test_a_process_that_outlives_the_block_may_go_on_writing(capfd) -> None:
    command = ["sh", "-c", "sleep 3; echo later >&2"]
    with jpeg_damage.named([]):
        other = subprocess.Popen(command)
    assert other.wait() == 0
    (child,) = jpeg_damage._lasting
    assert child.wait(30) == 0, "it ends when nobody is left to write"
    assert capfd.readouterr().err == "later\n"
    with jpeg_damage.named([]):
        assert not jpeg_damage._lasting


def test_files_are_looked_for_within_a_limit(files, capfd, monkeypatch) -> None:
    damage = jpeg_damage.Damage(files)
    with damage.counted():
        decode(files * 3)
    monkeypatch.setattr(jpeg_damage, "_SECONDS", 0.0)
    damage.name()
    assert "in at least 1 of 5 files" in capfd.readouterr().err
    damage.name()
    assert capfd.readouterr().err == "", "what was said is not said again"


def test_warnings_are_not_more_than_files(files, capfd, monkeypatch) -> None:
    monkeypatch.setattr(jpeg_damage, "_damaged", lambda files, until: iter(()))
    with jpeg_damage.named(files[:2]):
        decode(files[:2] * 3)
    assert "in 2 of 2 files" in capfd.readouterr().err


def test_each_picture_of_a_packed_file_has_its_place(files, tmp_path, capfd) -> None:
    contents = [Path(row.path).read_bytes() for row in files[:2]]
    packed = tmp_path / "packed"
    packed.write_bytes(contents[1] + contents[0] + contents[1])
    short, whole = len(contents[1]), len(contents[0])
    places = [(0, short), (short, whole), (short + whole, short)]
    rows = [
        dataclasses.replace(files[0], path=str(packed), offset=start, length=length)
        for start, length in places
    ]
    with jpeg_damage.named(rows):
        decode(files[1:2] * 2)
    shown = " ".join(capfd.readouterr().err.split())
    assert f"{packed} @ 0, {packed} @ {short + whole}." in shown
