"""Pages of other results, from their JSON alone."""

from pathlib import Path

import numpy as np
import pytest

from tests.report import made
from tests.report.browser import browsing
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.report import result_page
from tfpipeline.report.__main__ import make
from tfpipeline.report.result_page import Table

EVIL = "<script>alert(1)</script>"

CHECKS = {
    "rose": {"passed": True, "value": 1, "meaning": "it rose"},
    "masked": {"passed": False, "value": 0, "meaning": "m", "otherwise": "no trust"},
    "noisy": {"passed": True, "value": {"then_fooled": 3, "share": 0.25}},
    "plain": {"passed": True, "value": True},
    "idle": {"passed": None, "value": 0, "meaning": "i", "otherwise": "never told"},
}


@pytest.mark.parametrize("name", result_page.KINDS)
def test_every_kind_of_result_has_a_page(name: str, tmp_path: Path) -> None:
    kind = result_page.KINDS[name]
    picture = kind.pictures[0] if kind.pictures else "none"
    image_io.save_png(tmp_path / "p.png", np.zeros((8, 8, 3), np.uint8))
    items = [
        {"class": EVIL, picture: "p.png", "score": 2.0, "fine": True, "many": [1]},
        {"class": "b", "score": 10.0, "fine": False},
    ]
    summary = {"images": 2, "command": "c", "deep": {"er": 0.5}}
    # A study has two sheets, and no picture of each row.
    sheets = kind.sheets[: 1 if kind.pictures else 2]
    summary |= dict.fromkeys(sheets, "p.png")
    found = {"images": items, "checks": CHECKS, "summary": summary}
    file = make([made.result(tmp_path, name, found)])
    assert file == tmp_path / "report.html"
    text = file.read_text()
    assert kind.title in text and "no trust" in text and "deep, er" in text
    assert '"soft">then fooled 3, share 0.250<' in text and ">passed</td>" in text
    assert text.count(">not asked<") == 1 and text.count(">failed<") == 1
    assert "never told" not in text
    assert text.count("data:image/jpeg") == 2 and EVIL not in text
    if name == "attack.json":
        with browsing(tmp_path / "profile") as page:
            page.open(file)
            page.ask("document.querySelectorAll('#all-rows th.n button')[0].click()")
            first = "document.querySelector('#all-rows tbody td').textContent"
            assert page.ask(first) == "b"
            assert page.complaints == [] and page.requests == []


def test_any_table_can_have_a_page(tmp_path: Path) -> None:
    rows = [{"source": "s", "accuracy": 0.5}, {"source": "t", "accuracy": None}]
    file = tmp_path / "report.html"
    result_page.write_table(file, Table("A title", "A lead", rows), {"seed": 3})
    text = file.read_text()
    assert "A title" in text and "0.500" in text and "<dd>3</dd>" in text


def test_rows_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    rows = [{"backbone": "B", "accuracy": 0.25}]
    made.result(tmp_path, "study.json", {"summary": {}, "cells": rows})
    assert "0.250" in result_page.write(tmp_path).read_text()


def test_a_page_that_fails_costs_nothing_else(tmp_path: Path, capsys) -> None:
    (tmp_path / "attack.json").write_text("{")
    result_page.attempt(tmp_path)
    told = capsys.readouterr()
    assert "could not be made" in told.err and "JSON" in told.err and not told.out
    with pytest.raises(UserError, match="expected a result"):
        result_page.write(tmp_path / "none")
