"""The benchmark as a command: what it measures of this machine, and what it says."""

import json
from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.benchmark.command import benchmark
from tfpipeline.config.benchmark import BenchmarkSettings


def test_it_tells_what_this_machine_gives(tmp_path: Path, capsys) -> None:
    argv = ["--images", "64", "--rounds", "1", "--cache_dir", str(tmp_path / "cache")]
    argv += ["--model.weights", "demo", "--output", str(tmp_path / "out")]
    assert cli.main(benchmark, BenchmarkSettings, argv) == 0
    found = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert found["verdict"] in ("compute-bound", "input-bound", "balanced")
    rates = found["images_per_second"]
    assert all(rates[n] > 0 for n in ("reading", "network", "extraction"))
    assert found["machine"]["cores"] >= 1 and found["machine"]["memory_gb"] > 0
    assert {"tensorflow", "keras"} <= set(found["versions"])
    said = capsys.readouterr().out
    assert found["advice"] in said and "images/s" in said
    assert len(said.strip().splitlines()) <= 10
    assert cli.main(benchmark, BenchmarkSettings, argv) == 2
    assert "--overwrite true" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--images", "--rounds", "--epochs"])
def test_numbers_that_measure_nothing_are_refused(flag: str, tmp_path, capsys) -> None:
    argv = [flag, "0", "--output", str(tmp_path / "out")]
    assert cli.main(benchmark, BenchmarkSettings, argv) == 2
    assert flag in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
