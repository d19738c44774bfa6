"""What a command says: ten lines at most, on the right stream, or as one document."""

import json
import subprocess
import sys

import pytest

from tfpipeline.core import console
from tfpipeline.core.console import Closing


def test_closing_words_are_ten_lines_at_most_and_say_what_is_left_out() -> None:
    closing = Closing(
        ["Done.", "Well done."],
        items=[f"item {i}" for i in range(20)],
        careful=[f"Careful: {i}" for i in range(20)],
        all_of_it="all.json",
        look="page.html",
        then=["Next: this"],
    )
    lines = str(closing).splitlines()
    assert len(lines) == console.MOST_LINES
    assert lines[:2] == ["Done.", "Well done."]
    assert lines[-2:] == ["Look at page.html", "Next: this"]
    assert lines[2] == "  ... and 20 more in all.json"
    assert lines[-3] == "... and 16 more in all.json"


def test_what_there_is_room_for_is_all_shown() -> None:
    closing = Closing(["Done."], ["a", "b"], ["Careful."], look="page.html")
    assert str(closing).splitlines() == [
        *("Done.", "  a", "  b", "Careful.", "Look at page.html"),
    ]


def say_everything() -> None:
    console.note("a note")
    console.warn("a warning")
    console.product("a,b\n")
    console.close("closing")
    print("a stray print")
    console.answer({"a": float("nan"), "b": "caf\udce9"})


@pytest.mark.parametrize(
    ("manner", "out", "err"),
    [
        ({}, "a,b\nclosing\na stray print\n", "a note\na warning\n"),
        ({"quiet": True}, "a,b\na stray print\n", "a warning\n"),
    ],
)
def test_each_word_has_its_stream(manner, out: str, err: str, capsys) -> None:
    with console.set_mode(**manner):
        say_everything()
    said = capsys.readouterr()
    assert (said.out, said.err) == (out, err)


@pytest.mark.parametrize("quiet", [False, True])
def test_asked_for_json_stdout_is_one_document(quiet: bool, capsys) -> None:
    with console.set_mode(quiet=quiet, as_json=True):
        say_everything()
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": None, "b": "caf\udce9"}
    assert said.out.isascii() and "a stray print" in said.err
    assert ("a note" in said.err) is ("closing" in said.err) is not quiet
    print("afterwards")
    assert capsys.readouterr().out == "afterwards\n"


def test_what_other_languages_print_does_not_get_into_the_document() -> None:
    code = (
        "import os\n"
        "from tfpipeline.core import console as terminal\n"
        "print('before')\n"
        "with terminal.set_mode(as_json=True):\n"
        "    os.write(1, b'from C\\n')\n"
        "    print('from Python')\n"
        "    terminal.answer([1])\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["before", "[", "1", "]", "after"]
    assert {"from C", "from Python"} == set(done.stderr.splitlines())


def test_what_is_gathered_is_said_by_nobody_else_but_where_there_is_an_error(
    capsys,
) -> None:
    with console.set_mode(), console.gathered() as texts:
        console.warn_once("one")
        console.warn_once("one")
        console.warn("at once")
    assert texts == ["one"] and capsys.readouterr().err == "at once\n"
    with console.set_mode(), pytest.raises(ValueError), console.gathered():
        console.warn_once("two")
        raise ValueError
    assert capsys.readouterr().err == "two\n"
    with console.set_mode():
        console.warn_once("two")
    assert capsys.readouterr().err == "two\n"
