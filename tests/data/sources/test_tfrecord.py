"""Shards hold what the files held, to the byte, and anything may read them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_injection
from tests.data.sources.test_base import put
from tfpipeline import cli
from tfpipeline.config import PackSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline, scan
from tfpipeline.data.sources import image_folder, tfrecord
from tfpipeline.pack.command import pack


def packed_source(root: Path, shard_bytes: int = 200):
    names = [f"train/{c}/{i}.png" for c in "ab" for i in range(5)]
    put(root / "in", *names, "test/b/\u00e9.png")
    source = image_folder.open_folder(root / "in")
    rows = scan.audit(source.paths, cache=None)
    tfrecord.pack(source, rows, root / "out", shard_bytes)
    return source, tfrecord.open_packed(root / "out")


def test_everything_comes_back(tmp_path: Path) -> None:
    source, again = packed_source(tmp_path)
    assert tfrecord.is_packed(tmp_path / "out") and not tfrecord.is_packed(
        tmp_path / "in"
    )
    assert again.labels == source.labels and again.ids == source.ids
    assert again.split == source.split
    np.testing.assert_array_equal(again.label, source.label)
    for file, shard, span in zip(source.paths, again.paths, again.spans):
        assert image_io.content(shard, *span) == file.read_bytes()
    assert len(set(again.paths)) > 2


def test_tensorflow_reads_the_shards_by_itself(tmp_path: Path) -> None:
    source, again = packed_source(tmp_path)
    keys = ("image/encoded", "image/class/text", "image/filename")
    features = {key: tf.io.FixedLenFeature([], tf.string) for key in keys}
    features["image/class/label"] = tf.io.FixedLenFeature([], tf.int64)
    shards = sorted(str(path) for path in set(again.paths))
    found = [
        tf.io.parse_single_example(record, features)
        for record in tf.data.TFRecordDataset(shards)
    ]
    assert [e["image/filename"].numpy().decode() for e in found] == list(source.ids)
    for example, file, label in zip(found, source.paths, source.label):
        assert example["image/encoded"].numpy() == file.read_bytes()
        assert example["image/class/label"].numpy() == label


def test_batches_from_shards_are_those_from_the_files(tmp_path: Path) -> None:
    source, again = packed_source(tmp_path)
    order = np.arange(len(source))[::-1]
    results = []
    for one in (source, again):
        rows = scan.audit(one.paths, one.spans, cache=tmp_path / "cache")
        reading = pipeline.Reading(8, 8, "squash", 4, "light")
        batches = pipeline.Batches(rows, one.label, reading)
        results.append([b for batch in batches.augmented(order, 1) for b in batch])
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)


def test_the_audit_of_shards_is_kept_by_place(tmp_path: Path) -> None:
    _, again = packed_source(tmp_path)
    cache = tmp_path / "cache"
    rows = scan.audit(again.paths, again.spans, cache=cache)
    assert len({row.sha256 for row in rows}) == len(again)
    # They are drawn in one colour; a record has no name that could be wrong.
    assert not any(row.reason or ";" in row.warning for row in rows)
    assert scan.audit(again.paths, again.spans, cache=cache) == rows


def test_a_shard_that_is_cut_off_or_gone_is_named(tmp_path: Path) -> None:
    _, again = packed_source(tmp_path)
    last = sorted(set(again.paths))[-1]
    last.write_bytes(last.read_bytes()[:50])
    with pytest.raises(UserError, match=f"{last.name}: has 50 bytes"):
        tfrecord.open_packed(tmp_path / "out")
    last.unlink()
    with pytest.raises(UserError, match="is missing"):
        tfrecord.open_packed(tmp_path / "out")


def test_an_index_that_is_cut_off_is_told(tmp_path: Path) -> None:
    packed_source(tmp_path)
    index = tmp_path / "out" / tfrecord.INDEX
    lines = index.read_text().splitlines()
    index.write_text("\n".join(lines[:-2]) + "\n")
    with pytest.raises(UserError, match="expected 11 rows"):
        tfrecord.open_packed(tmp_path / "out")


def test_what_stands_in_the_folder_is_not_overwritten(tmp_path: Path) -> None:
    packed_source(tmp_path)
    with pytest.raises(UserError, match="--overwrite true"):
        tfrecord.check_target(tmp_path / "out", overwrite=False)
    tfrecord.check_target(tmp_path / "out", overwrite=True)
    tfrecord.check_target(tmp_path / "new", overwrite=False)
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="thesis.txt"):
        tfrecord.check_target(tmp_path / "out", overwrite=True)


def test_an_interrupted_packing_leaves_what_was_there(
    tmp_path: Path, monkeypatch
) -> None:
    source, _ = packed_source(tmp_path)
    rows = scan.audit(source.paths, cache=None)
    calls = []
    real = tfrecord._example

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(tfrecord, "_example", interrupted)
    before = {f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()}
    for folder in ("out", "new"):
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            tfrecord.pack(source, rows, tmp_path / folder, 100)
    assert {f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()} == before
    assert sorted(e.name for e in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("onto", ["itself", "nothing"])
def test_packing_comes_to_the_same_end_wherever_it_is_killed(
    memory_path: Path, tmp_path: Path, onto: str
) -> None:
    """By the command, whose source may be what it replaces."""
    place, out = memory_path / "w", memory_path / "w" / "out"
    source, _ = packed_source(tmp_path)
    shutil.copytree(tmp_path / "out", memory_path / "in")
    if onto == "itself":
        shutil.copytree(tmp_path / "out", out)
        (out / "quarantine.csv").write_text("id,path,reason\n")
    given = out if onto == "itself" else memory_path / "in"
    argv = ["--source", str(given), "--output", str(out), "--overwrite", "true"]
    argv += ["--cache_dir", str(memory_path / "cache")]
    place.mkdir(exist_ok=True)
    with fault_injection.watched(place, memory_path / "kept") as moments:
        assert cli.main(pack, PackSettings, argv) == 0
    end = contents(place)
    assert set(end) == {f"out/{name}" for name in (*SHARDS, "quarantine.csv")}
    for moment in moments:
        assert cli.main(pack, PackSettings, argv) == 0, moment
        assert contents(place) == end, moment
    again = tfrecord.open_packed(out)
    assert again.ids == source.ids
    for file, shard, span in zip(source.paths, again.paths, again.spans):
        assert image_io.content(shard, *span) == file.read_bytes()
    assert len(moments.states) > 12


SHARDS = ("00000.tfrecord", tfrecord.INDEX, tfrecord.DESCRIPTION)


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_has_come_into_the_folder_meanwhile_is_not_removed(
    tmp_path: Path,
) -> None:
    source, _ = packed_source(tmp_path)
    rows = scan.audit(source.paths, cache=None)
    note = tmp_path / "out" / "thesis.txt"
    with pytest.raises(UserError, match="thesis.txt"):
        tfrecord.pack(
            source, rows, tmp_path / "out", 100, lambda _: note.write_text("mine")
        )
    assert note.read_text() == "mine" and tfrecord.open_packed(tmp_path / "out")


def test_a_source_can_be_packed_onto_itself(tmp_path: Path) -> None:
    source, first = packed_source(tmp_path)
    rows = scan.audit(first.paths, first.spans, cache=None)
    tfrecord.pack(first, rows, tmp_path / "out", 10**6)
    again = tfrecord.open_packed(tmp_path / "out")
    assert len(set(again.paths)) == 1 and again.ids == source.ids
    for file, shard, span in zip(source.paths, again.paths, again.spans):
        assert image_io.content(shard, *span) == file.read_bytes()


def test_files_of_the_same_names_that_are_not_ours_are_not_touched(
    tmp_path: Path,
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0001.tfrecord").write_text("mine")
    with pytest.raises(UserError, match="0001.tfrecord"):
        tfrecord.check_target(tmp_path / "out", overwrite=True)


def test_a_file_that_has_gone_since_the_audit_is_named(tmp_path: Path) -> None:
    source, _ = packed_source(tmp_path)
    rows = scan.audit(source.paths, cache=None)
    source.paths[3].unlink()
    with pytest.raises(UserError, match=f"{source.paths[3].name}: No such file"):
        tfrecord.pack(source, rows, tmp_path / "new", 100)
    assert not (tmp_path / "new").exists()
