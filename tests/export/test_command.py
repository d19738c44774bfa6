"""From a run to a version for a server: proven equal, or not published at all."""

import csv
import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from google.protobuf import text_format
from PIL import Image
from tensorflow_serving.config import model_server_config_pb2

from tests.conftest import PLAIN, Exported, Trained
from tests.train.test_command import start as train
from tfpipeline import cli
from tfpipeline.api.run import Run
from tfpipeline.config import PredictSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import console, file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import decode_graph
from tfpipeline.export import converters, publish
from tfpipeline.export.command import export
from tfpipeline.predict.command import predict
from tfpipeline.report.closing import closing

pytestmark = pytest.mark.slow


def start(run: Path, base: Path, *argv: str) -> int:
    words = ["--run", str(run), "--output", str(base), "--parity_images", "12"]
    return cli.main(export, ExportSettings, [*words, "--batch_sizes", "[1]", *argv])


@pytest.fixture(scope="module")
def base(small_run: Trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "base"
    assert start(small_run.path, folder) == 0
    return folder


def read(file: Path) -> dict:
    return json.loads(file.read_text())


def test_a_version_has_all_that_a_server_and_its_users_need(
    base: Path, small_run: Trained
) -> None:
    folder = base / "1"
    parity = read(folder / "parity.json")
    assert parity["passed"] and parity["n"] == 12 and parity["labels_equal"] == 1
    assert parity["max_difference"] <= 1e-4 and not parity["not_served"]
    names = (small_run.path / "labels.txt").read_text()
    assert (folder / "labels.txt").read_text() == names
    about = read(folder / "export.json")
    calibration = read(small_run.path / "calibration.json")
    assert about["calibration"] == calibration and about["image_size"] == [32, 32]
    config = text_format.Parse(
        (base / "models.config").read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    (served,) = config.model_config_list.config
    assert served.name == "classifier" and dict(served.version_labels) == {"stable": 1}
    batching = (base / "batching.config").read_text()
    # As many as a request may have, divided into batches that were warmed up.
    assert "max_batch_size { value: 256 }" in batching
    assert "max_execution_batch_size { value: 1 }" in batching
    assert "allowed_batch_sizes: 1\n" in batching
    compose = yaml.safe_load((base / "compose.yaml").read_text())["services"]
    assert compose["classifier"]["volumes"] == [".:/models/classifier:ro"]
    assert "--enable_batching=true" in compose["classifier"]["command"]
    with open(small_run.path / "splits.csv") as file:
        used = [row for row in csv.DictReader(file) if row["split"] != "test"]
    learned = (folder / "learned_from.txt").read_text().split()
    assert learned == sorted({row["sha256"][:16] for row in used})
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


def test_a_savedmodel_predicts_what_its_run_does(
    base: Path, small_run: Trained, tmp_path: Path
) -> None:
    shades = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    for number, shade in enumerate(shades):
        image_io.save_png(tmp_path / "in" / f"{number}.png", shade)
    found = []
    for model in (small_run.path, base, base / "1"):
        words = ["--model", str(model), "--images", str(tmp_path / "in")]
        output = tmp_path / f"{len(found)}.csv"
        assert (
            cli.main(predict, PredictSettings, [*words, "--output", str(output)]) == 0
        )
        found.append(file_io.read_csv(output))
    for rows in found[1:]:
        for one, two in zip(found[0], rows, strict=True):
            assert one["label"] == two["label"]
            chance = float(two["probability"])
            assert chance == pytest.approx(float(one["probability"]), abs=1e-4)


def test_what_is_too_unsure_is_told_by_the_run_and_by_what_is_served(
    small_run: Trained, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(small_run.path, tmp_path / "run"))
    shades = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3), np.uint8)
    for number, shade in enumerate(shades):
        image_io.save_png(tmp_path / "in" / f"{number}.png", shade)

    def rows(model: Path) -> list[dict[str, str]]:
        output = tmp_path / "found.csv"
        words = ["--model", str(model), "--images", str(tmp_path / "in")]
        words += ["--output", str(output)]
        assert cli.main(predict, PredictSettings, words) == 0
        return file_io.read_csv(output)

    def accepted(model: Path, **told: object) -> list[str]:
        known = read(small_run.path / "calibration.json")
        (run / "calibration.json").write_text(json.dumps(known | told))
        return [row["accepted"] for row in rows(model)]

    chance = [float(row["probability"]) for row in rows(run)]
    threshold = sum(sorted(chance)[2:4]) / 2
    expected = ["true" if p >= threshold else "false" for p in chance]
    promise = {"threshold": threshold, "bound": 0.04, "reason": ""}
    assert accepted(run, **promise) == expected
    assert expected.count("true") == 3
    assert start(run, tmp_path / "base") == 0
    assert accepted(tmp_path / "base") == expected
    assert {row["accepted_reason"] for row in rows(tmp_path / "base")} == {""}


def test_what_allows_no_promise_is_null_with_the_reason_wherever_it_is_asked(
    small_run: Trained, exported: Exported, tmp_path: Path, capsys
) -> None:
    # Its 36 validation images are too few.
    why = read(small_run.path / "calibration.json")["reason"]
    words = ["--images", str(exported.pictures[0]), "--output"]
    for model in (small_run.path, exported.base):
        output = tmp_path / "found.jsonl"
        argv = ["--model", str(model), *words, str(output)]
        assert cli.main(predict, PredictSettings, argv) == 0
        (row,) = (json.loads(line) for line in output.read_text().splitlines())
        assert row["accepted"] is None and row["accepted_reason"] == why
        assert why in capsys.readouterr().out
    assert "60 are needed" in why
    found = Run(small_run.path).predict(str(exported.pictures[0]))
    assert found[0].accepted is None and found[0].accepted_reason == why


def test_nothing_is_published_where_the_answers_differ(
    small_run: Trained, tmp_path: Path, monkeypatch, capsys
) -> None:
    read_wrongly = decode_graph.Reader.__call__

    def upside_down(self, contents):
        found, valid, error = read_wrongly(self, contents)
        return found[:, ::-1], valid, error

    monkeypatch.setattr(decode_graph.Reader, "__call__", upside_down)
    assert start(small_run.path, tmp_path / "base") == 2
    said = capsys.readouterr().err
    assert "Nothing was published" in said and "Largest difference" in said
    assert list((tmp_path / "base").iterdir()) == []


def test_what_a_server_cannot_read_is_told_and_never_published_upon_alone(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.webp")
    image_io.save_png(tmp_path / "b.png", picture)
    words = ("--images", str(tmp_path / "*.[wp]*"))
    assert start(small_run.path, tmp_path / "base", *words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "reads 1 of 2 images, expected 90%" in said and "--min_answered" in said
    assert list((tmp_path / "base").iterdir()) == []
    words += ("--min_answered", "0.5")
    assert start(small_run.path, tmp_path / "base", *words) == 0
    assert "1 images that a server cannot read" in capsys.readouterr().out
    parity = read(tmp_path / "base" / "1" / "parity.json")
    assert parity["n"] == 1 and len(parity["not_served"]) == 1
    nothing = parity | {"passed": False, "n": 0, "answered": 0.0}
    with pytest.raises(UserError, match="reads none of 1 images, expected 50%"):
        publish.check_passed(nothing)


def test_only_a_better_version_is_published(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    # One that has hardly learned is the live one at first.
    words = ("--workdir", str(tmp_path / "poor"), "--train.learning_rate", "1e-6")
    words += ("--cache_dir", str(small_run.cache), "--train.epochs", "1")
    words += ("--model.backbone", "PlainCNN", "--model.image_size", "32")
    words += ("--data.demo_per_class", "90")
    assert train(*words) == 0
    base = tmp_path / "base"
    assert start(tmp_path / "poor", base) == 0
    words = ("--only_if_better", "true")
    capsys.readouterr()
    assert start(small_run.path, base, *words, "--label", "stable", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    # All test images are asked about, however few the gate is content with.
    assert told["parity"]["n"] == 12 and told["better"]["n"] == 108
    assert told["better"]["winner"] == "new" and told["better"]["left_out"] == 0
    # The other way round it is worse, and told so.
    assert start(tmp_path / "poor", base, *words) == 0
    said = capsys.readouterr().out
    assert "Better: the live one" in said and "Nothing was published" in said
    assert {p.name for p in base.iterdir() if p.is_dir()} == {"1", "2"}


def test_a_run_of_mixed_precision_passes_the_gate(
    small_run: Trained, tmp_path: Path
) -> None:
    words = ("--workdir", str(tmp_path / "run"), "--train.precision", "mixed_bfloat16")
    words += ("--cache_dir", str(small_run.cache), "--train.epochs", "1", *PLAIN)
    assert train(*words) == 0
    assert start(tmp_path / "run", tmp_path / "base") == 0
    parity = read(tmp_path / "base" / "1" / "parity.json")
    assert parity["passed"] and parity["n"] == 12


@pytest.mark.parametrize("value", ["NaN", "0", "-2.5", "Infinity", '"warm"'])
def test_a_temperature_that_cannot_be_is_refused_before_anything_is_written(
    small_run: Trained, tmp_path: Path, value: str, capsys
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run.path, run)
    calibration = json.loads((run / "calibration.json").read_text())
    text = json.dumps(calibration | {"temperature": 0.125})
    (run / "calibration.json").write_text(text.replace("0.125", value))
    assert start(run, tmp_path / "base") == 2
    assert "positive number as temperature" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "base").glob("[0-9]*"))


def test_a_label_is_moved_without_exporting(base: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(base, tmp_path / "base")
    shutil.copytree(base / "1", tmp_path / "base" / "2")
    for number in (2, 1):
        words = ["--output", str(tmp_path / "base"), "--stable", str(number)]
        assert cli.main(export, ExportSettings, words) == 0
        assert f"version {number} is stable" in capsys.readouterr().out
        config = (tmp_path / "base" / "models.config").read_text()
        assert f'"stable" value: {number}' in config
    # A running server would lose a model whose name changes.
    config = tmp_path / "base" / "models.config"
    config.write_text(config.read_text().replace("classifier", "pets"))
    words = ["--output", str(tmp_path / "base"), "--stable", "2"]
    assert cli.main(export, ExportSettings, words) == 0
    assert 'name: "pets"' in config.read_text()
    words = ["--output", str(tmp_path / "base"), "--run", "r"]
    assert cli.main(export, ExportSettings, words) == 2
    assert "--name pets" in capsys.readouterr().err
    words = ["--output", str(tmp_path / "base"), "--stable", "9"]
    assert cli.main(export, ExportSettings, words) == 2


def test_other_runtimes_are_asked_as_well(small_run: Trained, tmp_path: Path) -> None:
    # What each may take of the bytes of the classifier.
    most = {"litert_float16": 0.7, "litert_int8": 0.45, "onnx": 1.1}
    if not all(map(importlib.util.find_spec, ("tf2onnx", "onnxruntime"))):
        del most["onnx"]
    assert start(small_run.path, tmp_path / "base", "--also", *most) == 0
    told = read(tmp_path / "base" / "1" / "parity.json")["also"]
    weights = (small_run.path / "model.keras").stat().st_size
    also = tmp_path / "base" / "1" / "also"
    assert len(list(also.glob("*.parity.json"))) == len(told) == len(most)
    for target, share in most.items():
        found = told[target]
        assert found["published"] and found["passed"] and found["n"] == 12
        assert found["input"]["dtype"] == "float32"
        assert found["input"]["size"] == [32, 32]
        assert list(found["outputs"])[:2] == ["probabilities", "novelty"]
        assert found["novelty"]["passed"] and "known" not in found
        file = tmp_path / "base" / "1" / found["file"]
        assert file.stat().st_size == found["bytes"] < share * weights
        assert found in [read(one) for one in also.glob("*.parity.json")]


def test_a_runtime_that_fails_does_not_take_the_version_with_it(
    small_run: Trained, tmp_path: Path, monkeypatch, capsys
) -> None:
    def refuse(*_: object) -> bytes:
        raise ValueError("no such operation: Gelu")

    for name, convert in (("onnx", refuse), ("litert_int8", lambda *_: b"no model")):
        target = dataclasses.replace(
            converters.TARGETS[name], convert=convert, packages=()
        )
        monkeypatch.setitem(converters.TARGETS, name, target)
    words = ("--also", "onnx", "litert_int8", "litert_float16", "--json")
    words += ("--tolerance.litert_float16", "1e-12")
    assert start(small_run.path, tmp_path / "base", *words) == 1
    said = capsys.readouterr()
    told, version = json.loads(said.out), tmp_path / "base" / "1"
    assert told["version"] == 1 and told["parity"]["passed"]
    assert (version / "saved_model.pb").is_file()
    assert list((version / "also").iterdir()) == []
    assert read(version / "parity.json")["also"] == told["also"]
    assert not any(one["published"] for one in told["also"].values())
    assert "no such operation: Gelu" in told["also"]["onnx"]["why"]
    # What the converter gives is no model, so nothing can be written into it.
    assert told["also"]["litert_int8"]["why"]
    off = told["also"]["litert_float16"]
    assert off["tolerance"] == 1e-12 < off["max_difference"] and off["beyond"] == 12
    assert "--tolerance.litert_float16" in off["why"]
    for one in told["also"].values():
        assert one["why"][:40] in said.err
    # Python gives back the version, and says the same.
    version = Run(small_run.path).export(
        tmp_path / "other", also="onnx", parity_images=12, batch_sizes=[1]
    )
    assert version.version == 1 and not version["also"]["onnx"]["published"]
    assert "no such operation: Gelu" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
def test_where_novelty_does_not_pass_there_is_a_file_without_it(
    small_run: Trained, tmp_path: Path, monkeypatch, capsys
) -> None:
    target = converters.TARGETS["litert_float16"]

    def convert(*args: Any) -> bytes:
        *others, score = args
        if score is not None:
            score = dataclasses.replace(score, middle=score.middle + 5)
        return target.convert(*others, score)

    monkeypatch.setitem(
        converters.TARGETS,
        "litert_float16",
        dataclasses.replace(target, convert=convert),
    )
    assert start(small_run.path, tmp_path / "base", "--also", "litert_float16") == 0
    version = tmp_path / "base" / "1"
    found = read(version / "parity.json")["also"]["litert_float16"]
    assert found["published"] and list(found["outputs"]) == ["probabilities"]
    assert "novelty" in found["known"] and "novelty" in capsys.readouterr().out
    assert read(version / "also" / "model_float16.parity.json") == found
    answer = converters.run(version / found["file"], np.zeros((1, 32, 32, 3), "f4"))
    assert list(answer) == ["probabilities"]


@pytest.mark.assets
def test_real_photographs_are_answered_as_in_training(
    assets: Path, imagenet, tmp_path: Path
) -> None:
    source = assets / "images" / "cats_vs_dogs"
    words = ("--data.source", str(source), "--workdir", str(tmp_path / "run"))
    words += ("--model.backbone", "MobileNetV2", "--model.alpha", "0.35")
    words += ("--train.epochs", "3", "--cache_dir", str(tmp_path / "cache"))
    assert train(*words) == 0
    words = ("--parity_images", "150")
    assert start(tmp_path / "run", tmp_path / "base", *words) == 0
    parity = read(tmp_path / "base" / "1" / "parity.json")
    assert parity["n"] == 150 and parity["labels_equal"] == 1
    assert parity["max_difference"] <= 1e-4


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--output", "o"], "--run: expected the folder of a finished run"),
        (["--run", "nowhere", "--output", "o"], "nowhere: expected the folder"),
        (["--run", "r"], "--output: expected the folder above"),
        (["--run", "r", "--output", "o", "--name", "a b"], "--name: expected letters"),
        (["--run", "r", "--output", "o", "--name", ".."], "--name: expected letters"),
        (["--run", "r", "--output", "o", "--label", "stabel"], "stable"),
        (["--run", "r", "--output", "o", "--also", "onx"], "onnx"),
        (["--run", "r", "--output", "o", "--batch_sizes", "[4, 2]"], "rising order"),
        (["--run", "r", "--output", "o", "--top_k", "0"], "--top_k: expected"),
        (["--run", "r", "--output", "o", "--max_pixels", "0"], "--max_pixels"),
        (
            ["--run", "r", "--output", "o", "--max_images", "8"],
            "--max_images: expected",
        ),
        (
            ["--run", "r", "--output", "o", "--max_request_pixels", "9"],
            "250,000,000 at",
        ),
        (["--run", "r", "--output", "o", "--min_answered", "0"], "--min_answered"),
        (["--run", "r", "--output", "o", "--stable", "1"], "leave --run out"),
        (["--run", "r", "--output", "o", "--tolerance", "0"], "--tolerance: expected"),
        (
            ["--run", "r", "--output", "o", "--tolerance.onnx", "-1"],
            "--tolerance.onnx: expected",
        ),
        (["--run", "r", "--output", "o", "--tolerance.onx", "1"], "'onnx'"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    argv: list[str], words: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(export, ExportSettings, argv) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_closing_words_of_an_export_that_has_much_to_tell_are_short() -> None:
    one = {"labels_equal": 1.0, "max_difference": 1e-3, "bytes": 1e6, "n": 72}
    one["published"] = True
    better = {"n": 72, "winner": "new", "live_version": 1, "p_loss": 0.01}
    better |= {"p_holm": 0.01, "p_loss_holm": 0.02}
    better |= {"only_new": 9, "only_live": 0, "left_out": 3, "learned_known": False}
    better |= {side: {"accuracy": 0.9, "loss": 0.5} for side in ("new", "live")}
    refused = [{"id": "a.webp", "error": "of another kind"}]
    result: Any = {"parity": one | {"not_served": refused}, "better": better}
    result |= {"also": {name: one for name in "abc"}, "version": 2, "bytes": 1e6}
    result |= {"labels": {"stable": 2}, "folder": "served/2"}
    then = ["Serve it", "or so"]
    words = closing("export", "served/2", "parity.json", result=result, then=then)
    said = str(words).splitlines()
    assert len(said) == console.MOST_LINES
    assert said[1].startswith("On the same 72") and said[1].endswith("the new one.")
    better["winner"] = "tie"
    words = closing("export", "served/2", "parity.json", result=result, then=then)
    assert str(words).splitlines()[1].endswith("is kept.")
