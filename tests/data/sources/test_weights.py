"""A column of weights: read, refused in words, carried along, and trained with."""

import json
from pathlib import Path

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


@pytest.mark.parametrize("more", [(), ("--train.class_weights", "balanced")])
def test_a_row_of_weight_2_trains_as_the_same_row_twice_bit_for_bit(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    table = rows(tmp_path)
    file_io.write_csv(tmp_path / "weighted.csv", HEADER, table)
    twice = [
        (f"{row[0]}-{k}", *row[1:4]) for row in table for k in range(int(str(row[4])))
    ]
    file_io.write_csv(tmp_path / "twice.csv", HEADER[:4], twice)
    results, models, histories = [], [], []
    for name in ("weighted", "twice"):
        run = tmp_path / name
        argv = [str(tmp_path / f"{name}.csv"), "--workdir", str(run), *PLAIN, *more]
        argv += ["--train.epochs", "3", "--data.batch_size", "8", "--quiet"]
        argv += ["--cache_dir", str(tmp_path / "cache")]
        assert cli.main(train, RunSettings, argv) == 0
        results.append(json.loads((run / "metrics.json").read_text()))
        models.append(keras.saving.load_model(run / "model.keras").get_weights())
        histories.append((run / "history.csv").read_bytes())
    assert histories[0] == histories[1]
    for one, other in zip(*models):
        np.testing.assert_array_equal(one, other)
    for split in ("test", "validation"):
        one, other = (result[split] for result in results)
        for key in ("accuracy", "loss", "top_3_accuracy"):
            assert one[key] == other[key]
        assert one["weight"] == other["n"]
    calibrations = [
        json.loads((tmp_path / name / "calibration.json").read_text())
        for name in ("weighted", "twice")
    ]
    assert calibrations[0] == calibrations[1]


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
    file_io.write_csv(tmp_path / "weighted.csv", HEADER, table)
    twice = [
        (f"{row[0]}-{k}", *row[1:4]) for row in table for k in range(int(str(row[4])))
    ]
    file_io.write_csv(tmp_path / "twice.csv", HEADER[:4], twice)
    results, models, histories, decisions = [], [], [], []
    for name in ("weighted", "twice"):
        run = tmp_path / name
        argv = [str(tmp_path / f"{name}.csv"), "--workdir", str(run), *PLAIN]
        argv += ["--data.target", target, "--cache_dir", str(tmp_path / "cache")]
        argv += ["--train.epochs", "3", "--data.batch_size", "8", "--quiet"]
        assert cli.main(train, RunSettings, argv) == 0
        results.append(json.loads((run / "metrics.json").read_text()))
        models.append(keras.saving.load_model(run / "model.keras").get_weights())
        histories.append((run / "history.csv").read_bytes())
        decisions.append(json.loads((run / "target.json").read_text()))
    assert histories[0] == histories[1]
    for one, other in zip(*models, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("thresholds", "mean", "deviation"):
        assert decisions[0].get(name) == decisions[1].get(name)
    for split in ("test", "validation"):
        one, other = (result[split] for result in results)
        # Intervals go by rows, of which there are fewer.
        figures = {key for key, value in other.items() if isinstance(value, float)}
        assert len(figures) >= 5
        assert {key: one[key] for key in figures} == {k: other[k] for k in figures}
        assert one["weight"] == other["n"]


def test_a_study_takes_a_row_of_weight_2_twice(tmp_path: Path) -> None:
    from tfpipeline.study.features import Vectors

    file_io.write_csv(tmp_path / "s.csv", HEADER, rows(tmp_path))
    examples = prepare(tmp_path / "s.csv")
    values = np.arange(30.0)[:, None]
    x, y = Vectors(examples.keys, values).of(examples, "train")
    np.testing.assert_array_equal(x[:, 0], examples.epoch())
    np.testing.assert_array_equal(y, examples.source.label[examples.epoch()])
