"""Files are whole or not there, also after a power cut, and errors are told truly."""

import errno
import json
import os
from pathlib import Path

import pytest

from tests import fault_injection
from tfpipeline.core import disk, file_io
from tfpipeline.core.errors import UserError


def test_a_failure_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file_io.write_text(file, "old")
    with pytest.raises(RuntimeError), file_io.replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    file_io.write_json(
        tmp_path / "a.json", {"x": [float("nan"), 1.5], "y": float("inf")}
    )
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "x": [None, 1.5],
        "y": None,
    }


def test_csv_comes_back_as_it_went(tmp_path: Path) -> None:
    rows = [["a,b", 'c"d'], ["\u00e9\n", ""]]
    file_io.write_csv(tmp_path / "a.csv", ("p", "q"), rows)
    assert [list(r.values()) for r in file_io.read_csv(tmp_path / "a.csv")] == rows


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append(("sync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        calls.append(("rename", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    for write, value in ((file_io.write_text, "x"), (file_io.write_bytes, b"x")):
        calls.clear()
        write(tmp_path / "a", value)
        file, folder = (tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino
        assert calls == [("sync", file), ("rename", file), ("sync", folder)]
        calls.clear()
        write(tmp_path / "a", value, durable=False)
        assert [what for what, _ in calls] == ["rename"]


def test_after_a_power_cut_a_file_is_the_old_one_or_the_new_one(
    memory_path: Path,
) -> None:
    file = memory_path / "w" / "a.csv"
    file_io.write_csv(file, ["x"], [["old"]])
    with fault_injection.watched(
        file.parent, memory_path / "kept", power_cut=True
    ) as moments:
        file_io.write_csv(file, ["x"], [["new"]] * 1000)
    seen = {tuple({row["x"] for row in file_io.read_csv(file)}) for _ in moments}
    assert seen == {("old",), ("new",)}
    with fault_injection.watched(
        file.parent, memory_path / "torn", power_cut=True
    ) as moments:
        file_io.write_text(file, "x" * 1000, durable=False)
    assert any("x" not in file.read_text() for _ in moments), "the test sees nothing"


@pytest.mark.parametrize("kind", ["a missing file", "a folder", "a cut picture"])
def test_an_error_of_reading_is_not_told_as_one_of_writing(
    tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "out" / "a.csv"
    errors = {
        "a missing file": FileNotFoundError(2, "No such file", str(tmp_path / "in")),
        "a folder": IsADirectoryError(21, "Is a directory", str(tmp_path / "in")),
        "a cut picture": OSError("image file is truncated"),
    }

    def rows():
        yield ["1"]
        raise errors[kind]

    with pytest.raises(type(errors[kind])) as told:
        file_io.write_csv(target, ["x"], rows())
    assert told.value is errors[kind]
    with pytest.raises(type(errors[kind])) as told:
        with file_io.replacing(target) as temporary:
            temporary.write_text("x")
            raise errors[kind]
    assert told.value is errors[kind]
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_of_writing_names_the_file_and_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As the system raises them: without the name of the file."""
    file = tmp_path / "a.json"
    file_io.write_json(file, "old")

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=f"a.json: cannot .* {os.strerror(number)}"):
        file_io.write_json(file, "new")
    monkeypatch.undo()
    with pytest.raises(UserError, match=f"a.json: cannot .* {os.strerror(number)}"):
        with file_io.replacing(file) as temporary, disk.naming(temporary):
            raise OSError(number, os.strerror(number))
    assert json.loads(file.read_text()) == "old" and os.listdir(tmp_path) == ["a.json"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        file_io.write_text(tmp_path / "f" / "deep" / "a", "x")


def test_what_killed_processes_have_left_is_removed_and_nothing_else(
    tmp_path: Path,
) -> None:
    left = disk.temporary_name(tmp_path / "deep" / "model.keras")
    others = [tmp_path / "deep" / name for name in ("x.0123456789ab.y", ".hidden", "a")]
    for file in (left, *others):
        file_io.write_text(file, "x")
    disk.sweep(tmp_path, ["other"])
    assert left.is_file()
    disk.sweep(tmp_path, ["model.keras"])
    assert not left.exists() and all(file.is_file() for file in others)


def test_rows_know_the_line_in_which_they_begin(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('a,b\n1,2\n\n\n3,"x\ny\nz"\n5,6\n')
    rows = file_io.read_csv(file)
    assert [(line, row["a"]) for line, row in file_io.numbered(rows)] == [
        (2, "1"),
        (5, "3"),
        (8, "5"),
    ]
    assert rows[0] == {"a": "1", "b": "2"}
    # Rows of no file stand below a header.
    assert [line for line, _ in file_io.numbered([{"a": "1"}, {"a": "2"}])] == [2, 3]


def test_rows_with_every_line_end_come_back(tmp_path: Path) -> None:
    ends = ["a\rb", "\r", "a\nb", "a\r\nb", 'a"\r', "plain", ""]
    rows = [[name, str(number)] for number, name in enumerate(ends)]
    file_io.write_csv(tmp_path / "x.csv", ("id", "row"), rows)
    assert [[*row.values()] for row in file_io.read_csv(tmp_path / "x.csv")] == rows
    # Other rows are as they were.
    assert b"\nplain,5\n" in (tmp_path / "x.csv").read_bytes()
