"""What is written where: a table for people, CSV into pipes, files by their endings."""

import contextlib
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core.errors import UserError
from tfpipeline.predict import outputs
from tfpipeline.predict.command import predict


def row(name: str, label: str = "cat", share: float = 0.75) -> dict[str, Any]:
    return {
        **{"id": name, "label": label, "probability": share, "accepted": share > 0.5},
        **{"accepted_reason": "", "top_k": [[label, share], ["dog", 0.125]]},
        "error": "",
    }


def broken(name: str, reason: str) -> dict[str, Any]:
    about = {"probability": None, "accepted": None, "top_k": [], "error": reason}
    return {**row(name), **about, "label": ""}


ROWS = [
    row("holidays/a_long_name_of_a_folder/another_one/1.jpg"),
    row("holidays/a_long_name_of_a_folder/2.jpg", "american_pit_bull_terrier", 0.25),
    broken("holidays/a_long_name_of_a_folder/3.jpg", "damaged jpeg: " + 20 * "bad "),
]


@pytest.mark.parametrize("most", [60, 80, 120])
def test_a_table_has_a_line_a_picture_and_the_reasons(most: int) -> None:
    text = outputs.table(ROWS, most)
    above, header, one, two, *reason = text.splitlines()
    assert max(map(len, text.splitlines())) <= most
    assert "holidays" in above and "holidays" not in one
    assert header.split() == ["file", "class", "probability", "second", "accepted"]
    assert one.split()[0].endswith("/1.jpg")
    assert one.split()[1:] == ["cat", "0.750", "dog", "0.125", "yes"]
    assert two.split()[0] == "2.jpg" and two.split()[-1] == "no"
    assert " ".join(" ".join(reason).split()).startswith("3.jpg damaged jpeg: bad bad")


def test_nobody_knows_whether_an_answer_is_accepted_without_a_threshold() -> None:
    (line,) = outputs.table([{**row("1.jpg"), "accepted": None}], 80).splitlines()[1:]
    assert line.split()[-1] == "?"


def shown_on_a_terminal(rows: list[dict[str, Any]]) -> str:
    ours, theirs = os.openpty()
    with open(theirs, "w") as stream, contextlib.redirect_stdout(stream):
        outputs.show(rows)
    with open(ours, "rb", buffering=0) as terminal:
        return terminal.read(10**5).decode().replace("\r\n", "\n")


def test_a_terminal_gets_the_table_in_its_width(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert shown_on_a_terminal(ROWS) == outputs.table(ROWS, 70)


def test_a_pipe_gets_csv(capsys) -> None:
    outputs.show(ROWS)
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(found[0]) == outputs.HEADER
    assert [one["id"] for one in found] == [one["id"] for one in ROWS]
    assert json.loads(found[0]["top_k"]) == ROWS[0]["top_k"]


def test_json_lines_hold_numbers_as_numbers_and_all_classes(tmp_path: Path) -> None:
    outputs.write(tmp_path / "p.jsonl", ROWS, "run")
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize("name", ["p.txt", "p.htm", "p.csv.gz"])
def test_an_unknown_ending_is_refused_before_the_model_is_looked_for(
    name: str, tmp_path: Path, capsys
) -> None:
    words = ["--model", str(tmp_path / "gone"), "--images", "."]
    assert cli.main(predict, PredictSettings, [*words, "--output", name]) == 2
    error = capsys.readouterr().err
    assert f"--output {name}" in error and ".jsonl" in error and "gone" not in error


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.html"])
def test_its_own_file_is_replaced_and_no_other(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    outputs.write(file, ROWS, "run")
    assert outputs.check(str(file)) == file
    file.write_text("\nmine")
    with pytest.raises(UserError, match="would be replaced"):
        outputs.check(str(file))
