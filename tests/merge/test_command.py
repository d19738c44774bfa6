"""Shards become one file when all of them are there."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.shards.test_plan import WHAT
from tests.shards.test_work import content, files, settle
from tfpipeline import cli
from tfpipeline.config.embed import MergeSettings
from tfpipeline.core import stores
from tfpipeline.merge.command import merge
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work


def start(*words: object) -> int:
    return cli.main(merge, MergeSettings, [str(word) for word in words])


def test_what_is_missing_is_named_and_nothing_is_written(
    tmp_path: Path, capsys
) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content, (1, 2))
    target = tmp_path / "all.csv"
    assert start(plan.folder, "--output", target, "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["missing"] == [0, 2, 4] and not target.exists()
    work.compute_all(plan, content, (0, 2))
    for _ in range(2):  # What it wrote itself it replaces.
        assert start(plan.folder, "--output", target) == 0 and target.is_file()


@pytest.mark.parametrize("name", ["all.txt", "all", "there.csv", "plan/x/all.csv"])
def test_no_file_is_replaced_and_other_kinds_are_refused(
    tmp_path: Path, name: str, capsys
) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "plan").write_text("a file where a folder is named")
    assert start(plan.folder, "--output", tmp_path / name) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_what_is_no_folder_of_shards_is_refused(tmp_path: Path, capsys) -> None:
    assert start(tmp_path) == 2
    assert "plan.json" in capsys.readouterr().err
    assert start() == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("out/all.csv", "outside"),
        ("gs://me:word@b/all.csv", "password"),
        ("mine.csv", "would be replaced"),
        ("mine.npy", "would be replaced"),
        ("mine.parquet", "would be replaced"),
    ],
)
def test_what_is_somebodys_or_elsewhere_is_not_written(
    tmp_path: Path, name: str, why: str, capsys, monkeypatch
) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("id,price\n1,2\n")
    np.save("mine.npy", np.zeros((3, 4)))
    if name.endswith(".parquet"):
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        importlib.import_module("pyarrow.parquet").write_table(
            pa.table({"id": ["1"]}), name
        )
    before = files(tmp_path)
    assert start(plan.folder, "--output", name) == 2
    assert why in " ".join(capsys.readouterr().err.split())
    assert files(tmp_path) == before


def test_shards_behind_a_url_are_joined_into_a_file_there(
    far: str, tmp_path: Path, capsys
) -> None:
    local = settle(tmp_path)
    shards = stores.Place(f"{far}/out")
    plan = plans.settle(shards, local.request["images"], 3, WHAT)
    work.compute_all(plan, content)
    for _ in range(2):  # What it wrote itself it replaces.
        assert start(shards, "--output", f"{far}/all.csv") == 0
    stores.Place(f"{far}/mine.csv").write_bytes(b"mine")
    for name, why in (("mine.csv", "replaced"), ("out/all.csv", "outside")):
        assert start(shards, "--output", f"{far}/{name}") == 2
        assert why in " ".join(capsys.readouterr().err.split())


def test_a_store_whose_package_is_missing_is_named(capsys, monkeypatch) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert start("s3://b/shards") == 2
    assert "s3fs" in capsys.readouterr().err
