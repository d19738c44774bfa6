"""Tables in a terminal: nothing sticks out, nothing is lost, nothing takes it over."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from tfpipeline.core import text_table

TEXT = st.text(max_size=60)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT) | st.tuples(TEXT, TEXT)), st.integers(40))
def test_no_line_is_wider_than_the_terminal(rows, most: int) -> None:
    most = min(most, 200)
    text = text_table.table(("file", "class", "share"), rows, most, right=("share",))
    lines = text.split("\n")
    assert lines.pop() == "" and len(lines) > len(rows)
    assert all(text_table.cells(line) <= most for line in lines)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in "".join(lines))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 99)), min_size=1))
def test_cells_stand_below_each_other(rows: list[tuple[int, int]]) -> None:
    cells = [(str(a), str(b)) for a, b in rows]
    _, *lines = text_table.table(("a", "b"), cells, 80, right=("b",)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [tuple(line.split()) for line in lines] == cells


@example("00000\u1071", 4)
@given(TEXT, st.integers(4, 80))
def test_a_long_text_loses_its_middle_alone(text: str, most: int) -> None:
    text = text_table.printable(text)
    short = text_table.shorten(text, most)
    assert text_table.cells(short) <= most
    if text_table.cells(text) <= most:
        assert short == text
    else:
        # The text may have dots of its own, on either side.
        cuts = [i for i in range(len(short) - 2) if short[i : i + 3] == "..."]
        assert any(
            text.startswith(short[:i]) and text.endswith(short[i + 3 :]) for i in cuts
        )


def test_the_names_of_files_keep_their_ends() -> None:
    name = "holidays/2026/a_folder_with_a_long_name/IMG_1234.jpg"
    assert text_table.shorten(name, 24).endswith("IMG_1234.jpg")


def test_letters_of_two_cells_are_counted_as_two() -> None:
    rows = [("\u732b", "cat"), ("dog", "dog")]
    _, first, second = text_table.table(("name", "class"), rows, 80).splitlines()
    at = [
        text_table.cells(line[: line.index(c)])
        for line, c in ((first, "cat"), (second[3:], "dog"))
    ]
    assert at[0] == at[1] + 3


def test_a_reason_takes_the_room_of_the_columns_and_is_whole() -> None:
    reason = "damaged jpeg: image file is truncated (8 bytes not processed)"
    rows = [("a.png", "cat", "0.9"), ("b.png", reason)]
    text = text_table.table(("file", "class", "share"), rows, 40)
    broken = text[text.index("b.png") + 5 :]
    assert " ".join(broken.split()) == reason


def test_a_name_cannot_control_the_terminal() -> None:
    rows = [("a\x1b[2J\r\n\u202e\udcff.png", "cat")]
    text = text_table.table(("file", "class"), rows, 80)
    assert text.count("\n") == 2 and text.isascii() and "\\x1b[2J\\r\\n" in text
