"""Damage that libjpeg reports without a name gets the name of its file."""

import io
import os
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


def test_what_python_prints_is_seen_at_once() -> None:
    script = """
import os, sys
from tfpipeline.data.sources import jpeg_damage
before = sys.stderr
with jpeg_damage.named([]):
    os.write(2, b"second\\n")
    print("first", file=sys.stderr)
assert sys.stderr is before
print("third", file=sys.stderr)
"""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "first\nsecond\nthird\n")
