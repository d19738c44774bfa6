"""A version has what its network says of the run's held-out images."""

from pathlib import Path

import pytest

from tests.conftest import Exported, Trained
from tfpipeline.core import file_io
from tfpipeline.export import versions


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
