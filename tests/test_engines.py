"""Engines in a training: what learns by which, and what is measured by which."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN
from tests.train.test_command import pictures
from tfpipeline import cli
from tfpipeline.config import EvaluateSettings, PredictSettings, RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.evaluate.command import evaluate
from tfpipeline.models.engines import bfloat16, choice, litert, trial
from tfpipeline.models.engines.names import (
    BFLOAT16,
    CLOSE,
    EXACT,
    LITERT,
    TENSORFLOW,
)
from tfpipeline.predict.command import predict
from tfpipeline.study.command import study
from tfpipeline.train import fit
from tfpipeline.train.command import train

FILES = "manifest.json", "metrics.json"


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return pictures(tmp_path_factory.mktemp("source") / "root", 20)


def run(source: Path, folder: Path, *more: str) -> tuple[dict, dict]:
    """Train by a command; return manifest and metrics."""
    argv = ["--data.source", str(source), "--workdir", str(folder / "run"), *PLAIN]
    argv += ["--train.epochs", "2", "--data.batch_size", "8"]
    argv += ["--cache_dir", str(folder / "cache"), "--overwrite", "true", *more]
    assert cli.main(train, RunSettings, argv) == 0
    read = [json.loads((folder / "run" / name).read_text()) for name in FILES]
    return read[0], read[1]


def test_an_engine_by_name_trains_what_tensorflow_trains(source, tmp_path) -> None:
    manifest, metrics = run(source, tmp_path / "a", "--train.engine", LITERT)
    assert manifest["engine"]["training"] == LITERT
    plain, expected = run(source, tmp_path / "b", "--train.engine", TENSORFLOW)
    assert plain["engine"]["training"] == TENSORFLOW
    for split in ("test", "validation"):
        for key in ("loss", "accuracy"):
            given = metrics[split][key], expected[split][key]
            assert given[0] == pytest.approx(given[1], rel=1e-3)
    # Rows of engines are kept apart, and found again.
    folders = [list((tmp_path / n / "cache/features").iterdir()) for n in "ab"]
    assert len(folders[0]) == len(folders[1]) == 1
    assert folders[0][0].name != folders[1][0].name


def test_a_small_training_is_tensorflows_and_says_nothing(
    source, tmp_path, capsys
) -> None:
    manifest, _ = run(source, tmp_path)
    assert manifest["engine"] == {"training": TENSORFLOW, "milliseconds": {}}
    assert "engine" not in capsys.readouterr().err
    assert not (tmp_path / "cache" / "engines").exists()
    config = cli.of_run(tmp_path / "run" / "config.yaml")
    assert config.train.engine == TENSORFLOW


def test_bfloat16_computes_only_what_is_trained_on(
    source, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    _, exact = run(source, tmp_path / "exact", "--train.engine", TENSORFLOW)
    seen = []
    right = bfloat16.engine

    def engine(model):
        compute = right(model)

        def counted(images):
            seen.append(len(images))
            # Too far from float32 for all but training.
            return compute(images) * np.float32(1.03)

        return counted

    monkeypatch.setattr(bfloat16, "engine", engine)
    # So few pictures are not compared by their neighbours.
    monkeypatch.setattr(bfloat16, "LEAST_NEIGHBOURS", 4)
    words = ("--train.engine", BFLOAT16, "--train.reference", "false")
    manifest, metrics = run(source, tmp_path / "coarse", *words)
    assert (
        "related images across splits are not searched for" in capsys.readouterr().err
    )
    assert manifest["families"]["compared"] == 0
    assert manifest["engine"]["training"] == BFLOAT16
    counts = manifest["examples"]
    # What was tried is in float32 already.
    first, *rest = seen
    left = counts["train"] - first
    assert first == 4 and sum(rest) == left and len(rest) <= -(-left // 8) + 1
    assert metrics["test"]["accuracy"] == exact["test"]["accuracy"]
    # What is reported is what is saved: its file answers the same.
    argv = ["--run", str(tmp_path / "coarse" / "run")]
    argv += ["--cache_dir", str(tmp_path / "other")]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    file = tmp_path / "coarse" / "run" / "evaluation.json"
    again = json.loads(file.read_text())
    assert again["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-5)


def test_predict_by_litert_answers_as_tensorflow(
    source, tmp_path, monkeypatch, capsys
) -> None:
    run(source, tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = {}
    for name in (TENSORFLOW, LITERT):
        monkeypatch.setattr(choice, "LEAST_IMAGES", 0)
        monkeypatch.setattr(choice, "LEAST_PIXELS", 0)
        argv = ["--model", str(tmp_path / "run"), "--images", str(source)]
        argv += ["--output", str(tmp_path / f"{name}.jsonl"), "--engine", name]
        assert cli.main(predict, PredictSettings, argv) == 0
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines()
        files[name] = [json.loads(line) for line in lines]
    assert list((tmp_path / "cache" / "engines").glob("*.tflite"))
    for one, two in zip(files[TENSORFLOW], files[LITERT], strict=True):
        assert (one["id"], one["label"]) == (two["id"], two["label"])
        assert one["probability"] == pytest.approx(two["probability"], abs=1e-5)


@pytest.mark.parametrize(
    ("argv", "command", "settings"),
    [
        (["--train.engine", "lite"], train, RunSettings),
        (["--fine_tune.engine", "litert"], train, RunSettings),
        (["--run", "x", "--engine", "lite"], evaluate, EvaluateSettings),
        (["--model", "x", "--engine", "lite"], predict, PredictSettings),
        # Computes only what is trained on.
        (["--run", "x", "--engine", BFLOAT16], evaluate, EvaluateSettings),
        (["--model", "x", "--engine", BFLOAT16], predict, PredictSettings),
        (["--sources", "x", "--engine", BFLOAT16], study, StudySettings),
    ],
)
def test_an_unknown_engine_is_refused(argv, command, settings, tmp_path, capsys):
    assert cli.main(command, settings, argv) == 2
    assert "engine" in capsys.readouterr().err.partition(": expected")[0]


@pytest.mark.parametrize("engine", ["auto", BFLOAT16])
@pytest.mark.parametrize("words", [(), ("--data.folds", "2")])
def test_what_folds_measure_on_is_in_float32_and_other_features_are_close(
    source, tmp_path, monkeypatch, capsys, engine: str, words: tuple
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    asked = []
    right = choice.Engines.choose

    def choose(self, missing, sample, *, most_change):
        asked.append(most_change)
        return right(self, missing, sample, most_change=most_change)

    monkeypatch.setattr(choice.Engines, "choose", choose)
    manifest, _ = run(source, tmp_path, "--train.engine", engine, *words)
    assert asked == [EXACT if words else CLOSE]
    named = engine == BFLOAT16
    expected = BFLOAT16 if named and not words else TENSORFLOW
    assert manifest["engine"]["training"] == expected
    assert manifest["families"]["compared"] > 0
    said = "give --data.folds 0" in capsys.readouterr().err
    assert said == (named and bool(words))


@pytest.mark.parametrize("change", [0.005, 0.3])
def test_close_rows_of_training_images_serve_the_whole_run(
    source, tmp_path, monkeypatch, capsys, change: float
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    monkeypatch.setattr(bfloat16, "LEAST_NEIGHBOURS", 4)
    right = bfloat16.engine

    def engine(model):
        compute = right(model)
        return lambda *given: compute(*given) * np.float32(1 + change)

    monkeypatch.setattr(bfloat16, "engine", engine)
    _, exact = run(source, tmp_path / "exact", "--train.engine", TENSORFLOW)
    manifest, metrics = run(source, tmp_path / "close", "--train.engine", BFLOAT16)
    is_close = change < 0.02
    name = manifest["engine"]["training"]
    assert name == (BFLOAT16 if is_close else TENSORFLOW)
    assert manifest["families"]["compared"] > 0
    if not is_close:
        assert "--train.reference false" in capsys.readouterr().err
    pair = [tmp_path / name / "run" for name in ("exact", "close")]
    assert metrics["test"]["accuracy"] == exact["test"]["accuracy"]
    first, second = (np.load(f / "reference" / "features.npy") for f in pair)
    np.testing.assert_allclose(second, first, rtol=0.05, atol=0.02 * first.max())
    # Rows of a trial are computed in smaller batches, which may round otherwise.
    assert (np.abs(first - second).max() > 1e-4 * first.max()) == is_close
    # Suspected labels are looked for in them as well.
    assert all((f / "novelty.json").is_file() for f in pair)


def test_views_are_for_training_alone(source, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    monkeypatch.setattr(bfloat16, "LEAST_NEIGHBOURS", 4)
    monkeypatch.setattr(bfloat16, "AGREEMENT", 0.0)
    words = ("--data.augmentation", "light", "--data.views", "2")
    manifest, _ = run(source, tmp_path, "--train.engine", BFLOAT16, *words)
    assert manifest["engine"]["training"] == BFLOAT16
    assert manifest["families"]["compared"] > 0
    # Of the views, and of all images as they are.
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2
    assert (tmp_path / "run" / "reference").is_dir()


@pytest.mark.parametrize("stage", ["head", "fine_tune"])
def test_a_stage_that_is_resumed_keeps_its_engine(
    source, tmp_path, monkeypatch, capsys, stage: str
) -> None:
    took = {LITERT: 1.0, TENSORFLOW: 2.0}
    for name, least in {"IMAGES": 20, "PIXELS": 0}.items():
        monkeypatch.setattr(choice, f"LEAST_{name}", least)
    monkeypatch.setattr(choice, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(choice, "MOST_DENSE", 1.0)

    def timed(run, images) -> tuple[np.ndarray, float]:
        is_litert = isinstance(run, litert.LiteRT)
        return run(images), took[LITERT if is_litert else TENSORFLOW]

    monkeypatch.setattr(trial, "timed", timed)
    words = "--fine_tune.epochs", "1", "--fine_tune.unfreeze", "1"
    words += "--fine_tune.engine", TENSORFLOW
    real = fit.Fit.run

    def dies(self) -> None:
        if self.stage.name == stage:
            self.save()
            raise SystemExit(9)
        real(self)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(fit.Fit, "run", dies)
        run(source, tmp_path, *words)
    # Another machine, as far as trials go.
    shutil.rmtree(tmp_path / "cache" / "engines")
    took[LITERT] = 9.0
    manifest, _ = run(source, tmp_path, *words, "--overwrite", "false")
    assert f"resuming {stage}" in capsys.readouterr().err
    assert manifest["engine"]["training"] == LITERT
    assert manifest["engine"]["fine_tuning"] == TENSORFLOW
    assert cli.of_run(tmp_path / "run" / "config.yaml").train.engine == LITERT


def test_steps_in_bfloat16_learn_and_are_measured_in_float32(
    source, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    words = ["--fine_tune.epochs", "1", "--fine_tune.unfreeze", "2"]
    manifest, metrics = run(source, tmp_path, *words, "--fine_tune.engine", BFLOAT16)
    assert manifest["engine"]["fine_tuning"] == BFLOAT16
    assert np.isfinite(metrics["test"]["loss"])
    argv = ["--run", str(tmp_path / "run"), "--cache_dir", str(tmp_path / "cache")]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    again = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert again["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-5)
