"""Rows of features find their labels: in their ids, or in a source joined by id."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.shards.test_reading import names, put
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.dataset import Examples
from tfpipeline.train.embedded.held import Held, open_held

COUNT = 40


def held(folder: Path, paths: Sequence[str], **what: Any) -> Held:
    vectors = np.arange(2 * len(paths), dtype=np.float32).reshape(-1, 2)
    put(folder, paths, vectors, size=7, **what)
    return open_held(str(folder / "out"))


def examples(given: Held, cache: Path, **data: Any) -> Examples:
    own = given.settings(DataSettings(**data))
    return given.examples(RunSettings(data=own), cache, lambda cache: cache)


def check_rows(given: Held, found: Examples, paths: Sequence[str]) -> None:
    """Make sure that each example has the features of its own picture."""
    rows = given.store(found).rows(range(len(found.source)))
    order = [paths.index(str(path)) for path in found.source.paths]
    np.testing.assert_array_equal(rows[:, 0], 2 * np.array(order))


def test_class_folders_in_the_ids_are_read_as_folders_of_pictures_are(
    tmp_path: Path,
) -> None:
    from tfpipeline.data.sources.image_folder import open_folder

    inside = [
        *(f"train/{name}/{i}.jpg" for name in ("cat", "dog") for i in range(9)),
        *(f"test/{name}/more/{i}.jpg" for name in ("dog", "cat") for i in range(3)),
        "train/cat/1_mask.png",
    ]
    for name in inside:
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).write_bytes(b"no picture")
    expected = open_folder(tmp_path / "pets")
    paths = [str(tmp_path / "pets" / name) for name in reversed(inside)]
    for name in inside:
        (tmp_path / "pets" / name).unlink()
    given = held(tmp_path, paths)
    found = examples(given, tmp_path)
    source = found.source
    assert source.labels == ("cat", "dog") and source.ids == expected.ids
    assert source.paths == expected.paths and source.split == expected.split
    assert set(found.split) == {"train", "validation", "test"}
    check_rows(given, found, paths)


def test_relative_ids_are_found_from_the_folder_in_which_they_were_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"in/{'ab'[i % 2]}/{i}.png" for i in range(COUNT)]
    # The words that name pictures were relative, and so is the folder of work.
    given = held(tmp_path, paths, working_folder=str(tmp_path))
    monkeypatch.chdir("/")
    absolute = [str(tmp_path / path) for path in paths]
    for source in ("demo", str(tmp_path / "in"), "in"):
        found = examples(given, tmp_path, source=source)
        assert found.source.ids[0] == "a/0.png" and len(found.source) == COUNT
        check_rows(given, found, absolute)


def test_a_csv_is_joined_by_id_and_what_has_no_partner_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = names(COUNT)
    rows = [f"{path},{'odd' if i % 2 else 'even'}" for i, path in enumerate(paths)]
    # One row of features has no label, one label no features, one picture was broken.
    rows[3] = "/nowhere/else.jpg,odd"
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    given = held(tmp_path, paths, bad=[paths[5]])
    found = examples(given, tmp_path, source=str(tmp_path / "labels.csv"))
    assert found.source.labels == ("even", "odd") and len(found.source) == COUNT - 2
    assert paths[3] in capsys.readouterr().err
    bad = {name: row.reason for name, row in found.quarantined}
    assert set(bad) == {paths[5], "/nowhere/else.jpg"}
    assert bad[paths[5]] == "no image" and "out" in bad["/nowhere/else.jpg"]
    check_rows(given, found, paths)


def test_ids_of_a_csv_come_before_its_paths(tmp_path: Path) -> None:
    paths = names(COUNT)
    rows = [f"x.jpg,{path},{'ab'[i % 2]}" for i, path in enumerate(paths)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,id,label", *rows]))
    given = held(tmp_path, paths)
    found = examples(given, tmp_path, source=str(tmp_path / "labels.csv"))
    assert sorted(found.source.ids) == sorted(paths)
    rows = given.store(found).rows(range(COUNT))
    order = [paths.index(name) for name in found.source.ids]
    np.testing.assert_array_equal(rows[:, 0], 2 * np.array(order))


def test_labels_that_are_mostly_of_other_pictures_are_refused(tmp_path: Path) -> None:
    rows = [f"/other/{i}.jpg,{'ab'[i % 2]}" for i in range(9)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    given = held(tmp_path, names(9))
    with pytest.raises(UserError, match="--data.max_bad_fraction"):
        examples(given, tmp_path, source=str(tmp_path / "labels.csv"))


def test_ids_without_folders_ask_for_labels(tmp_path: Path) -> None:
    given = held(tmp_path, [f"/flat/{i}.jpg" for i in range(9)])
    with pytest.raises(UserError, match="--data.source FILE.csv"):
        examples(given, tmp_path)


def test_one_class_is_refused_as_of_pictures(tmp_path: Path) -> None:
    given = held(tmp_path, [f"/in/cat/{i}.jpg" for i in range(9)], images=["/in"])
    with pytest.raises(UserError, match="two classes"):
        examples(given, tmp_path)


def test_groups_are_found_in_ids(tmp_path: Path) -> None:
    given = held(tmp_path, names(COUNT))
    found = examples(given, tmp_path, group_from=r"(\d)\.jpg")
    of_group: dict[str, set[str]] = {}
    for name, split in zip(found.source.group, found.split):
        of_group.setdefault(name, set()).add(split)
    assert len(of_group) == 10 and all(len(each) == 1 for each in of_group.values())


def test_how_features_are_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from tfpipeline.models import shard_features

    given = held(tmp_path, names(COUNT))
    found = examples(given, tmp_path)
    given.store(found)
    assert "in memory" in capsys.readouterr().err
    monkeypatch.setattr(shard_features, "MOST_BYTES", 2 * 7 * 2 * 4)
    given.store(found)
    assert "2 of 6 shards" in capsys.readouterr().err
