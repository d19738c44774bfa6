"""The audit as a command: what it writes about good, broken and doubled files."""

import json
import shutil
from pathlib import Path

import numpy as np

from tfpipeline import cli
from tfpipeline.audit.command import audit
from tfpipeline.config import AuditSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.demo import world


def test_it_lists_what_is_broken_and_what_is_doubled(tmp_path: Path, capsys) -> None:
    root = tmp_path / "p"
    world.write_folder(root, ["rocket", "teapot"], 5, seed=0)
    (root / "rocket" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    shutil.copy(root / "teapot" / "00000.png", root / "teapot" / "copy.png")
    argv = ["--source", str(root), "--output", str(tmp_path / "out")]
    assert cli.main(audit, AuditSettings, argv) == 0
    (row,) = file_io.read_csv(tmp_path / "out" / "quarantine.csv")
    assert row["path"].endswith("broken.png") and row["reason"]
    found = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert found["exact_duplicates"] == 1
    assert (tmp_path / "out" / "contact_sheet.png").stat().st_size > 1000
    said = capsys.readouterr().out
    assert said.startswith("11 images of 2 classes") and "rocket/broken.png" in said
    assert str(tmp_path / "out" / "audit.html") in said
    assert len(list(root.rglob("*.png"))) == 12


def test_what_is_said_is_in_the_json_and_said_once(tmp_path: Path, capsys) -> None:
    root = tmp_path / "p"
    world.write_folder(root, ["rocket", "teapot"], 5, seed=0)
    shutil.copytree(root / "teapot", root / "Teapot")
    white = np.full((32, 32, 3), 255, np.uint8)
    for name in ("rocket/white.png", "teapot/blank.png"):
        image_io.save_png(root / name, white)
    (root / "rocket" / ".DS_Store").write_text("")
    argv = ["--source", str(root), "--output", str(tmp_path / "out")]
    assert cli.main(audit, AuditSettings, argv) == 0
    said = capsys.readouterr()
    assert not said.err and said.out.count("'teapot'") == 2  # Twins, and a conflict.
    known = json.loads((tmp_path / "out" / "statistics.json").read_text())["review"]
    counts = {f["kind"]: f["count"] for f in known["findings"]}
    assert counts["source"] == 1 and counts["one colour"] == 2
    assert counts["label_conflict"] == 6 and counts["passed_over"] == 1
    assert said.out.count("rocket/white.png") == 1


def test_a_picture_with_more_pixels_than_the_setting_is_listed(tmp_path: Path) -> None:
    root = tmp_path / "p"
    world.write_folder(root, ["rocket", "teapot"], 2, seed=0)
    argv = ["--source", str(root), "--output", str(tmp_path / "out")]
    argv += ["--data.max_pixels", "99"]
    assert cli.main(audit, AuditSettings, argv) == 0
    rows = file_io.read_csv(tmp_path / "out" / "quarantine.csv")
    assert len(rows) == 4
    assert all("99" in row["reason"] and "max_pixels" in row["reason"] for row in rows)
