"""Benchmarks run, and make the rows of their table; what they measure is for them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SMALL = "main_job extraction attacks ideal_images training_loop serving growth".split()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_and_fills_its_rows(
    name: str, assets: Path, imagenet: None, tmp_path: Path
) -> None:
    pictures = assets / "images" / "cats_vs_dogs"
    words = [sys.executable, str(BENCHMARKS / "everything.py"), str(pictures)]
    words += ["--photographs", str(assets / "images" / "imagenet_sample")]
    words += ["--output", str(tmp_path), "--only", name, "--smoke"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / f"{name}.json").read_text())
    title, rule, *rows = (tmp_path / "table.md").read_text().splitlines()
    assert title == "| what | at least | measured |" and rule.startswith("|---")
    assert len([row for row in rows if row.startswith("| ")]) >= 1
    assert "tensorflow" in rows[-1]


def test_copies_are_other_files_of_the_same_pictures(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import copies

    from tfpipeline import images
    from tfpipeline.demo import photographs

    photographs.write_folder(tmp_path / "root" / "train", 4, 0)
    (tmp_path / "root" / "test").mkdir()
    assert copies.write(tmp_path / "root", tmp_path / "new", 10) == 4
    files = sorted((tmp_path / "new" / "train").rglob("*.jpg"))
    assert len(files) == len({file.read_bytes() for file in files}) == 10
    shown = {images.decode(file).tobytes() for file in files}
    assert len(shown) == 4
    assert (tmp_path / "new" / "test").is_dir()
