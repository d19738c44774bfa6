"""Shards in Parquet are read by pyarrow and pandas, with the same bytes each time."""

import os
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: extra [parquet]")

from tests.shards.test_plan import WHAT, pictures  # noqa: E402
from tests.shards.test_work import content, files  # noqa: E402
from tfpipeline.core.errors import UserError  # noqa: E402
from tfpipeline.shards import work  # noqa: E402
from tfpipeline.shards import joining, parquet  # noqa: E402
from tfpipeline.shards import plan as plans  # noqa: E402


def settle(folder: Path) -> plans.Plan:
    if not (folder / "in").exists():
        pictures(folder / "in", 17)
    what = {**WHAT, "format": "parquet", "network": "abc"}
    return plans.settle(folder / "out", [str(folder / "in")], 4, what)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_rows_and_vectors_come_back(kind: str) -> None:
    import pyarrow.parquet as pq

    vectors = np.arange(6, dtype=kind).reshape(2, 3) / 4
    rows = [("a.png", 0, ""), (os.fsdecode(b"\xff.png"), "", "bad"), ("c", 1, "")]
    data = parquet.encode(("id", "row", "error"), rows, vectors, {"network": "n"})
    assert data == parquet.encode(
        ("id", "row", "error"), rows, vectors, {"network": "n"}
    )
    table = pq.read_table(pa.BufferReader(data))
    assert table.schema.field("features").type == pa.list_(
        pa.from_numpy_dtype(vectors.dtype), 3
    )
    assert table["id"].to_pylist() == ["a.png", "\\udcff.png", "c"]
    found = table["features"].to_pylist()
    assert table["error"].to_pylist() == ["", "bad", ""]
    # What is missing is no null, which pyarrow before 26 cannot read.
    assert np.isnan(found[1]).all() and table["features"].null_count == 0
    np.testing.assert_array_equal([found[0], found[2]], vectors)
    assert table.schema.metadata[b"tfpipeline.network"] == b"n"


@pytest.mark.parametrize("name", [b"a/b.png", b"caf\xe9", b"\xff\x80/x", b"\xc3\xa9"])
def test_names_that_are_no_utf8_are_read_back(tmp_path: Path, name: bytes) -> None:
    rows = [(os.fsdecode(name), 0, ""), ("other", "", "no image")]
    vectors = np.ones((1, 2), np.float32)
    data = parquet.encode(("id", "row", "error"), rows, vectors, {"network": "n"})
    (tmp_path / "x.parquet").write_bytes(data)
    _, (ids,) = parquet.read_rows(tmp_path / "x.parquet", ("id",))
    assert ids == [os.fsdecode(name), "other"]


def test_shards_are_joined_into_one_file(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    plan = settle(tmp_path)
    work.compute_all(plan, content)
    before = files(plan.folder)
    assert {Path(name).suffix for name in before if "shard" in name} == {
        *(".parquet", ".json")
    }
    joining.write(plan, tmp_path / "all.parquet")
    table = pq.read_table(tmp_path / "all.parquet")
    missing = np.isnan(np.stack(table["features"].to_numpy())).all(axis=1)
    assert len(table) == 17 and missing.sum() == 4
    with pytest.raises(UserError, match=".parquet"):
        joining.write(plan, tmp_path / "all.npy")
    # A plan of other work removes them, and the same work writes the same bytes.
    plans.settle(plan.folder, [str(tmp_path / "in")], 9, WHAT, overwrite=True)
    assert not list(plan.folder.glob("*.parquet"))
    words = [str(tmp_path / "in")]
    what = {**WHAT, "format": "parquet", "network": "abc"}
    plan = plans.settle(plan.folder, words, 4, what, overwrite=True)
    work.compute_all(plan, content)
    assert files(plan.folder) == before


def test_pandas_reads_a_shard(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    frame = pandas.read_parquet(plan.file(0, "parquet"))
    assert list(frame) == ["id", "features"] and len(frame["features"].iloc[1]) == 3


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"--format parquet.*\[parquet\]"):
        parquet.check()
    with pytest.raises(UserError, match=r"--output.*\[parquet\]"):
        parquet.join([], Path("all.parquet"))


def test_a_joined_file_is_known_again_and_others_are_not(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for number in range(2):
        vectors = np.full((1, 3), number, np.float32)
        data = parquet.encode(("id", "row"), [("x", 0)], vectors, {"network": "n"})
        (tmp_path / f"{number}.parquet").write_bytes(data)
    shards = [file.read_bytes() for file in sorted(tmp_path.glob("*.parquet"))]
    parquet.join(shards, tmp_path / "all.parquet")
    assert parquet.is_own(tmp_path / "all.parquet")
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "other.parquet")
    (tmp_path / "none.parquet").write_text("PAR1")
    assert not parquet.is_own(tmp_path / "other.parquet")
    assert not parquet.is_own(tmp_path / "none.parquet")
