"""Rows of features find their labels: in their ids, or in a source joined by id."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.sources.test_base import never
from tests.shards.test_reading import digest, names, put
from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset
from tfpipeline.data.sources import tfrecord
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.opening import open_source
from tfpipeline.shards import reading
from tfpipeline.shards.labels import HeldRow, Labels

COUNT = 40


def labels(
    folder: Path, paths: Sequence[str], data: dict[str, Any] | None = None, **what: Any
) -> Labels:
    """Write features of pictures, and return their labels by settings `data`."""
    if not (folder / "out").exists():
        put(folder, paths, np.ones((len(paths), 1), np.float32), size=7, **what)
    plan = reading.open_plan(folder / "out")
    settings = DataSettings(features="out", **(data or {}))
    return Labels.of(plan, reading.rows(plan), settings)


def opened(given: Labels, paths: Sequence[str], folder: Path) -> Source:
    """Open labels, and make sure that each example has the row of its own picture."""
    source, rows = given.open(folder, never)
    for path, row in zip(source.paths, rows, strict=True):
        assert isinstance(row, HeldRow) and row.path == str(path)
        if row.row >= 0:
            assert paths[row.row] == row.path and row.sha256 == digest(row.path)
        else:
            assert row.reason
    return source


def tree(seed: int) -> list[str]:
    """Return names below a folder as they are found, with what is no picture."""
    draw, found = random.Random(seed), set[str]()
    for top in draw.choice([["train", "test"], [""], ["train", "val"], ["images"]]):
        for label in draw.sample(["cat", "dog", "Ant", "a b", "c.x", "c"], 3):
            for _ in range(draw.randint(1, 6)):
                below = draw.choice(["", "", "", "more", "more/deep", "x.y"])
                file = draw.choice(["1.jpg", "1_mask.png", "2.json", "é.jpg", "1.txt"])
                parts = (top, label, below, file)
                found.add("/".join(part for part in parts if part))
    if draw.random() < 0.3:
        found.add("loose.jpg")
    return sorted(found, key=lambda name: draw.random())


@pytest.mark.parametrize("seed", range(24))
def test_folders_in_ids_are_read_as_folders_of_pictures_are(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    root, inside = tmp_path / "data", tree(seed)
    for name in inside:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no picture")
    how = {"label_from": "top" if seed % 3 == 0 else "folder"}
    expected: Source | str
    try:
        expected = open_source(DataSettings(str(root), **how), tmp_path, never)
    except UserError as error:
        expected = str(error)
    shutil.rmtree(root)
    paths = [str(root / name) for name in inside]
    given = labels(tmp_path, paths, how, images=[str(root)])
    assert given.data.source == str(root)
    if isinstance(expected, str):
        with pytest.raises(UserError) as refused:
            given.open(tmp_path, never)
        assert str(refused.value) == expected
        return
    found = opened(given, paths, tmp_path)
    assert [*found.ids] == [*expected.ids] and [*found.paths] == [*expected.paths]
    assert found.labels == expected.labels and found.split == expected.split
    assert found.label.tolist() == expected.label.tolist()


def test_names_of_files_are_labels_where_that_is_asked_for(tmp_path: Path) -> None:
    paths = [f"/in/{name}_{i}.jpg" for name in ("pug", "cat") for i in range(3)]
    paths += ["/in/more/pug_9.jpg"]
    given = labels(tmp_path, paths, {"label_from": "file_name"}, images=["/in"])
    found = opened(given, paths, tmp_path)
    assert found.labels == ("cat", "pug") and np.bincount(found.label).tolist() == [
        3,
        4,
    ]


@pytest.mark.parametrize(
    "inside",
    [
        ["pug_1.jpg", "cat_2.jpg", "cat_1.jpg"],
        ["z/cat_1.jpg", "a/pug_1.jpg", "a/cat_2.jpg", "pug_3.jpg", "a.b/cat_9.jpg"],
    ],
)
def test_names_of_files_are_examples_in_the_order_of_pictures(
    tmp_path: Path, inside: list[str]
) -> None:
    root, how = tmp_path / "data", {"label_from": "file_name"}
    for name in inside:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no picture")
    expected = open_source(DataSettings(str(root), **how), tmp_path, never)
    shutil.rmtree(root)
    paths = [str(root / name) for name in inside]
    found = opened(labels(tmp_path, paths, how, images=[str(root)]), paths, tmp_path)
    assert [*found.ids] == [*expected.ids] and found.labels == expected.labels
    assert found.label.tolist() == expected.label.tolist()


def test_a_folder_of_pack_of_today_is_not_that_which_was_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"in/{'ab'[i % 2]}/{i}.png" for i in range(8)]
    for file in (tfrecord.DESCRIPTION, tfrecord.INDEX):
        (tmp_path / "here" / "in").mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / "in" / file).write_text("")
    monkeypatch.chdir(tmp_path / "here")
    where = {"working_folder": "/elsewhere", "images": ["in"]}
    assert labels(tmp_path, paths, **where).data.source == "/elsewhere/in"


def test_relative_ids_are_found_from_the_folder_in_which_they_were_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"in/{'ab'[i % 2]}/{i}.png" for i in range(COUNT)]
    absolute = [str(tmp_path / path) for path in paths]
    monkeypatch.chdir("/")
    for source in ("demo", str(tmp_path / "in"), "in"):
        where = {"working_folder": str(tmp_path)}
        given = labels(tmp_path, paths, {"source": source}, **where)
        found = [*given.open(tmp_path, never)[0].paths]
        assert sorted(map(str, found)) == sorted(absolute)
        assert given.open(tmp_path, never)[0].ids[0] == "a/0.png"


def test_a_csv_is_joined_by_id_and_what_has_no_partner_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = names(COUNT)
    rows = [f"{path},{'odd' if i % 2 else 'even'}" for i, path in enumerate(paths)]
    # One row of features has no label, one label no features, one picture was broken.
    rows[3] = "/nowhere/else.jpg,odd"
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    own = {"source": str(tmp_path / "labels.csv")}
    given = labels(tmp_path, paths, own, bad=[paths[5]])
    assert opened(given, paths, tmp_path).labels == ("even", "odd")
    assert paths[3] in capsys.readouterr().err
    source, files = given.open(tmp_path, never)
    examples = dataset.prepare(given.data, 0, tmp_path, never, source, files)
    assert len(examples.source) == COUNT - 2
    bad = {name: row.reason for name, row in examples.quarantined}
    assert set(bad) == {paths[5], "/nowhere/else.jpg"}
    assert bad[paths[5]] == "no image" and "out" in bad["/nowhere/else.jpg"]
    kept = [row for row in examples.files if isinstance(row, HeldRow)]
    assert [row.path for row in kept] == [str(path) for path in examples.source.paths]
    assert [*examples.keys] == [digest(row.path) for row in kept]


def test_ids_of_a_csv_come_before_its_paths(tmp_path: Path) -> None:
    paths = names(9)
    rows = [f"x.jpg,{path},{'ab'[i % 2]}" for i, path in enumerate(paths)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,id,label", *rows]))
    given = labels(tmp_path, paths, {"source": str(tmp_path / "labels.csv")})
    source, files = given.open(tmp_path, never)
    for name, row in zip(source.ids, files, strict=True):
        assert isinstance(row, HeldRow) and paths[row.row] == name


def test_labels_that_are_mostly_of_other_pictures_are_refused(tmp_path: Path) -> None:
    rows = [f"/other/{i}.jpg,{'ab'[i % 2]}" for i in range(9)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    given = labels(tmp_path, names(9), {"source": str(tmp_path / "labels.csv")})
    source, files = given.open(tmp_path, never)
    with pytest.raises(UserError, match="--data.max_bad_fraction"):
        dataset.prepare(given.data, 0, tmp_path, never, source, files)


@pytest.mark.parametrize("paths", [["/flat/1.jpg", "/flat/2.jpg"], ["1", "2"]])
def test_ids_without_folders_ask_for_labels(tmp_path: Path, paths: list[str]) -> None:
    given = labels(tmp_path, paths)
    with pytest.raises(UserError, match="--data.source FILE.csv"):
        given.open(tmp_path, never)


def test_a_packed_folder_gives_labels_to_its_ids_also_when_it_is_gone(
    tmp_path: Path,
) -> None:
    paths = [f"{'ab'[i % 2]}/{i}.png" for i in range(8)]
    given = labels(tmp_path, paths, images=["/gone/packed"])
    found = given.open(tmp_path, never)[0]
    assert given.data.source == "/gone/packed" and found.labels == ("a", "b")
    assert sorted(found.ids) == sorted(paths)


def test_classes_are_renamed_joined_and_dropped_as_of_pictures(tmp_path: Path) -> None:
    paths = [f"/in/{'abcd'[i % 4]}/{i:02d}.png" for i in range(COUNT)]
    (tmp_path / "classes.csv").write_text("class,new\na,x\nb,x\nc,\n")
    own = {"classes": str(tmp_path / "classes.csv"), "group_from": r"(\d)\.png"}
    found = opened(labels(tmp_path, paths, own, images=["/in"]), paths, tmp_path)
    assert found.labels == ("d", "x") and len(found) == 30
    assert [name[-5] for name in found.ids] == [*found.group]
