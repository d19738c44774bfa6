"""A version has what its network says of the run's held-out images."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.conftest import Exported, Trained
from tests.test_targets import runs as targets_runs  # noqa: F401
from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.evaluate import run_inputs
from tfpipeline.export import held_out, versions
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.predict import answers


def test_it_is_what_the_run_predicted(small_run: Trained, exported: Exported) -> None:
    version: Path = exported.base / "1"
    served = file_io.read_csv(version / versions.HELD_OUT)
    own = {r["id"]: r for r in file_io.read_csv(small_run.path / "predictions.csv")}
    assert {row["split"] for row in served} == {"validation", "test"}
    held_out = [row for row in own.values() if row["split"] != "train"]
    assert len(served) == len(held_out)
    for row in served:
        told = own[row["id"]]
        assert row["predicted"] == told["predicted"] and row["split"] == told["split"]
        assert float(row["probability"]) == pytest.approx(
            float(told["probability"]), abs=1e-4
        )
        assert float(row["novelty"]) < 100


def test_a_version_is_written_without_it_where_what_was_kept_is_damaged(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    run, version = RunFolder(tmp_path / "run"), tmp_path / "version"
    shutil.copytree(small_run.path, run.path)
    version.mkdir()
    ready = run_inputs.ready(run)
    held_out.write(version, run, ready, 1.0)
    assert (version / versions.HELD_OUT).is_file()
    assert (
        RunFolder(version).reference.is_dir() and RunFolder(version).novelty.is_file()
    )
    shutil.rmtree(version)
    version.mkdir()
    features = run.reference / "features.npy"
    features.write_bytes(features.read_bytes()[:-7])
    held_out.write(version, run, ready, 1.0)
    assert not list(version.iterdir())
    said = " ".join(capsys.readouterr().err.split())
    assert f"{versions.HELD_OUT} is not written" in said and "train again" in said


@pytest.mark.parametrize("target", ["multi", "number"])
def test_a_version_has_the_calibrated_answers_that_predict_gives(
    targets_runs: Path, target: str, tmp_path: Path  # noqa: F811
) -> None:
    run, version = RunFolder(targets_runs / target), tmp_path / "version"
    version.mkdir()
    ready = run_inputs.ready(run)
    ready = ready._replace(decision=dataclasses.replace(ready.decision, temperature=3))
    held_out.write(version, run, ready, 1.0)
    rows = file_io.read_csv(version / versions.HELD_OUT)[:8]
    ask = answers.of_ready(ready, Calibration(), 3)
    given = [str(targets_runs / row["id"]) for row in rows]
    for row, told in zip(rows, answers.rows(given, ask, 3), strict=True):
        if target == "number":
            assert float(row["predicted"]) == pytest.approx(told["value"], rel=1e-4)
            continue
        assert {*filter(None, row["predicted"].split("|"))} == set(told["labels"])
        highest = max(told["probabilities"].values())
        assert float(row["probability"]) == pytest.approx(highest, abs=1e-4)
