"""What a user says of single examples is done, and moves no other example."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.sources.test_base import put
from tfpipeline.config import DataSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import corrections, dataset, splits
from tfpipeline.data.sources.base import Source, from_rows
from tfpipeline.data.sources.class_map import ClassMap

HEADER = ("id", "label", "action", "new_label")


def source() -> Source:
    rows = [(Path(f"{i}"), f"{i}", i % 2, "") for i in range(6)]
    return from_rows("s", ["cat", "dog"], rows)


def write(path: Path, *rows: tuple[str, ...]) -> Path:
    file_io.write_csv(path / "c.csv", HEADER, rows)
    return path / "c.csv"


def test_each_action_does_what_it_says(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        ("0", "cat", "relabel", "dog"),
        ("1", "dog", "Drop ", ""),
        ("2", "cat", "keep", "dog"),
        ("3", "dog", "", "cat"),
    )
    found = corrections.read(file, source())
    assert found.counts == {"keep": 1, "relabel": 1, "drop": 1}
    left = source().take(found.left(source()))
    assert left.ids == ("0", "2", "3", "4", "5")
    assert found.relabel(left).label.tolist() == [1, 0, 1, 0, 1]


def test_what_was_done_can_be_done_again_from_what_is_written(tmp_path: Path) -> None:
    file = write(tmp_path, ("0", "cat", "relabel", "dog"), ("1", "", "drop", ""))
    found = corrections.read(file, source())
    found.write(tmp_path / "again.csv", source().labels)
    assert corrections.read(tmp_path / "again.csv", source()) == found


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("9", "cat", "drop", ""), "line 3.*no example '9'"),
        (("1", "dog", "dorp", ""), "line 3.*keep, relabel, drop.*'dorp'.*'drop'"),
        (("1", "dog", "relabel", ""), "line 3.*new_label"),
        (("1", "dog", "relabel", "dgo"), "line 3.*no class 'dgo'.*'dog'"),
        (("1", "cow", "relabel", "cat"), "line 3.*'cow' there, but 'dog'"),
        (("0", "cat", "keep", ""), "line 3.*twice"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, row, words) -> None:
    file = write(tmp_path, ("0", "cat", "drop", ""), row)
    with pytest.raises(UserError, match=f"(?s)data.corrections.*{words}"):
        corrections.read(file, source())


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        corrections.read(tmp_path / "none.csv", source())
    file_io.write_csv(tmp_path / "c.csv", ("id", "label"), [("0", "cat")])
    with pytest.raises(UserError, match="columns id, action, new_label"):
        corrections.read(tmp_path / "c.csv", source())


def test_an_example_that_cannot_be_read_any_more_needs_no_correction(tmp_path) -> None:
    file = write(tmp_path, ("gone", "cat", "drop", ""))
    assert corrections.read(file, source(), {"gone"}).counts["drop"] == 0


def prepared(root: Path, **settings) -> dict[str, tuple[str, str]]:
    """Return class and split of each example, by its id."""
    data = DataSettings(source=str(root), **settings)
    found = dataset.prepare(data, 0, root.parent / "cache", lambda path: path)
    own = found.source
    names = [own.labels[label] for label in own.label]
    return dict(zip(own.ids, zip(names, found.split.tolist())))


def folder(tmp_path: Path) -> Path:
    names = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(20)]
    put(tmp_path / "images", *names)
    return tmp_path / "images"


@pytest.mark.parametrize("settings", [{}, {"examples_per_class": 6}])
def test_no_other_example_changes_its_split(tmp_path: Path, settings) -> None:
    root = folder(tmp_path)
    before = prepared(root, **settings)
    assert {split for _, split in before.values()} == {"train", "validation", "test"}
    trained = [name for name, (_, split) in before.items() if split == "train"]
    tested = [name for name, (_, split) in before.items() if split == "test"]
    rows = [(name, "", "drop", "") for name in (trained[0], tested[0])]
    turned = [(trained[1], "dog"), (tested[1], "dog")]
    assert all(before[name][0] == "cat" for name, _ in turned)
    rows += [(name, "cat", "relabel", new) for name, new in turned]
    file = write(tmp_path, *rows)
    after = prepared(root, corrections=str(file), **settings)
    assert before.keys() - after.keys() == {trained[0], tested[0]}
    assert all(after[name][1] == before[name][1] for name in after)
    changed = {name for name in after if after[name][0] != before[name][0]}
    assert changed == {trained[1], tested[1]}


def test_splits_may_be_pinned_from_before_and_from_after(tmp_path: Path) -> None:
    root = folder(tmp_path)
    file = write(
        tmp_path, ("cat/3.png", "cat", "relabel", "dog"), ("dog/4.png", "", "drop", "")
    )
    runs = []
    for fixes in (None, str(file)):
        data = DataSettings(source=str(root), corrections=fixes)
        found = dataset.prepare(data, 0, tmp_path / "cache", lambda path: path)
        splits.write(tmp_path / "s.csv", found.source, found.split, found.keys)
        pinned = DataSettings(
            source=str(root), corrections=str(file), splits=str(tmp_path / "s.csv")
        )
        again = dataset.prepare(pinned, 0, tmp_path / "cache", lambda path: path)
        runs.append((again.source.ids, again.source.label.tolist(), list(again.split)))
    assert runs[0] == runs[1]


def test_an_evaluation_of_all_is_corrected_too(tmp_path: Path) -> None:
    root = folder(tmp_path)
    file = write(tmp_path, ("cat/3.png", "cat", "drop", ""))
    data = DataSettings(source=str(root), corrections=str(file))
    found = dataset.open_all(data, tmp_path / "cache", lambda path: path)
    assert len(found.source) == len(found.files) == 39
    assert np.unique(found.source.label).tolist() == [0, 1]


def test_corrections_from_before_classes_were_renamed_or_dropped_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(Path(f"{i}"), f"{i}", i % 4, "") for i in range(8)]
    before = from_rows("s", ["Cat", "bird", "cat", "dog"], rows)
    after = before.with_classes(ClassMap({"Cat": "cat", "bird": None}))
    file = write(
        tmp_path,
        ("0", "Cat", "relabel", "dog"),
        ("1", "bird", "relabel", "dog"),
        ("2", "cat", "relabel", "bird"),
        ("3", "dog", "relabel", "Cat"),
        ("4", "cat", "drop", ""),
    )
    found = corrections.read(file, after)
    cat, dog = (after.labels.index(name) for name in ("cat", "dog"))
    # What was moved to a dropped class is dropped with it; what was in it, is gone.
    assert found.relabelled == {"0": dog, "3": cat} and found.dropped == {"2", "4"}
    assert "dropped: 1" in capsys.readouterr().err
    others = before.with_classes(ClassMap({"*": "other", "dog": "dog"}))
    slip = write(tmp_path, ("0", "Cat", "relabel", "dgo"))
    with pytest.raises(UserError, match="'dgo'.*'dog'"):
        corrections.read(slip, others)
