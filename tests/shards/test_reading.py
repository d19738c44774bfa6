"""Shards of features are read back as they were written, or refused by name."""

import hashlib
import itertools
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import plan as plans
from tfpipeline.shards import reading, work

FORMATS = ("numpy", "parquet")


def put(
    folder: Path,
    paths: Sequence[str],
    vectors: np.ndarray,
    *,
    size: int = 3,
    bad: Collection[str] = (),
    named: Mapping[str, Any] | None = None,
    **what: Any,
) -> plans.Plan:
    """Write what `embed` writes, of pictures that are nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    # From a list, relative paths are those from its folder: ids stay as they are.
    lines = [f"{p},{'' if os.path.isabs(p) else p}" for p in paths]
    (folder / "list.csv").write_text("\n".join(["path,id", *lines]))
    about = {
        **{"command": "embed", "network": "abc", "width": vectors.shape[1]},
        **{"dtype": str(vectors.dtype), "size": [32, 32], "resize": "squash"},
        **{"range": "full", "decoding": image_io.RULES, "switches": []},
    }
    words = [str(folder / "list.csv")]
    plan = plans.settle(folder / "out", words, size, about | what, named=named)
    of = dict(zip(paths, vectors))

    def compute(shard: list[Picture]) -> work.Content:
        places = itertools.count()
        rows = [
            (
                p.id,
                digest(p.id),
                *(("", "no image") if p.id in bad else (next(places), "")),
            )
            for p in shard
        ]
        good = [of[p.id] for p in shard if p.id not in bad]
        array = np.array(good, vectors.dtype).reshape(-1, vectors.shape[1])
        header = ("id", "sha256", "row", "error")
        return work.Content(header, rows, len(rows) - len(good), array)

    work.compute_all(plan, compute)
    work.end(plan)
    return plan


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names(count: int) -> list[str]:
    return [f"/nowhere/{'cat' if i % 2 else 'dog'}/{i:03d}.jpg" for i in range(count)]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_each_picture_has_its_features_again(
    tmp_path: Path, kind: str, dtype: str
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="no pyarrow: extra [parquet]")
    paths, rng = names(8), np.random.default_rng(0)
    vectors = rng.normal(size=(8, 4)).astype(dtype)
    put(tmp_path, paths, vectors, bad=paths[2:4], format=kind)
    plan = reading.open_plan(tmp_path / "out")
    rows = reading.rows(plan)
    assert [*rows.ids] == paths and [*rows.sha256] == [digest(path) for path in paths]
    assert rows.errors == {2: "no image", 3: "no image"}
    assert rows.shard.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert np.flatnonzero(rows.row < 0).tolist() == [2, 3]
    for i in range(8):
        if rows.row[i] >= 0:
            array = reading.vectors(plan, int(rows.shard[i]), checks=True)
            assert array.dtype == dtype
            np.testing.assert_array_equal(array[rows.row[i]], vectors[i])


def test_names_that_are_no_utf_8_come_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"/nowhere/cat/\xff.jpg")
    plan = put(tmp_path, ["/a/b/1.jpg"], np.ones((1, 2), np.float32))
    file = plan.file(0, "csv")
    content = file.read_bytes().replace(b"/a/b/1.jpg", os.fsencode(name))
    file.write_bytes(content)
    done = json.loads(plan.done(0).read_text())
    done["sha256"]["csv"] = hashlib.sha256(content).hexdigest()
    plan.done(0).write_text(json.dumps(done))
    assert [*reading.rows(plan).ids] == [name]


def changed(plan: plans.Plan, number: int, **values: Any) -> None:
    done = json.loads(plan.done(number).read_text())
    plan.done(number).write_text(json.dumps(done | values))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda plan: plan.done(1).unlink(), "Missing: 1"),
        (lambda plan: changed(plan, 2, request="0" * 64), "2"),
        (lambda plan: plan.file(0, "csv").write_text("id\n"), "shard-000000.csv"),
        (lambda plan: plan.file(0, "csv").unlink(), "shard-000000.csv"),
        (lambda plan: changed(plan, 1, images=7), "shard-000001.csv"),
    ],
)
def test_incomplete_and_changed_folders_are_refused_by_name(
    tmp_path: Path, harm: Any, words: str
) -> None:
    plan = put(tmp_path, names(8), np.ones((8, 2), np.float32))
    harm(plan)
    with pytest.raises(UserError) as error:
        reading.rows(plan)
    assert words in str(error.value) and "out" in str(error.value)


def test_a_picture_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    plan = put(tmp_path, ["/a/1.jpg", "/a/2.jpg"] * 2, np.ones((4, 2), np.float32))
    with pytest.raises(UserError, match="/a/1.jpg"):
        reading.rows(plan)


def test_features_that_were_changed_are_refused_when_they_are_checked(
    tmp_path: Path,
) -> None:
    plan = put(tmp_path, names(3), np.ones((3, 2), np.float32))
    np.save(plan.file(0, "npy"), np.zeros((3, 2), np.float32))
    with pytest.raises(UserError, match="shard-000000.npy"):
        reading.vectors(plan, 0, checks=True)
    assert not reading.vectors(plan, 0, checks=False).any()
    np.save(plan.file(0, "npy"), np.zeros((3, 5), np.float32))
    with pytest.raises(UserError, match="shard-000000.npy"):
        reading.vectors(plan, 0, checks=False)


def test_what_embed_did_not_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--data.features"):
        reading.open_plan(tmp_path)
    put(tmp_path, names(2), np.ones((2, 2), np.float32), command="predict")
    with pytest.raises(UserError, match="predict"):
        reading.open_plan(tmp_path / "out")
    with pytest.raises(UserError, match="--data.features"):
        reading.open_plan(Path("gs://bucket/features"))
