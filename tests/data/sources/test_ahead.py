"""Files that another process has looked at are not opened again."""

import time
from pathlib import Path

import pytest

from tests.data.sources.test_targets import prepare, written
from tfpipeline.config import DataSettings
from tfpipeline.data import scan
from tfpipeline.data.sources import ahead


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The files that are opened."""
    files: list[Path] = []
    right = scan.examine

    def examine(path, *given):
        files.append(path)
        return right(path, *given)

    monkeypatch.setattr(scan, "examine", examine)
    return files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path, ("label",), list("ab") * 30)


def test_what_was_looked_at_is_found_by_the_audit(source, opened, capsys) -> None:
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    assert len(set(opened)) == len(opened) == 60
    assert not any(capsys.readouterr())
    opened.clear()
    assert len(prepare(source).files) == 60 and not opened


def test_it_ends_before_long_and_the_rest_is_left(source, opened, monkeypatch) -> None:
    monkeypatch.setattr(ahead, "_TOGETHER", 8)
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(ahead, "_SECONDS", 3.0)
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    first = len(opened)
    assert 0 < first < 60
    prepare(source)
    assert len(set(opened)) == len(opened) == 60


@pytest.mark.parametrize("name", ["", "demo", "tfds:beans", "s3://bucket/photographs"])
def test_what_is_no_folder_or_table_here_is_left_alone(
    name: str, opened, tmp_path: Path
) -> None:
    ahead.look(DataSettings(source=name), tmp_path / "cache")
    assert not opened and not (tmp_path / "cache").exists()


def test_each_worker_looks_at_its_own_part_only(source, opened, monkeypatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    assert not opened
