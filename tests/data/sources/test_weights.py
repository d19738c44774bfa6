"""A column of weights: read, refused in words, carried along, and trained with."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.data.sources.test_base import never
from tfpipeline import cli
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset, splits
from tfpipeline.data.review import Opened
from tfpipeline.data.sources import tfrecord
from tfpipeline.report.closing import data_lines
from tfpipeline.train.command import train

HEADER = ("id", "path", "label", "split", "weight")


def rows(root: Path, count: int = 30) -> list[tuple[object, ...]]:
    """Write pictures; return rows of a CSV with a split and a weight."""
    rng = np.random.default_rng(0)
    table = []
    for i in range(count):
        split = "test" if i % 5 == 0 else "validation" if i % 5 == 1 else "train"
        shade = rng.integers(0, 200, (12, 12, 3)) + 50 * (i % 2)
        image_io.save_png(root / f"{i}.png", shade.astype(np.uint8))
        table.append((f"r{i:02d}", f"{i}.png", "ab"[i % 2], split, 1 + i % 3))
    return table


def prepare(source: Path, **settings) -> dataset.Examples:
    data = DataSettings(source=str(source), **settings)
    return dataset.prepare(data, 0, source.parent / "cache", never)


def test_weights_are_read_told_and_carried(tmp_path: Path) -> None:
    table = rows(tmp_path)
    file = tmp_path / "s.csv"
    file_io.write_csv(file, HEADER, table)
    examples = prepare(file)
    assert examples.source.weight == tuple(float(row[4]) for row in table)
    (told,) = [
        w for k, w in data_lines(examples.review(Opened(), 0))[1] if k == "weights"
    ]
    assert told == "30 images, 1 to 3, 60 in all"
    assert len(examples.epoch()) == sum(r[4] for r in table if r[3] == "train")
    assert examples.mass().sum() == len(examples.epoch())
    splits.write(
        tmp_path / "splits.csv", examples.source, examples.split, examples.keys
    )
    again = prepare(tmp_path / "splits.csv")
    assert again.source.weight == examples.source.weight
    tfrecord.pack(examples.source, examples.files, tmp_path / "packed", 4000)
    assert prepare(tmp_path / "packed").source.weight == examples.source.weight
    assert not prepare(file, weight_column=None).source.weight
    file_io.write_csv(file, HEADER, [(*row[:4], "1.0") for row in table])
    assert not prepare(file).source.weight


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "much", "", "1_000"])
def test_what_is_no_weight_is_refused_by_line(tmp_path: Path, weight: str) -> None:
    table = rows(tmp_path)
    table[4] = (*table[4][:4], weight)
    file_io.write_csv(tmp_path / "s.csv", HEADER, table)
    with pytest.raises(UserError, match="line 6: expected a weight.*'weight'"):
        prepare(tmp_path / "s.csv")
    assert len(prepare(tmp_path / "s.csv", weight_column=None).source) == 30


def test_a_column_that_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    file_io.write_csv(tmp_path / "s.csv", HEADER, rows(tmp_path))
    with pytest.raises(UserError, match="'wight'.*--data.weight_column NAME"):
        prepare(tmp_path / "s.csv", weight_column="wight")


def test_rows_of_weight_0_are_left_out_and_counted(tmp_path: Path, capsys) -> None:
    table = rows(tmp_path)
    written = [(*row[:4], 0 if i in (2, 7) else 1) for i, row in enumerate(table)]
    file_io.write_csv(tmp_path / "s.csv", HEADER, written)
    examples = prepare(tmp_path / "s.csv")
    assert len(examples.source) == 28 and not examples.source.weight
    said = " ".join(capsys.readouterr().err.split())
    assert "2 of 30 rows have the weight 0 and are left out, e.g. r02" in said
    file_io.write_csv(tmp_path / "s.csv", HEADER, [(*row[:4], 0) for row in table])
    with pytest.raises(UserError, match="nothing is left"):
        prepare(tmp_path / "s.csv")


def train_both(root: Path, table: list[tuple[object, ...]], *more: str) -> None:
    """Train on weighted rows, and on each row as often as its weight says."""
    file_io.write_csv(root / "weighted.csv", HEADER, table)
    twice = [
        (f"{row[0]}-{k}", *row[1:4]) for row in table for k in range(int(str(row[4])))
    ]
    file_io.write_csv(root / "twice.csv", HEADER[:4], twice)
    for name in ("weighted", "twice"):
        argv = [str(root / f"{name}.csv"), "--workdir", str(root / name), *PLAIN, *more]
        argv += ["--train.epochs", "3", "--data.batch_size", "8", "--quiet"]
        argv += ["--cache_dir", str(root / "cache")]
        assert cli.main(train, RunSettings, argv) == 0


def assert_trained_alike(root: Path) -> None:
    """Compare the two networks bit for bit, and what is held out but for last bits.

    A row of weight 2 is predicted once, so its batch has another size; on some
    processors the last bits depend on that.
    """
    pairs = [
        keras.saving.load_model(root / name / "model.keras").get_weights()
        for name in ("weighted", "twice")
    ]
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, other)
    tables = [
        file_io.read_csv(root / name / "history.csv") for name in ("weighted", "twice")
    ]
    for mine, its in zip(*tables, strict=True):
        held_out = {name for name in its if name.startswith("val_")}
        assert held_out and mine.keys() == its.keys()
        assert {k: mine[k] for k in mine.keys() - held_out} == {
            k: its[k] for k in its.keys() - held_out
        }
        assert [float(mine[k]) for k in held_out] == close(
            [float(its[k]) for k in held_out]
        )
    weighted, twice = read(root, "metrics.json")
    for split in ("test", "validation"):
        # Intervals go by rows, of which there are fewer.
        figures = {k: v for k, v in twice[split].items() if isinstance(v, float)}
        assert len(figures) >= 3
        assert {name: weighted[split][name] for name in figures} == close(figures)
        assert weighted[split]["weight"] == twice[split]["n"]


def close(value: Any) -> Any:
    """Return what equals a value but for the last bits of its figures."""
    if isinstance(value, dict):
        return {key: close(own) for key, own in value.items()}
    if isinstance(value, list):
        return [close(own) for own in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def read(root: Path, name: str) -> list[dict[str, Any]]:
    """Return the contents of this file of both runs."""
    return [
        json.loads((root / run / name).read_text()) for run in ("weighted", "twice")
    ]


@pytest.mark.parametrize("more", [(), ("--train.class_weights", "balanced")])
def test_a_row_of_weight_2_trains_as_the_same_row_twice_bit_for_bit(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    train_both(tmp_path, rows(tmp_path), *more)
    assert_trained_alike(tmp_path)
    weighted, twice = read(tmp_path, "calibration.json")
    assert weighted == close(twice)


@pytest.mark.parametrize("target", ["multi", "number"])
def test_a_row_of_weight_2_is_the_row_twice_for_labels_and_numbers(
    tmp_path: Path, target: str
) -> None:
    cells = {
        "multi": ["a|b", "b", "", "a|c", "c"],
        "number": [40.25, 17.1, 33.3, 0.7, 62],
    }[target]
    table = [
        (*row[:2], cells[(i + i // 5) % 5], *row[3:])
        for i, row in enumerate(rows(tmp_path))
    ]
    train_both(tmp_path, table, "--data.target", target)
    assert_trained_alike(tmp_path)
    weighted, twice = read(tmp_path, "target.json")
    for name in ("thresholds", "mean", "deviation"):
        assert weighted.get(name) == (close(twice[name]) if name in twice else None)


def test_a_study_takes_a_row_of_weight_2_twice(tmp_path: Path) -> None:
    from tfpipeline.study.features import Vectors

    file_io.write_csv(tmp_path / "s.csv", HEADER, rows(tmp_path))
    examples = prepare(tmp_path / "s.csv")
    values = np.arange(30.0)[:, None]
    x, y = Vectors(examples.keys, values).of(examples, "train")
    np.testing.assert_array_equal(x[:, 0], examples.epoch())
    np.testing.assert_array_equal(y, examples.source.label[examples.epoch()])
