"""Predictions are read like a list, and shown as a table in which nothing runs."""

from pathlib import Path

import numpy as np

from tfpipeline.api.predictions import Predictions
from tfpipeline.core import image_io

EVIL = "<script>alert(1)</script>"


def rows(tmp_path: Path) -> list[dict[str, object]]:
    file = tmp_path / "a.png"
    image_io.save_png(file, np.zeros((100, 200, 3), np.uint8))
    good = {"id": str(file), "label": EVIL, "probability": 0.75, "error": ""}
    bad = {"id": "gone.png", "label": "", "probability": None, "error": "no image"}
    return [good | {"top_k": [[EVIL, 0.75], ["b & c", 0.25]]}, bad | {"top_k": []}]


def test_a_prediction_names_class_probability_and_error(tmp_path: Path) -> None:
    found = Predictions(rows(tmp_path))
    assert len(found) == 2 and found.labels == [EVIL, ""]
    assert found[0].probability == 0.75 and found[0].top_k[1] == ("b & c", 0.25)
    assert [one.error for one in found[:2]] == ["", "no image"]
    assert repr(found).splitlines()[1] == "gone.png: no image"


def test_what_is_not_sure_enough_is_marked(tmp_path: Path) -> None:
    good, bad = rows(tmp_path)
    told = [good | {"accepted": True}, good | {"accepted": False}, good, bad]
    found = Predictions(told)
    assert [one.accepted for one in found] == [True, False, None, None]
    lines = repr(found).splitlines()
    assert [line.endswith("0.750, not accepted") for line in lines] == [0, 1, 0, 0]
    assert found._repr_html_().count("not accepted") == 1


def test_why_it_is_not_known_what_is_sure_enough_is_told_once(tmp_path: Path) -> None:
    good, bad = rows(tmp_path)
    found = Predictions([good | {"accepted_reason": "<3> images"}] * 2 + [bad])
    assert [one.accepted_reason for one in found] == ["<3> images"] * 2 + [""]
    assert repr(found).count("<3> images") == 1 and "&lt;3&gt;" in found._repr_html_()


def test_what_was_no_file_is_called_by_its_number(tmp_path: Path) -> None:
    assert [one.id for one in Predictions(rows(tmp_path), named=False)] == ["0", "1"]


def test_the_table_shows_pictures_and_runs_nothing(tmp_path: Path) -> None:
    found = Predictions(rows(tmp_path))
    (tmp_path / "a.png").unlink()  # It was taken into the table before.
    page = found._repr_html_()
    assert "<script" not in page and "&lt;script&gt;" in page and "b &amp; c" in page
    assert page.count("<img") == 1 and "no image" in page


def test_a_long_table_says_how_much_is_left_out(tmp_path: Path) -> None:
    many = Predictions([rows(tmp_path)[1]] * 1000)
    page = many._repr_html_()
    assert "and 800 more" in page and page.count("<tr>") == 202


def test_a_number_is_shown_with_its_interval() -> None:
    row = {"id": "a.png", "quantity": "age", "value": 31.5, "error": ""}
    plain, wide = Predictions([row, row | {"low": 29.0, "high": 34.0}])
    assert (plain.low, plain.high) == (None, None)
    assert (wide.low, wide.high) == (29.0, 34.0)
    assert "31.5 (29 to 34)" in repr(Predictions([row | {"low": 29.0, "high": 34.0}]))
