"""Lines go through the filter whole, but for those that it counts."""

import subprocess
import sys

from tfpipeline.data.sources import stderr_filter


def test_all_but_counted_lines_go_on_in_their_order() -> None:
    command = [sys.executable, "-I", "-S", stderr_filter.__file__, "how many", "Bad"]
    given = b"one\nBad two\nnot Bad\n\nBad\nunendedhow many\n\xff\x00three\nBad"
    ended = subprocess.run(command, input=given, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, b"2\n")
    assert ended.stderr == b"one\nnot Bad\n\nunended\xff\x00three\n"


def test_a_line_that_never_ends_is_not_kept() -> None:
    command = [sys.executable, "-I", "-S", stderr_filter.__file__, "how many", "Bad"]
    given = b"x" * 3_000_000
    ended = subprocess.run(command, input=given, capture_output=True, timeout=60)
    assert ended.stderr == given and ended.stdout == b""
