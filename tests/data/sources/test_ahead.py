"""Files that another process has looked at are not opened again."""

import time
from pathlib import Path

import pytest

from tests.data.sources.test_base import never
from tests.data.sources.test_targets import prepare, written
from tfpipeline.config import DataSettings
from tfpipeline.data import dataset, scan
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
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(ahead, "_SECONDS", 3.0)
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    first = len(opened)
    assert 0 < first < 60
    prepare(source)
    assert len(set(opened)) == len(opened) == 60


def test_what_a_source_has_to_say_is_left_to_whoever_uses_it(
    source, opened, tmp_path: Path, capfd
) -> None:
    pictures = sorted(source.parent.glob("**/*.png"))
    for number, picture in enumerate(pictures[:6]):
        target = tmp_path / "own" / "ab"[number % 2] / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.rename(target)
    (tmp_path / "own" / "nothing_in_it").mkdir()
    ahead.look(DataSettings(source=str(tmp_path / "own")), tmp_path / "cache")
    assert len(opened) == 6 and not any(capfd.readouterr())
    dataset.prepare(
        DataSettings(source=str(tmp_path / "own")), 0, tmp_path / "cache", never
    )
    assert "nothing_in_it" in capfd.readouterr().err


def test_pictures_behind_urls_are_not_fetched_twice(source, opened) -> None:
    lines = source.read_text().splitlines()
    lines[3] = "https://127.0.0.1:9/one.png," + lines[3].partition(",")[2]
    source.write_text("\n".join(lines))
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    assert not opened


@pytest.mark.parametrize("name", ["", "demo", "tfds:beans", "s3://bucket/photographs"])
def test_what_is_no_folder_or_table_here_is_left_alone(
    name: str, opened, tmp_path: Path
) -> None:
    ahead.look(DataSettings(source=name), tmp_path / "cache")
    assert not opened and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("variable", ["TF_CONFIG", "SLURM_STEP_NODELIST"])
def test_each_worker_looks_at_its_own_part_only(
    variable: str, source, opened, monkeypatch
) -> None:
    monkeypatch.setenv(variable, "{}")
    ahead.look(DataSettings(source=str(source)), source.parent / "cache")
    assert not opened
