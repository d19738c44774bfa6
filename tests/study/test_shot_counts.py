"""Numbers of examples: all is always among them, and what was left out is said."""

import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.study import shot_counts


@pytest.mark.parametrize(
    "text, expected, spelled",
    [
        ("1,2,all", [1, 2, None], "1,2,all"),
        ("5, 1", [1, 5, None], "1,5,all"),
        ("all", [None], "all"),
        ("10,all,10", [10, None], "10,all"),
    ],
)
def test_numbers_ascend_and_end_in_all(text: str, expected, spelled: str) -> None:
    assert shot_counts.read_shots(text) == expected
    assert shot_counts.normalize(text) == spelled


@pytest.mark.parametrize("text", ["", "0", "1,many", "-1", "1.5", "1,,2"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--shots"):
        shot_counts.read_shots(text)


def test_what_was_added_and_what_was_left_out_is_said(capsys) -> None:
    rows = [
        {"source": source, "method": method, "shots": shots}
        for source, had in {"many": [1, 10, "all"], "few": [1, "all"]}.items()
        for method in ("probe", "head")
        for shots in had
    ]
    rows.append({"source": "scratch alone", "method": "scratch", "shots": "all"})
    assert shot_counts.missing(rows, "1,10") == {"few": [10]}
    shot_counts.note(rows, "1,10")
    added, left = capsys.readouterr().err.splitlines()
    assert "`all` was added" in added
    assert left.startswith("few: skipped 10 examples of each class")
    shot_counts.note(rows, "1,all")
    assert capsys.readouterr().err == ""
