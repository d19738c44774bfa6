"""Training, end to end: what a user gets, under each strategy, and what is refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.conftest import PLAIN, Trained
from tests.data.sources.test_base import put
from tfpipeline import cli
from tfpipeline.audit.command import audit
from tfpipeline.config import (
    AuditSettings,
    DataSettings,
    EvaluateSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.presets import PRESETS
from tfpipeline.core import file_io, image_io
from tfpipeline.data import dataset, pipeline
from tfpipeline.data.sources import jpeg_damage
from tfpipeline.evaluate.command import evaluate
from tfpipeline.models import classifier, saving
from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.predict.command import predict
from tfpipeline.train import fit, measurement
from tfpipeline.train.command import train

SMALL = (*PLAIN, "--train.epochs", "2", "--data.batch_size", "8")


def start(*argv: str) -> int:
    """Give the command `train` in this process; return its exit code."""
    return cli.main(train, RunSettings, argv)


def pictures(root: Path, count: int = 12) -> Path:
    """Write pictures of two classes that a mean colour tells apart."""
    rng = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 200)):
        for i in range(count):
            noise = rng.integers(-30, 30, (24, 30, 3))
            image_io.save_png(
                root / name / f"{i}.png", (shade + noise).astype(np.uint8)
            )
    return root


def wait_for(file: Path, process: subprocess.Popen, seconds: float = 120) -> None:
    """Wait until a process has written a file; fail when it ends or takes too long."""
    end = time.monotonic() + seconds
    while not file.exists():
        if process.poll() is not None:
            said = process.stderr.read() if process.stderr else ""
            raise AssertionError(f"{process.returncode} before it wrote {file}: {said}")
        assert time.monotonic() < end, f"took too long to write {file}"
        time.sleep(0.1)


def test_a_run_folder_holds_what_later_commands_need(demo_run: Trained) -> None:
    names = set(os.listdir(demo_run.path))
    assert names >= {
        "config.yaml",
        "manifest.json",
        "labels.txt",
        "splits.csv",
        "quarantine.csv",
        "history.csv",
        "metrics.json",
        "model.keras",
    }
    metrics = json.loads((demo_run.path / "metrics.json").read_text())
    for split in ("test", "validation"):
        found = metrics[split]
        assert {"accuracy", "top_3_accuracy", "loss", "n"} <= set(found)
        assert 0 <= found["accuracy"] <= found["top_3_accuracy"] <= 1
    assert {"import", "extract", "train", "total"} <= set(metrics["seconds"])
    manifest = json.loads((demo_run.path / "manifest.json").read_text())
    assert manifest["finished"] and manifest["leaks"] == 0
    assert manifest["examples"] == {"train": 252, "validation": 36, "test": 72}
    labels = (demo_run.path / "labels.txt").read_text().split()
    assert labels == sorted(labels) and len(labels) == 6
    history = file_io.read_csv(demo_run.path / "history.csv")
    assert [int(row["epoch"]) for row in history] == list(range(1, len(history) + 1))


def test_the_embedded_default_really_transfers(demo_run: Trained) -> None:
    metrics = json.loads((demo_run.path / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] >= 0.93 and metrics["test"]["n"] == 72


def test_a_run_says_how_far_its_probabilities_can_be_believed(
    demo_run: Trained,
) -> None:
    found = json.loads((demo_run.path / "calibration.json").read_text())
    measured = json.loads((demo_run.path / "metrics.json").read_text())
    assert found["n"] == measured["validation"]["n"] > 0
    told = measured["validation"]["calibration"]
    assert found["loss"] == [told["loss"], told["loss_calibrated"]]
    assert told["loss_calibrated"] <= told["loss"]
    # Its 36 validation images can promise nothing at 5 %.
    assert found["threshold"] is None and "60 are needed" in found["reason"]
    assert [point["n"] for point in found["curve"]] == [found["n"] - 1]
    assert 0 <= measured["test"]["calibration"]["ece_calibrated"] <= 1


def test_a_few_lines_say_what_was_done_and_what_comes_next(demo_run: Trained) -> None:
    block, _, summary = demo_run.printed.partition("Trained ")
    assert "360 images of 6 classes" in block
    lines = summary.splitlines()
    assert len(lines) <= 10
    assert "MobileNetV2 0.35" in lines[0] and "252 images of 6 classes" in lines[0]
    assert "Test accuracy" in lines[1]
    found = json.loads((demo_run.path / "calibration.json").read_text())
    assert found["reason"] in lines[2]
    assert lines[-2] == f"Look at {demo_run.path}/report.html"
    assert "python -m tfpipeline.train --data.source" in lines[-1]


def test_logits_from_cached_features_are_those_of_the_whole_classifier(
    demo_run: Trained,
) -> None:
    model, labels = saving.load_classifier(demo_run.path / "model.keras")
    argv = ["--config", str(demo_run.path / "config.yaml")]
    settings = cli.parse(RunSettings, argv, prog="train", description="")
    from tfpipeline.data.sources import drawn_world

    examples = dataset.prepare(
        settings.data, settings.seed, demo_run.cache, drawn_world.drawer(settings.data)
    )
    assert examples.source.labels == labels
    manifest = json.loads((demo_run.path / "manifest.json").read_text())
    extractor, head = classifier.split_classifier(model)
    cache = FeatureCache(
        demo_run.cache / "features" / manifest["fingerprints"]["features"],
        extractor.output_shape[-1],
    )
    test = examples.of("test")
    rows = np.concatenate(
        [rows[0] for rows, _ in cache.batches(examples.keys, test[None], 1)]
    )
    reading = pipeline.Reading(96, 96, "squash", len(test))
    batches = pipeline.Batches(examples.files, examples.source.label, reading)
    images = next(iter(batches.plain(test)))[0]
    whole = np.asarray(model(images, training=False))
    np.testing.assert_allclose(head(rows), whole, atol=1e-4)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_features_are_computed_once(
    demo_run: Trained, tmp_path: Path
) -> None:
    shards = {f: f.stat().st_mtime_ns for f in demo_run.cache.rglob("*.npy")}
    assert shards
    argv = ("--workdir", str(tmp_path / "r"), "--cache_dir", str(demo_run.cache))
    assert start(*argv) == 0
    first, second = (
        saving.load_classifier(folder / "model.keras")[0]
        for folder in (demo_run.path, tmp_path / "r")
    )
    for one, two in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert shards == {f: f.stat().st_mtime_ns for f in demo_run.cache.rglob("*.npy")}


@pytest.mark.slow
def test_two_replicas_train_what_one_device_does(
    demo_run: Trained, tmp_path: Path
) -> None:
    found = []
    for name in ("one_device", "mirrored"):
        workdir = str(tmp_path / name)
        argv = ["--workdir", workdir, "--cache_dir", str(demo_run.cache)]
        argv += ["--distribute.strategy", name]
        argv += ["--distribute.devices", "2"] if name == "mirrored" else []
        assert start(*argv) == 0
        found.append(json.loads((tmp_path / name / "metrics.json").read_text())["test"])
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], abs=1e-5)
    assert found[0]["accuracy"] == found[1]["accuracy"]


def test_with_augmentation_images_go_through_the_network_each_epoch(
    tmp_path: Path,
) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv, "--data.augmentation", "light") == 0
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("features"))
    assert (tmp_path / "r" / "model.keras").is_file()


def test_too_many_logits_of_training_images_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pictures(tmp_path / "p")

    def told(name: str) -> Counter[str]:
        run = tmp_path / name
        assert start("--workdir", str(run), "--data.source", str(root), *SMALL) == 0
        return Counter(
            row["split"] for row in file_io.read_csv(run / "predictions.csv")
        )

    every = told("all")
    monkeypatch.setattr(measurement, "MOST_LOGITS", 4 * 2 * every["train"] - 1)
    assert every["train"] > 8 and told("few") == every - Counter(train=every["train"])


def test_broken_images_are_listed_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    (root / "dark" / "0.png").write_text("not an image")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv) == 0
    rows = file_io.read_csv(tmp_path / "r" / "quarantine.csv")
    assert [row["id"] for row in rows] == [os.path.join("dark", "0.png")]
    said = " ".join(capsys.readouterr().out.split())
    assert "skipped 1 file" in said and "dark/0.png" in said


def test_a_run_is_whole_before_damaged_files_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = pictures(tmp_path / "p"), tmp_path / "r"
    file = root / "dark" / "short.jpg"
    Image.new("RGB", (64, 64), "navy").save(file)
    file.write_bytes(file.read_bytes()[:-20] + b"\xff\xd9")
    seen = []

    def look(files, until):
        seen.extend(sorted(path.name for path in run.iterdir()))
        raise KeyboardInterrupt

    monkeypatch.setattr(jpeg_damage, "_damaged", look)
    assert start("--workdir", str(run), "--data.source", str(root), *SMALL) == 130
    assert {"model.keras", "manifest.json", "report.html"} <= set(seen)
    assert json.loads((run / "manifest.json").read_text())["finished"]


def test_a_finished_run_is_kept_and_an_unfinished_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv) == 0
    before = (tmp_path / "r" / "model.keras").read_bytes()
    assert start(*argv) == 2 and "--overwrite true" in capsys.readouterr().err
    assert (tmp_path / "r" / "model.keras").read_bytes() == before
    (tmp_path / "r" / "manifest.json").write_text('{"finished": false}')
    assert start(*argv) == 0
    assert start(*argv, "--overwrite", "true") == 0


def test_an_interrupted_replacement_leaves_the_finished_run(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv) == 0
    before = {f.name: f.read_bytes() for f in (tmp_path / "r").iterdir() if f.is_file()}

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fit.Fit, "run", interrupted)
        assert start(*argv, "--overwrite", "true") == 130
    after = {f.name: f.read_bytes() for f in (tmp_path / "r").iterdir() if f.is_file()}
    assert after == before
    assert start(*argv, "--overwrite", "true", "--seed", "1") == 0
    assert json.loads((tmp_path / "r" / "manifest.json").read_text())["seed"] == 1
    assert not (tmp_path / "r" / ".next").exists()


@pytest.mark.parametrize("augmentation", ["randaugment", "mixup", "cutmix"])
def test_every_augmentation_trains(tmp_path: Path, augmentation: str) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv, "--data.augmentation", augmentation) == 0
    assert (tmp_path / "r" / "figures" / "batch.png").stat().st_size > 1000
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["input"]["verdict"] in ("input-bound", "compute-bound")


def test_views_are_computed_once_and_shown_in_turn(tmp_path: Path, capsys) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--data.source", str(root), *SMALL, "--cache_dir", str(tmp_path / "c"))
    argv += ("--data.augmentation", "light", "--data.views", "3")
    losses = []
    for number in range(2):
        assert start(*argv, "--workdir", str(tmp_path / f"r{number}")) == 0
        history = file_io.read_csv(tmp_path / f"r{number}" / "history.csv")
        losses.append([row["loss"] for row in history])
    assert losses[0] == losses[1]
    rows = [
        line
        for keys in (tmp_path / "c" / "features").rglob("*.keys")
        # The first line is a checksum.
        for line in keys.read_text().split()[1:]
    ]
    views = [row for row in rows if "view" in row]
    assert len(views) == len(set(views)) == 3 * 18 and len(rows) == 54 + 24


def test_rare_classes_are_told_and_can_be_weighed(tmp_path: Path, capsys) -> None:
    root = pictures(tmp_path / "p", 40)
    for i in range(7, 40):
        (root / "light" / f"{i}.png").unlink()
    argv = ("--data.source", str(root), *SMALL)
    for number, extra in enumerate(
        [(), ("--train.class_weights", "balanced"), ("--data.sampling", "balanced")]
    ):
        assert start(*argv, "--workdir", str(tmp_path / f"r{number}"), *extra) == 0
        said = capsys.readouterr().out
        assert "light (" in said and said.count("--train.class_weights balanced") == 1
    first = [file_io.read_csv(tmp_path / f"r{n}" / "history.csv")[0] for n in range(3)]
    assert len({row["loss"] for row in first}) == 3


def test_pictures_that_look_alike_across_splits_are_shown(
    tmp_path: Path, capsys
) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for i in range(12):
            picture = np.kron(rng.integers(0, 256, (12, 12, 3)), np.ones((4, 4, 1)))
            file = tmp_path / "p" / name / f"{i}.png"
            image_io.save_png(file, picture.astype(np.uint8))
            image_io.save_png(
                file.with_name(f"{i}s.png"), picture[::2, ::2].astype("u1")
            )
    argv = ("--data.source", str(tmp_path / "p"), *SMALL)
    assert start(*argv, "--workdir", str(tmp_path / "r")) == 0
    assert capsys.readouterr().out.count("--data.group near") == 1
    review = json.loads((tmp_path / "r" / "manifest.json").read_text())["review"]
    leaks = {finding["kind"]: finding for finding in review["findings"]}
    assert leaks["across_splits"]["count"] > 0
    assert leaks["across_splits"]["example"] in (
        (tmp_path / "r" / "report.html").read_text()
    )
    assert (tmp_path / "r" / "figures" / "leaks.png").is_file()
    again = ("--workdir", str(tmp_path / "s"), "--data.group", "near")
    assert start(*argv, *again) == 0
    assert "--data.group near" not in capsys.readouterr().out
    words = ["--source", str(tmp_path / "p"), "--output", str(tmp_path / "audit")]
    pinned = ["--data.splits", str(tmp_path / "r" / "splits.csv")]
    assert cli.main(audit, AuditSettings, [*words, *pinned]) == 0
    assert (tmp_path / "audit" / "leaks.png").is_file()


@pytest.mark.assets
def test_on_real_photographs_both_paths_give_the_same_logits(
    assets: Path, imagenet, tmp_path: Path
) -> None:
    """From the cached features, and from the classifier that was saved."""
    root = assets / "images" / "cats_vs_dogs" / "test"
    run, cache = tmp_path / "r", tmp_path / "c"
    argv = ("--data.source", str(root), "--workdir", str(run))
    argv += ("--model.alpha", "0.35", "--train.epochs", "2", "--cache_dir", str(cache))
    argv += ("--model.weights", "imagenet")
    assert start(*argv) == 0
    model, _ = saving.load_classifier(run / "model.keras")
    extractor, head = classifier.split_classifier(model)
    (folder,) = (cache / "features").iterdir()
    stored = FeatureCache(folder, extractor.output_shape[-1])
    settings = DataSettings(source=str(root))
    examples = dataset.open_all(settings, cache, lambda cache: cache)
    reading = pipeline.Reading(224, 224, "squash", 32)
    label = examples.source.label
    some = np.arange(0, len(label), 5)
    batches = pipeline.Batches(examples.files, label, reading).plain(some)
    whole = np.concatenate([np.asarray(model(x))[w.numpy() > 0] for x, _, w in batches])
    cached = head(stored.rows([examples.keys[i] for i in some]))
    np.testing.assert_allclose(whole, cached, atol=1e-4)


def test_vgg16_without_weights_trains_saves_and_loads(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root))
    argv += ("--model.backbone", "VGG16", "--model.weights", "none")
    argv += ("--model.image_size", "32", "--model.pooling", "flatten")
    assert start(*argv, "--train.epochs", "20", "--data.batch_size", "4") == 0
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == 1.0
    model, labels = saving.load_classifier(tmp_path / "r" / "model.keras")
    assert labels == ("dark", "light") and model.input_shape[1:] == (32, 32, 3)
    run = str(tmp_path / "r")
    assert cli.main(evaluate, EvaluateSettings, ["--run", run]) == 0
    found = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    assert found["accuracy"] == 1.0
    words = ["--model", run, "--images", str(root / "dark")]
    output = ["--output", str(tmp_path / "p.csv")]
    assert cli.main(predict, PredictSettings, [*words, *output]) == 0
    named = [row["label"] for row in file_io.read_csv(tmp_path / "p.csv")]
    assert len(named) == 12 and named.count("dark") >= 11


def empty(root: Path) -> Path:
    root.mkdir()
    return root


def one_class(root: Path) -> Path:
    return put(root, "a/1.png", "a/2.png")


def one_image(root: Path) -> Path:
    return put(root, "a/1.png", *(f"b/{i}.png" for i in range(9)))


def more_classes_in_test(root: Path) -> Path:
    return put(root, "train/a/1.png", "train/b/1.png", "test/a/2.png", "test/c/1.png")


def only_text(root: Path) -> Path:
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        (root / name / "1.jpg").write_text("words")
    return root


def no_label_column(root: Path) -> Path:
    put(root, "1.png")
    (root / "list.csv").write_text("path,class\n1.png,a\n")
    return root / "list.csv"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "one folder of images a class"),
        (one_class, "at least two classes"),
        (one_image, "'a'"),
        (lambda root: root / "gone", "no such file or folder"),
        (more_classes_in_test, "classes that .*train does not have: c"),
        (only_text, "max_bad_fraction"),
        (no_label_column, "label_column"),
    ],
)
def test_a_source_that_cannot_be_used_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make, words: str
) -> None:
    source = make(tmp_path / "p")
    argv = ("--data.source", str(source), "--workdir", str(tmp_path / "r"), *SMALL)
    assert start(*argv) == 2
    error = capsys.readouterr().err
    assert re.search(words, error) and error.count("error:") == 1
    assert str(tmp_path) in error and not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--model.backbone", "VGG61"), "VGG16"),
        (("--model.pooling", "mean"), "avg"),
        (("--data.augmentation", "strong"), "light"),
        (("--data.resize", "stretch"), "squash"),
        (("--data.batch_size", "0"), "batch_size"),
        (("--train.optimizer", "adma"), "adam"),
        (("--train.epochs", "0"), "epochs"),
        (("--train.learning_rate", "-1"), "learning_rate"),
        (("--distribute.strategy", "mirror"), "mirrored"),
        (("--data.test_fraction", "1.5"), "test_fraction"),
        (("--data.demo_per_class", "0"), "demo_per_class"),
        (("--data.max_bad_fraction", "-1"), "max_bad_fraction"),
        (
            ("--data.sampling=balanced", "--train.class_weights", "balanced"),
            "Leave one out",
        ),
    ],
)
def test_a_wrong_setting_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv, words: str
) -> None:
    root = pictures(tmp_path / "p")
    source = () if "demo" in argv[0] else ("--data.source", str(root))
    assert start(*SMALL, *source, "--workdir", str(tmp_path / "r"), *argv) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "r").exists()


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path, capsys) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "labels.txt").write_text("mine")
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv, "--overwrite", "true") == 2
    assert "labels.txt" in capsys.readouterr().err
    assert (tmp_path / "r" / "labels.txt").read_text() == "mine"


def test_images_too_large_for_the_memory_are_told_in_one_message(
    tmp_path: Path, capsys
) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv, "--model.image_size", "100000") == 2
    assert "Lower --data.batch_size or --model.image_size" in capsys.readouterr().err


def test_a_batch_larger_than_the_source_is_the_whole_source(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    assert start(*argv, "--data.batch_size", "100000") == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_of_just_this_training(
    tmp_path: Path, number: signal.Signals
) -> None:
    root = pictures(tmp_path / "p")
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(root)]
    words += ["--workdir", str(tmp_path / "r"), *SMALL, "--train.patience", "null"]
    process = subprocess.Popen(
        # Rarely enough for the first one to stand there when it is looked for.
        [*words, "--train.epochs", "1000000", "--checkpoint.every_seconds", "2"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # The first one written: the training is on its way, however slow the machine.
        wait_for(tmp_path / "r" / "checkpoints" / "000001.npz", process)
        process.send_signal(number)
        _, text = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number and "a checkpoint is written" in text
    assert "Traceback" not in text and not (tmp_path / "r" / "model.keras").exists()
    if number == signal.SIGTERM:
        return
    # Other settings would be another training, which has to be asked for.
    other = subprocess.run(
        [*words, "--train.epochs", "2"], capture_output=True, text=True
    )
    assert other.returncode == 2 and "--train.epochs 1000000, not 2" in other.stderr
    anew = [*words, "--train.epochs", "2", "--overwrite", "true"]
    assert subprocess.run(anew, capture_output=True).returncode == 0
    assert (tmp_path / "r" / "model.keras").is_file()
    assert not (tmp_path / "r" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_without_room_for_the_files_one_message_says_so(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    limited = (
        "import resource, signal, sys, runpy\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "sys.argv = ['train', *sys.argv[1:]]\n"
        "runpy.run_module('tfpipeline.train', run_name='__main__')\n"
    )
    words = ["--data.source", str(root), "--workdir", str(tmp_path / "r"), *SMALL]
    done = subprocess.run(
        [sys.executable, "-c", limited, *words], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error:") == 1 and "Traceback" not in done.stderr
    assert not (tmp_path / "r" / "model.keras").exists()
    assert not list((tmp_path / "r").glob(".*"))


@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize(("alpha", "least"), [(1.0, 0.97), (0.35, 0.93)])
def test_cats_and_dogs_are_told_apart(
    assets: Path, imagenet, tmp_path: Path, alpha: float, least: float
) -> None:
    argv = ("--data.source", str(assets / "images" / "cats_vs_dogs"))
    argv += ("--model.alpha", str(alpha), "--workdir", str(tmp_path / "r"))
    assert start(*argv) == 0
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["test"]["n"] == 150 and metrics["test"]["accuracy"] >= least


@pytest.mark.slow
@pytest.mark.assets
def test_sign_digits_are_read_over_three_seeds(
    assets: Path, imagenet, tmp_path: Path
) -> None:
    found = []
    for seed in range(3):
        argv = ("--data.source", str(assets / "images" / "sign_digits"))
        argv += ("--workdir", str(tmp_path / f"r{seed}"), "--seed", str(seed))
        argv += ("--cache_dir", str(tmp_path / "cache"))
        assert start(*argv) == 0
        metrics = json.loads((tmp_path / f"r{seed}" / "metrics.json").read_text())
        found.append(metrics["test"]["accuracy"])
    assert np.mean(found) >= 0.86, found
    keras.backend.clear_session()


def test_what_a_preset_sets_is_printed_and_kept_and_its_name_is_free(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "r"
    argv = (*SMALL, "--checkpoint.every_steps", "1", "--workdir", str(run))
    argv += ("--data.source", str(pictures(tmp_path / "p")))

    def saves_and_dies(self: fit.Fit) -> None:
        self.save()
        raise SystemExit(9)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(fit.Fit, "run", saves_and_dies)
        # The same settings by their own names.
        start(*(f"--{n}={v}" for n, v in PRESETS["few_shot"].items()), *argv)
    assert "preset" not in capsys.readouterr().err
    assert start(*argv, "--preset", "few_shot") == 0
    said = capsys.readouterr().err
    (line,) = (li for li in said.splitlines() if li.startswith("preset few_shot: "))
    chosen, _, otherwise = line.partition("overridden")
    assert "train.optimizer adamw" in chosen and "train.epochs 2" in otherwise
    assert "resuming" in said
    kept = cli.of_run(run / "config.yaml")
    assert (kept.preset, kept.train.optimizer) == ("few_shot", "adamw")
    assert (kept.model.backbone, kept.train.epochs) == ("PlainCNN", 2)
    # It keeps no image to choose an epoch.
    assert "validation" not in json.loads((run / "metrics.json").read_text())


def test_a_run_keeps_what_became_of_its_classes(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    pictures(tmp_path / "more", 4)
    for source, count in ((root, 2), (tmp_path / "more", 3)):
        (source / "light").rename(source / "Light")
        names = [f"light/{i}.png" for i in range(4)]
        put(source, *names, *(f"rare/{i}.png" for i in range(count)))
    (tmp_path / "c.csv").write_text("class,new\nLight,light\n")
    run = tmp_path / "r"
    argv = ("--workdir", str(run), "--data.source", str(root), *SMALL)
    argv += ("--data.classes", str(tmp_path / "c.csv"))
    assert start(*argv) == 2
    said = capsys.readouterr().err
    assert "--data.min_per_class 3" in said and "'rare' (2)" in said
    argv += ("--data.min_per_class", "3")

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fit.Fit, "run", interrupted)
        assert start(*argv) == 130
    (tmp_path / "c.csv").unlink()
    # It resumes though the file is gone, by its own copy.
    assert start(*argv) == 0
    assert (run / "labels.txt").read_text() == "dark\nlight\n"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["renamed_classes"] == {"Light": "light"}
    assert set(manifest["dropped_classes"]) == {"rare"}
    assert "--data.min_per_class 3" in manifest["dropped_classes"]["rare"]
    page = (run / "report.html").read_text()
    assert "rare; classes.csv gives the reasons" in page
    # Sources with the names of then are measured as it was trained.
    for source, count in ((None, None), (str(tmp_path / "more"), 12)):
        result = evaluate(EvaluateSettings(run=str(run), source=source))
        assert list(result["classes"]) == ["dark", "light"]
        assert count is None or result["n"] == count
