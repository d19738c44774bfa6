"""A training reads pictures behind URLs as it reads local ones."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import PLAIN
from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.demo import world
from tfpipeline.train.command import train


@pytest.mark.slow
def test_a_csv_of_urls_trains_what_a_csv_of_files_trains(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    world.write_folder(tmp_path / "in", ["rocket", "teapot"], 12, seed=5)
    files = sorted((tmp_path / "in").rglob("*.png"))
    metrics = []
    for name, prefix in (("local", ""), ("remote", "file://")):
        with open(tmp_path / f"{name}.csv", "w", newline="") as text:
            rows = csv.writer(text)
            rows.writerow(("path", "label", "id"))
            for file in files:
                label = file.parent.name
                rows.writerow((f"{prefix}{file}", label, f"{label}/{file.name}"))
        words = ["--data.source", str(tmp_path / f"{name}.csv"), *PLAIN]
        words += ["--workdir", str(tmp_path / name), "--train.epochs", "2"]
        words += ["--cache_dir", str(tmp_path / f"{name}_cache"), "--quiet"]
        assert cli.main(train, RunSettings, words) == 0
        content = json.loads((tmp_path / name / "metrics.json").read_text())
        metrics.append({key: content[key] for key in ("test", "validation")})
    assert metrics[0] == metrics[1]
