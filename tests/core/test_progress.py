"""A bar in a terminal, plain lines in a pipe, and something to see in a notebook."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from tfpipeline.core import console, progress

LOOP = "from tfpipeline.core import console, progress\n"
LOOP += "for i in progress.over(range(3), 'count', 'image'):\n"
LOOP += "    console.note(f'step {i}')\n"


def test_a_log_file_has_a_plain_line_every_half_a_minute(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    with progress.bar(1000, "head", "batch", initial=100) as shown:
        shown.set_postfix({"loss": "0.500"}, refresh=False)
        for _ in range(70):
            now[0] += 1
            shown.update(5)
    said = capsys.readouterr()
    assert not said.out and said.err.splitlines() == [
        "head: 250/1000 (25%), 5 batch/s, loss=0.500",
        "head: 400/1000 (40%), 5 batch/s, loss=0.500",
    ]


def test_a_loop_in_a_loop_moves_no_cursor_in_a_log_file(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    with progress.bar(9, "outer", "step"), progress.bar(9, "inner", "step") as shown:
        now[0] += 40
        shown.update(2)
    assert capsys.readouterr().err == "inner: 2/9 (22%), 0.05 step/s\n"


def test_a_loop_that_goes_back_goes_on_telling(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    with progress.bar(1000, "head", "batch") as shown:
        now[0] += 40
        shown.update(100)
        shown.n = shown.last_print_n = 10
        now[0] += 40
        shown.update(5)
    assert [line[:14] for line in capsys.readouterr().err.splitlines()] == [
        "head: 100/1000",
        "head: 15/1000 ",
    ]


def test_a_note_does_not_repeat_the_lines_of_a_log_file(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    with progress.bar(None, "scan", "file") as shown:
        now[0] += 40
        shown.update(80)
        console.note("a note")
    assert capsys.readouterr().err == "scan: 80, 2 file/s\na note\n"


def test_a_short_loop_says_nothing_in_a_pipe() -> None:
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"step 0\nstep 1\nstep 2\n")


@pytest.mark.parametrize("columns", [0, 100])
def test_a_terminal_sees_a_bar_even_where_it_does_not_know_its_width(
    columns: int,
) -> None:
    ours, theirs = pty.openpty()
    code = LOOP if not columns else f"import os; os.system('stty cols 100')\n{LOOP}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # Linux says so that the other end is closed.
        pass
    assert process.wait() == 0
    shown = text.decode()
    assert "\r" in shown and "3/3" in shown and "100%" in shown
    # A note does not stand in the middle of a bar.
    lines = shown.replace("\r", "\n").splitlines()
    assert {"step 0", "step 1", "step 2"} <= set(lines)
    os.close(ours)


def test_nobody_is_told_of_a_loop_without_a_title_or_when_all_is_quiet(capsys) -> None:
    assert list(progress.over(range(3), None, "image")) == [0, 1, 2]
    with console.set_mode(quiet=True):
        assert list(progress.over(iter("ab"), "count", "image", 2)) == ["a", "b"]
    said = capsys.readouterr()
    assert not said.out + said.err and not progress.in_notebook()


def test_a_notebook_shows_how_far_it_is() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cell = nbformat.v4.new_code_cell(f"{LOOP}print(progress.in_notebook())")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    text = "".join(str(output.get("text", output.get("data"))) for output in outputs)
    # Where there are widgets, what is kept of one is its beginning.
    assert ("3/3" in text or "widget-view" in text) and "True" in text


CLOCK = """
import time
from tfpipeline.core import progress, provenance
progress.PATIENCE_SECONDS = 0.2
with provenance.Phases()("save_it"):
    time.sleep(1.5)
    for i in progress.over(range(2), "inner", "step"):
        time.sleep(1.2)
"""


def test_a_long_wait_shows_a_clock_until_something_else_is_shown() -> None:
    said = seen(CLOCK)
    first, _, rest = said.partition(b"inner")
    assert b"save it: 00:0" in first and b"100%" in rest
    assert b"save it: 00:03" not in said


def seen(code: str) -> bytes:
    """Return what a program writes to a terminal."""
    reading, writing = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=writing, check=True)
    os.close(writing)
    said = b""
    try:
        while part := os.read(reading, 4096):
            said += part
    except OSError:  # The end of a pseudo terminal.
        pass
    os.close(reading)
    return said


APART = """
import time
from tfpipeline.core import progress, provenance, startup
progress.PATIENCE_SECONDS = 0.2
with provenance.Phases()("import"):
    with startup.quiet_start(keras=False):
        time.sleep(0.6)
    time.sleep(1.5)
"""


def test_a_clock_waits_while_the_terminal_is_set_aside_and_then_goes_on() -> None:
    said = seen(APART)
    assert b"import: 00:0" in said and b"Traceback" not in said


def test_bars_are_looked_through_while_nobody_adds_any(monkeypatch) -> None:
    lock, held = threading.RLock(), []

    class Bars(list):
        def __iter__(self):
            held.append(lock._is_owned())
            return super().__iter__()

    monkeypatch.setattr(progress.tqdm, "_lock", lock, raising=False)
    monkeypatch.setattr(progress.tqdm, "_instances", Bars(["other"]), raising=False)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.01)
    over = threading.Event()
    threading.Timer(0.2, over.set).start()
    progress._tick("save", over)
    assert held and all(held)


def test_a_log_file_has_no_clock(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    with progress.waiting("save"):
        pass
    assert capsys.readouterr() == ("", "")
