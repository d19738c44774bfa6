"""Files are whole or not there, also after a power cut, and errors are told truly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfpipeline import atomic, runs
from tfpipeline.errors import UserError


def test_a_failure_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    atomic.write_text(file, "old")
    with pytest.raises(RuntimeError), atomic.replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    atomic.write_json(
        tmp_path / "a.json", {"x": [float("nan"), 1.5], "y": float("inf")}
    )
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "x": [None, 1.5],
        "y": None,
    }


def test_csv_comes_back_as_it_went(tmp_path: Path) -> None:
    rows = [["a,b", 'c"d'], ["\u00e9\n", ""]]
    atomic.write_csv(tmp_path / "a.csv", ("p", "q"), rows)
    assert [list(r.values()) for r in atomic.read_csv(tmp_path / "a.csv")] == rows


