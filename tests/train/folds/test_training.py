"""Out-of-fold predictions are those of a run that never saw the fold."""

import csv
import json
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.train.test_command import pictures
from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.core import file_io
from tfpipeline.train import setup
from tfpipeline.train.command import train
from tfpipeline.train.folds import training

MORE = ("--train.epochs", "3", "--data.batch_size", "8", "--quiet")


def start(source: Path, run: Path, *more: str) -> int:
    cache = ("--cache_dir", str(run.parent / "cache"))
    argv = [str(source), "--workdir", str(run), *PLAIN, *cache, *MORE, *more]
    return cli.main(train, RunSettings, argv)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    assert start(pictures(folder / "p", 20), folder / "run", "--data.folds", "3") == 0
    return folder / "run"


def rows(file: Path) -> list[dict[str, str]]:
    return file_io.read_csv(file)


def test_every_training_image_is_predicted_once_and_all_files_agree(run) -> None:
    out = rows(run / "out_of_fold.csv")
    splits = {row["id"]: row for row in rows(run / "splits.csv")}
    assert {row["id"] for row in out} == {
        name for name, row in splits.items() if row["split"] == "train"
    }
    assert all(splits[row["id"]]["fold"] == row["fold"] for row in out)
    assert all(
        (row["split"] == "train") == bool(row["fold"]) for row in splits.values()
    )
    told = json.loads((run / "metrics.json").read_text())["folds"]
    right = [row["label"] == row["predicted"] for row in out]
    assert told["accuracy"] == pytest.approx(np.mean(right)) and told["count"] == 3
    predictions = {row["id"]: row for row in rows(run / "predictions.csv")}
    for row in out:
        assert predictions[row["id"]]["loss"] == row["loss"]
    calibration = json.loads((run / "calibration.json").read_text())
    assert calibration["images"] == "out-of-fold" and calibration["n"] == len(out)
    page = (run / "report.html").read_text()
    assert "<h3>Folds</h3>" in page and "did not train on it" in page
    assert (
        "memorised" not in page
        and json.loads((run / "manifest.json").read_text())["folds"] == 3
    )


def test_the_classifier_is_that_of_the_same_run_without_folds(run, tmp_path) -> None:
    assert start(run.parent / "p", tmp_path / "run") == 0
    models = [
        keras.saving.load_model(folder / "run" / "model.keras").get_weights()
        for folder in (run.parent, tmp_path)
    ]
    for one, other in zip(*models):
        np.testing.assert_array_equal(one, other)
    histories = [
        (f / "run" / "history.csv").read_bytes() for f in (run.parent, tmp_path)
    ]
    assert histories[0] == histories[1]


def test_a_fold_is_predicted_as_by_a_run_that_was_never_given_it(run, tmp_path) -> None:
    fold = {row["id"]: row["fold"] for row in rows(run / "out_of_fold.csv")}
    table = [
        (
            r["id"],
            r["path"],
            r["label"],
            "test" if fold.get(r["id"]) == "2" else r["split"],
        )
        for r in rows(run / "splits.csv")
        if r["split"] != "test"
    ]
    header = ("id", "path", "label", "split")
    file_io.write_csv(tmp_path / "s.csv", header, table)
    assert start(tmp_path / "s.csv", tmp_path / "run") == 0
    alone = {row["id"]: row for row in rows(tmp_path / "run" / "predictions.csv")}
    own = [row for row in rows(run / "out_of_fold.csv") if row["fold"] == "2"]
    for row in own:
        expected = float(alone[row["id"]]["probability_of_label"])
        assert float(row["probability_of_label"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "more",
    [(), pytest.param(("--fine_tune.epochs", "1"), marks=pytest.mark.slow)],
)
def test_a_training_that_is_stopped_within_a_fold_resumes_to_the_same(
    run, tmp_path, monkeypatch, more
) -> None:
    source = run.parent / "p"
    expected = run
    if more:
        assert start(source, tmp_path / "whole", "--data.folds", "3", *more) == 0
        expected = tmp_path / "whole"
    real, done = training._train, []

    def stop(*given) -> None:
        real(*given)
        done.append(1)
        if len(done) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "_WORTH_SECONDS", 0.0)
    monkeypatch.setattr(training, "_train", stop)
    assert start(source, tmp_path / "run", "--data.folds", "3", *more) != 0
    monkeypatch.setattr(training, "_train", real)
    assert (tmp_path / "run" / "checkpoints" / "fold-1").is_dir()
    assert start(source, tmp_path / "run", "--data.folds", "3", *more) == 0
    one, other = (
        (folder / "out_of_fold.csv").read_text()
        for folder in (expected, tmp_path / "run")
    )
    assert [r["id"] for r in csv.DictReader(one.splitlines())]
    assert one == other
    assert not (tmp_path / "run" / "checkpoints").exists()


def stopped_in_the_second_fold(*argv: str) -> None:
    """Train with folds, until a Ctrl-C comes; the first fold has a checkpoint."""
    real, done = training._train, []

    def stop(*given) -> None:
        real(*given)
        done.append(1)
        if len(done) == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "_WORTH_SECONDS", 0.0)
        patched.setattr(training, "_train", stop)
        assert cli.main(train, RunSettings, argv) == 130


@pytest.mark.parametrize("overwrite", [(), ("--overwrite", "true")])
def test_folds_of_another_training_are_discarded_and_hinder_nothing(
    run, tmp_path, overwrite
) -> None:
    argv = (str(run.parent / "p"), "--workdir", str(tmp_path / "run"), *PLAIN)
    argv += ("--cache_dir", str(run.parent / "cache"), "--data.folds", "3", "--quiet")
    epochs = ("--data.batch_size", "8", "--train.epochs")
    stopped_in_the_second_fold(*argv, *epochs, "2")
    assert (tmp_path / "run" / "checkpoints" / "fold-1").is_dir()
    assert cli.main(train, RunSettings, [*argv, *epochs, "3", *overwrite]) == 0
    assert (tmp_path / "run" / "out_of_fold.csv").read_text() == (
        run / "out_of_fold.csv"
    ).read_text()


def test_a_batch_size_that_was_found_is_that_of_the_folds_that_are_done(
    run, tmp_path, monkeypatch
) -> None:
    argv = (str(run.parent / "p"), "--workdir", str(tmp_path / "run"), *PLAIN)
    argv += ("--cache_dir", str(run.parent / "cache"), "--data.folds", "3", "--quiet")
    argv += ("--data.batch_size", "auto", "--train.epochs")
    sizes = iter([8, 4, 16])
    monkeypatch.setattr(
        setup.batch_size_finder, "largest_batch", lambda *given, **more: next(sizes)
    )
    stopped_in_the_second_fold(*argv, "3")
    assert cli.main(train, RunSettings, [*argv, "3"]) == 0
    assert "batch_size: 8\n" in (tmp_path / "run" / "config.yaml").read_text()
    assert (tmp_path / "run" / "out_of_fold.csv").read_text() == (
        run / "out_of_fold.csv"
    ).read_text()
    # That of other settings says nothing of these.
    other = argv[:2] + (str(tmp_path / "other"),) + argv[3:]
    stopped_in_the_second_fold(*other, "3")
    assert cli.main(train, RunSettings, [*other, "2"]) == 0
    assert "batch_size: 16\n" in (tmp_path / "other" / "config.yaml").read_text()


def test_one_fold_is_refused(tmp_path, capsys) -> None:
    assert start(tmp_path, tmp_path / "run", "--data.folds", "1") == 2
    assert "--data.folds: expected 0, or 2 or more" in capsys.readouterr().err
