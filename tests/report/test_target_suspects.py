"""What speaks against labels and numbers, in words for people and for programs."""

import dataclasses
from pathlib import Path

import numpy as np

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.core import file_io
from tfpipeline.data import corrections
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import target_suspects


def find(examples: Examples, outputs: np.ndarray) -> target_suspects.Suspects:
    """Return the suspects where all splits were predicted."""
    source = examples.source
    one = Decision(source.target, source.labels, (0.5,) * len(source.labels))
    splits = ("test", "validation", "train")
    logits = {split: outputs[examples.of(split)] for split in splits}
    return target_suspects.find(examples, logits, one)


def test_labels_to_add_and_to_remove_are_named(tmp_path: Path) -> None:
    examples = prepare(written(tmp_path, ("label",), several([])[:60]), "multi")
    values = examples.source.values
    outputs = np.where(values > 0, 2.0, -2.0)
    outputs += np.random.default_rng(0).normal(0, 0.1, outputs.shape)
    has_a = np.flatnonzero(values[:, 0] > 0)
    lacks_c = np.flatnonzero((values[:, 2] == 0) & (values[:, 0] == 0))
    removed, added = int(has_a[0]), int(lacks_c[0])
    outputs[removed, 0], outputs[added, 2] = -4.0, 4.0
    found = find(examples, outputs)
    first = [found.row(place) for place in found.order()[:2].tolist()]
    by_id = {row["id"]: row for row in first}
    ids = examples.source.ids
    assert by_id[ids[removed]]["remove"] == ["a"] and not by_id[ids[removed]]["add"]
    assert by_id[ids[added]]["add"] == ["c"] and not by_id[ids[added]]["remove"]
    counts = found.counts()
    assert counts["labels"] == counts["held_out"] + counts["train"] == 2
    assert counts["held_out_n"] + counts["train_n"] == 60
    rows = list(found.rows())
    assert len(rows) == 60
    table = [dict(zip(target_suspects.header(found.decision), row)) for row in rows]
    for row in table[:2]:
        own = set(row["label"].split("|")) | set(row["add"].split("|"))
        better = (own - set(row["remove"].split("|"))) - {""}
        assert row["new_label"] == "|".join(sorted(better)) and row["action"] == ""
    assert all(row["suspicion"] == "0" and not row["new_label"] for row in table[2:])


def test_numbers_far_from_what_is_predicted_come_first(tmp_path: Path) -> None:
    file = written(tmp_path, ("age",), range(60))
    examples = prepare(file, "number", label_column="age")
    rng = np.random.default_rng(0)
    outputs = examples.source.values + rng.normal(0, 1, (60, 1)) + 5
    worst = int(examples.of("train")[3])
    outputs[worst] -= 30
    found = find(examples, outputs)
    row = found.row(int(found.order()[0]))
    assert row["id"] == examples.source.ids[worst]
    # By how much it is off what errors usually are: the network is off by 5 itself.
    assert row["suspicion"] > 15 and -30 < row["error"] < -20
    header = target_suspects.header(found.decision)
    table = [dict(zip(header, cells)) for cells in found.rows()]
    assert table[0]["suspicion"] == table[0]["robust_z"]
    assert all(
        float(row["robust_z"]) <= 3.5 for row in table if row["suspicion"] == "0"
    )
    assert found.counts()["train"] >= 1 and "labels" not in found.counts()


def test_the_table_can_be_edited_and_read_again(tmp_path: Path) -> None:
    names = several([])[:60]
    examples = prepare(written(tmp_path, ("label",), names), "multi")
    found = find(examples, np.where(examples.source.values > 0, -3.0, 3.0))
    rows = [list(row) for row in found.rows()]
    header = target_suspects.header(found.decision)
    rows[0][header.index("action")] = "drop"
    file_io.write_csv(tmp_path / "c.csv", header, rows)
    read = corrections.read(tmp_path / "c.csv", examples.source)
    assert read.dropped == {rows[0][0]} and read.counts["keep"] == 0


def test_training_images_are_judged_among_each_other(tmp_path: Path) -> None:
    """A network that has memorised them is off by nothing there, and elsewhere is."""
    file = written(tmp_path, ("age",), range(60))
    examples = prepare(file, "number", label_column="age")
    outputs = examples.source.values.astype(float).copy()
    outputs += np.random.default_rng(0).normal(0, 1e-3, (60, 1))
    held_out = examples.split != "train"
    outputs[held_out] += np.random.default_rng(1).uniform(-9, 9, (held_out.sum(), 1))
    assert find(examples, outputs).counts()["held_out"] == 0
    one = find(dataclasses.replace(examples), outputs)
    assert (one.against[one.split != "train"] == 0).all()
