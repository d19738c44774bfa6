"""Run folders: whole files or none, and clear refusals."""

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


def test_a_finished_run_is_refused_and_replaced_only_when_told(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "manifest.json", {"finished": True})
    (tmp_path / "model.keras").write_bytes(b"x")
    with pytest.raises(UserError, match="--overwrite true"):
        runs.new_run(str(tmp_path), overwrite=False)
    assert runs.new_run(str(tmp_path), overwrite=True).path == tmp_path


def test_an_unfinished_run_goes_on_but_cannot_be_used(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "manifest.json", {"finished": False})
    assert runs.new_run(str(tmp_path), overwrite=False).path == tmp_path
    with pytest.raises(UserError, match="interrupted"):
        runs.RunFolder(tmp_path).existing()


def test_a_file_in_the_way_is_named_before_work_starts(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="is a file"):
        runs.new_run(str(tmp_path / "f" / "run"), overwrite=False)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_stands_until_the_next_one_is_whole(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path / "r")
    old = (run.model, run.evaluation, run.inherited, run.figures / "old.png")
    for file in old:
        atomic.write_text(file, "first")
    atomic.write_json(run.manifest, {"finished": True, "combined": {}})
    assert run.learned == run.inherited
    staged = run.staged()
    assert staged.path != run.path
    atomic.write_text(staged.model, "second")
    assert run.existing().model.read_text() == "first"
    atomic.write_text(staged.figures / "new.png", "second")
    atomic.write_json(staged.manifest, {"finished": True, "number": 2})
    run.publish(staged)
    assert run.model.read_text() == "second" and run.read_manifest()["number"] == 2
    assert run.learned == run.splits
    names = sorted(str(f.relative_to(run.path)) for f in run.path.rglob("*"))
    assert names == ["figures", "figures/new.png", "manifest.json", "model.keras"]


def test_a_new_run_is_written_where_it_belongs(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path / "r")
    assert run.staged() == run
    run.publish(run.staged())
    assert runs.new_run(None, overwrite=False) != runs.new_run(None, overwrite=False)


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    run = runs.RunFolder(tmp_path / "r")
    program = (
        "import sys\nfrom pathlib import Path\nfrom tfpipeline import errors, runs\n"
        "try:\n    with runs.RunFolder(Path(sys.argv[1])).claimed(): sys.exit(0)\n"
        "except errors.UserError as error: sys.exit(str(error))\n"
    )
    words = [sys.executable, "-c", program, str(run.path)]
    with run.claimed():
        other = subprocess.run(words, capture_output=True, text=True)
        assert other.returncode == 1 and "another training" in other.stderr
    assert subprocess.run(words).returncode == 0
    assert not list(run.path.iterdir())
