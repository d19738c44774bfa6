"""What a command wrote is read like its JSON, and shown by its pictures."""

import json
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.api import result
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError


def written(folder: Path, label: str) -> Path:
    """Write a small result as `synthesize` does."""
    item = {"class": label, "image": "0.png", "chart": "charts/0.png"}
    told = {"images": [item], "checks": {}, "summary": {"sheet": "s.png", "images": 1}}
    for name in ("0.png", "charts/0.png", "s.png"):
        image_io.save_png(folder / name, np.zeros((8, 8, 3), np.uint8))
    (folder / "synthesis.json").write_text(json.dumps(told))
    return folder


def test_a_result_knows_its_files_and_shows_the_whole_first(tmp_path: Path) -> None:
    found = result.read(written(tmp_path, "<b>"), "synthesis.json")
    assert found["summary"]["images"] == 1 and "checks" in found and len(found) == 3
    assert found.pictures.files == [tmp_path / "s.png", tmp_path / "charts/0.png"]
    assert found.pictures[1:].files == [tmp_path / "charts/0.png"]
    page = found._repr_html_() or ""
    assert page.count("<img") == 2 and "&lt;b&gt;" in page and "<b>" not in page
    assert repr(found).startswith(f"<{tmp_path}: sheet s.png, images 1")


def test_its_page_is_made_where_there_is_none_and_framed(tmp_path: Path) -> None:
    found = result.read(written(tmp_path, "cat"), "synthesis.json")
    frame = found.show_report()
    assert frame.path == tmp_path / "report.html" and frame.path.is_file()
    page = frame._repr_html_()
    assert page.count("<iframe") == 1 and page.count("<") == 2  # All else is escaped.


def test_a_picture_that_is_gone_is_left_out(tmp_path: Path) -> None:
    found = result.read(written(tmp_path, "cat"), "synthesis.json")
    (tmp_path / "s.png").unlink()
    assert (found._repr_html_() or "").count("<img") == 1


def test_figures_of_a_study_and_sheets_of_an_audit_are_shown(tmp_path: Path) -> None:
    for name in ("figures/cost.png", "figures/shots.png"):
        image_io.save_png(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "study.json").write_text('{"rows": [], "summary": {}}')
    found = result.read(tmp_path, "study.json")
    assert [file.stem for file in found.show().files] == ["shots", "cost"]


def test_a_damaged_result_is_told(tmp_path: Path) -> None:
    (tmp_path / "attack.json").write_text("{")
    with pytest.raises(UserError, match="attack.json: expected JSON"):
        result.read(tmp_path, "attack.json")
