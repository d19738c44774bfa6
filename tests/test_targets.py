"""Several labels, shares and numbers through every command, or refused in words."""

import csv
import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import tfpipeline
from tests.conftest import PLAIN
from tests.serve import running
from tfpipeline import cli
from tfpipeline.combine.command import combine
from tfpipeline.config import (
    EvaluateSettings,
    PackSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.evaluate.command import evaluate
from tfpipeline.export.command import export
from tfpipeline.monitor.command import monitor
from tfpipeline.pack.command import pack
from tfpipeline.predict.command import predict
from tfpipeline.report.__main__ import make
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow

COLOURS = ("blue", "green", "red")
# Fifteen validation images promise something at that rate.
RATE = ("--train.false_alarms", "0.1")
OPTIONS = {
    "multi": ("--data.label_column", "labels", *RATE),
    "number": ("--data.label_column", "area", "--train.loss", "mse", *RATE),
    "soft": ("--data.label_columns", ",".join(COLOURS)),
    "single": (),
}


def write(root: Path, count: int = 150) -> Path:
    """Write pictures with patches of colours, and a CSV with every kind of target."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        picture = np.full((32, 32, 3), 40, np.uint8)
        there = rng.random(3) < 0.5
        for k in np.flatnonzero(there):
            x, y = rng.integers(0, 20, 2)
            picture[y : y + 12, x : x + 12, 2 - k] = 230
        picture += rng.integers(0, 20, picture.shape).astype(np.uint8)
        image_io.save_png(root / f"{i:03d}.png", picture)
        labels = "|".join(np.array(COLOURS)[there])
        best = COLOURS[i % 3]
        hot = [int(best == name) for name in COLOURS]
        # Far from standardised: the rate fits nevertheless.
        rows.append((f"{i:03d}.png", labels, best, 5000 + 900 * there.sum(), *hot))
    file = root / "s.csv"
    file_io.write_csv(file, ("path", "labels", "label", "area", *COLOURS), rows)
    return file


def trained(folder: Path, target: str, *more: str, name: str = "") -> Path:
    run = folder / (name or target)
    argv = [str(folder / "s.csv"), "--workdir", str(run), *PLAIN, *OPTIONS[target]]
    argv += ["--data.target", target, "--cache_dir", str(folder / "cache"), "--quiet"]
    argv += ["--train.epochs", "40", "--train.learning_rate", "0.02", *more]
    assert cli.main(train, RunSettings, argv) == 0
    return run


@pytest.fixture(scope="module")
def runs(made_once) -> Path:
    """A folder with a run of each target that is not single."""

    def make_runs(folder: Path) -> None:
        write(folder)
        for target in ("multi", "number"):
            trained(folder, target)

    return made_once("targets", make_runs)


def read(file: Path) -> dict:
    return json.loads(file.read_text())


def test_several_labels_are_learned_and_their_thresholds_kept(runs: Path) -> None:
    run = runs / "multi"
    test = read(run / "metrics.json")["test"]
    assert test["mean_average_precision"] > 0.8 and test["macro_f1"] > 0.6
    assert (test["criterion"], test["chosen_on"]) == ("f1", "validation")
    decision = read(run / "target.json")
    assert decision["labels"] == list(COLOURS) and decision["target"] == "multi"
    assert read(run / "manifest.json")["target"] == "multi"
    for name, threshold in zip(COLOURS, decision["thresholds"]):
        assert test["classes"][name]["threshold"] == threshold
    header = (run / "history.csv").read_text().splitlines()[0].split(",")
    assert {"label_accuracy", "val_label_accuracy", "val_mAP"} <= set(header)
    page = (run / "report.html").read_text()
    assert "Mean average precision" in page and "highest F1 on validation" in page


def test_a_number_is_learned_in_its_own_unit(runs: Path) -> None:
    run = runs / "number"
    test = read(run / "metrics.json")["test"]
    assert test["mae"] < 0.7 * test["baseline"]["mae"] and test["r2"] > 0.3
    low, high = test["intervals"]["mae"]
    assert low < test["mae"] < high
    model = keras.saving.load_model(run / "model.keras", compile=False)
    picture = np.full((1, 32, 32, 3), 0.2, np.float32)
    assert 4000 < float(np.asarray(model(picture))[0, 0]) < 9000
    assert "off by" in (run / "report.html").read_text()
    decision = read(run / "target.json")
    assert test["band"]["half_width"] == decision["half_width"] > 0
    assert (decision["coverage"], decision["split"]) == (0.9, "validation")


def test_labels_are_suspected_with_what_there_is_to_judge_them_by(runs: Path) -> None:
    for target, own in (("multi", {"add", "remove"}), ("number", {"robust_z"})):
        rows = file_io.read_csv(runs / target / "cleaning.csv")
        assert len(rows) == 150 and own <= set(rows[0])
        counts = read(runs / target / "diagnosis.json")["suspects"]
        marked = sum(float(row["suspicion"]) > 0 for row in rows)
        assert counts["held_out"] + counts["train"] == marked
        # The network has learned them: the page says that more may be wrong.
        assert "memorised" in (runs / target / "report.html").read_text()


@pytest.mark.parametrize("target", ["multi", "number"])
def test_an_evaluation_gives_the_figures_of_the_run(
    runs: Path, target: str, capsys
) -> None:
    run = runs / target
    assert cli.main(evaluate, EvaluateSettings, ["--run", str(run)]) == 0
    own, again = read(run / "metrics.json")["test"], read(run / "evaluation.json")
    names = {"multi": ("mean_average_precision", "micro_f1"), "number": ("mae", "r2")}
    loss = {"multi": "loss", "number": "rmse"}[target]
    for name in (*names[target], loss):
        assert again[name] == pytest.approx(own[name], rel=1e-5)
    said = capsys.readouterr().out
    assert {"multi": "mAP", "number": "Always predicting the mean"}[target] in said
    assert (run / "evaluation.html").is_file()
    # Another source, here the same one by another name.
    argv = ["--run", str(run), "--source", str(run / "splits.csv"), "--quiet"]
    column = ["--data.label_column", "label"]
    assert cli.main(evaluate, EvaluateSettings, [*argv, *column]) == 0
    again = read(run / "evaluation.json")
    assert again[names[target][0]] == pytest.approx(own[names[target][0]], rel=1e-5)


def test_a_source_of_some_of_the_labels_is_matched_by_name(
    runs: Path, tmp_path: Path
) -> None:
    rows = file_io.read_csv(runs / "s.csv")
    some = [
        (runs / row["path"], row["labels"])
        for row in rows
        if "green" not in row["labels"]
    ]
    file = tmp_path / "some.csv"
    file_io.write_csv(file, ("path", "labels"), some)
    argv = ["--run", str(runs / "multi"), "--source", str(file), "--quiet"]
    assert cli.main(evaluate, EvaluateSettings, argv) == 2
    argv += ["--allow_missing_classes", "true"]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    result = read(runs / "multi" / "evaluation.json")
    assert result["classes"]["green"]["n"] == 0 and result["classes_measured"] == 2


@pytest.fixture(scope="module")
def served(runs: Path, made_once) -> Path:
    """A folder with an exported version of each run."""

    def make_versions(folder: Path) -> None:
        has_onnx = importlib.util.find_spec("tf2onnx") is not None
        also = ["litert_float16"] + ["onnx"] * has_onnx
        for target in ("multi", "number"):
            argv = ["--run", str(runs / target), "--output", str(folder / target)]
            argv += ["--parity_images", "30"]
            argv += ["--batch_sizes", "[1, 4]", "--also", *also, "--quiet"]
            assert cli.main(export, ExportSettings, argv) == 0

    return made_once("targets_served", make_versions)


@pytest.mark.parametrize("target", ["multi", "number"])
def test_a_version_answers_as_the_run_does(
    runs: Path, served: Path, target: str, tmp_path: Path
) -> None:
    pictures = [str(runs / f"{i:03d}.png") for i in range(6)]
    tables = []
    for name, model in (("run", runs / target), ("version", served / target)):
        file = tmp_path / f"{name}.csv"
        argv = ["--model", str(model), "--output", str(file), "--quiet"]
        argv += ["--images", *pictures]
        assert cli.main(predict, PredictSettings, argv) == 0
        tables.append(list(csv.reader(file.read_text().splitlines())))
        # It is known again as its own.
        assert cli.main(predict, PredictSettings, argv) == 0
    assert tables[0][0] == tables[1][0]
    assert tables[0][0][-4:] == ["novelty", "known", "known_reason", "error"]
    for one, other in zip(tables[0][1:], tables[1][1:]):
        assert one[:2] == other[:2] and one[-3:] == other[-3:]
        assert one[-3] in ("true", "false") and one[-2:] == ["", ""]
        for a, b in zip(one[2:-4], other[2:-4]):
            assert float(a) == pytest.approx(float(b), abs=1e-4, rel=1e-4)
        assert float(one[-4]) == pytest.approx(float(other[-4]), abs=1e-5)
    parity = read(served / target / "1" / "parity.json")
    assert parity["passed"] and parity["novelty"]["passed"]
    assert parity["novelty"]["max_difference"] < 1e-5
    for also in parity["also"].values():
        assert also["published"] and [*also["outputs"]][-2:] == ["novelty", "known"]
        assert also["novelty"]["passed"] and "known" in also["novelty"]
    own = file_io.read_csv(runs / target / "predictions.csv")
    said = {row["id"]: row["predicted"] for row in own}
    for row in file_io.read_csv(served / target / "1" / "held_out.csv"):
        assert row["predicted"] == said[row["id"]] and float(row["novelty"]) < 100
        assert (row["probability"] == "") == (target == "number")
    about = read(served / target / "1" / "export.json")
    decision = read(runs / target / "target.json")
    assert about["target"] == decision
    golden = read(served / target / "1" / "golden_requests.json")["predictions"][0]
    if target == "multi":
        assert parity["said"] == {"passed": True, "changed": 0}
        order = [COLOURS.index(name) for name in golden["labels"]]
        least = np.array(about["target"]["thresholds"])[order]
        assert golden["said"] == (np.array(golden["probabilities"]) >= least).tolist()
    else:
        assert golden["labels"] == ["area"] and 4000 < golden["value"] < 9000
        assert tables[0][0][:5] == ["id", "quantity", "value", "low", "high"]
        assert parity["interval"]["passed"]
        assert all(one["interval"]["passed"] for one in parity["also"].values())
        ends = [golden["value"] - golden["low"], golden["high"] - golden["value"]]
        assert ends == pytest.approx([decision["half_width"]] * 2, rel=1e-3)


def test_what_lies_beside_a_phones_file_names_the_thresholds(
    runs: Path, served: Path
) -> None:
    import zipfile

    for target in ("multi", "number"):
        file = served / target / "1" / "also" / "model_float16.tflite"
        with zipfile.ZipFile(file) as archive:
            inside = json.loads(archive.read("target.json"))
        assert inside == read(runs / target / "target.json")


def test_python_gets_labels_and_numbers(runs: Path) -> None:
    several = tfpipeline.Run(runs / "multi").predict([str(runs / "000.png")])
    (one,) = several
    assert one.label == "|".join(one.said) and len(one.top_k) == 3
    assert one.top_k[0][1] == one.probability
    (number,) = tfpipeline.Run(runs / "number").predict([str(runs / "000.png")])
    assert number.label == "area" and 4000 < number.value < 9000
    assert number.low < number.value < number.high
    assert f"{number.value:.6g}" in repr(
        tfpipeline.Run(runs / "number").predict([str(runs / "000.png")])
    )


@pytest.mark.parametrize("more", [(), ("--train.class_weights", "balanced")])
def test_a_one_hot_row_trains_as_a_hard_label_bit_for_bit(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    write(tmp_path, 60)
    short = ("--train.epochs", "4", "--train.label_smoothing", "0.1", *more)
    models, results = [], []
    for target in ("single", "soft"):
        run = trained(tmp_path, target, *short)
        models.append(keras.saving.load_model(run / "model.keras").get_weights())
        results.append(read(run / "metrics.json")["test"])
    for one, other in zip(*models):
        np.testing.assert_array_equal(one, other)
    histories = [
        (tmp_path / t / "history.csv").read_bytes() for t in ("single", "soft")
    ]
    assert histories[0] == histories[1]
    distribution = results[1].pop("distribution")
    assert results[0] == results[1] and distribution["entropy"] == 0
    argv = ["--run", str(tmp_path / "soft"), "--quiet"]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    again = read(tmp_path / "soft" / "evaluation.json")
    assert again["distribution"] == pytest.approx(distribution)
    assert again["accuracy"] == results[1]["accuracy"]


def test_shares_are_measured_on_what_is_no_table_as_well(tmp_path: Path) -> None:
    write(tmp_path, 60)
    run, packed = trained(tmp_path, "soft", "--train.epochs", "1"), tmp_path / "packed"
    argv = [str(tmp_path / "s.csv"), "--data.target", "soft", *OPTIONS["soft"]]
    argv += ["--output", str(packed), "--cache_dir", str(tmp_path / "cache")]
    assert cli.main(pack, PackSettings, [*argv, "--quiet"]) == 0
    # The run's columns are of its own source: this one has none.
    argv = ["--run", str(run), "--source", str(packed), "--quiet"]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    assert read(run / "evaluation.json")["n"] == 60


def test_several_labels_and_numbers_are_fine_tuned(tmp_path: Path) -> None:
    write(tmp_path, 60)
    short = ("--train.epochs", "2", "--fine_tune.epochs", "2")
    mixed = ("--data.augmentation", "mixup", "--train.label_smoothing", "0.1")
    run = trained(tmp_path, "multi", *short, *mixed, "--train.loss", "focal")
    # Every step went through the images: no features were at hand.
    assert "frozen_head" not in read(run / "metrics.json")
    run = trained(tmp_path, "number", *short, "--data.sampling", "balanced")
    result = read(run / "metrics.json")
    assert result["frozen_head"]["test"]["mae"] > 0
    stages = {row["stage"] for row in file_io.read_csv(run / "history.csv")}
    assert stages == {"head", "fine_tune"}


def refused(command, kind, argv: list[str], capsys) -> str:
    capsys.readouterr()
    assert cli.main(command, kind, argv) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "target, flags",
    [
        ("multi", ("--robust.method", "pgd")),
        ("number", ("--train.class_weights", "balanced")),
        ("number", ("--train.label_smoothing", "0.1")),
        ("number", ("--data.augmentation", "cutmix")),
        ("number", ("--train.loss", "focal")),
        ("multi", ("--train.loss", "huber")),
        ("single", ("--train.loss", "bce")),
    ],
)
def test_settings_without_a_meaning_say_so(
    runs: Path, tmp_path: Path, target: str, flags: tuple[str, str], capsys
) -> None:
    argv = [str(runs / "s.csv"), "--workdir", str(tmp_path / "r"), *PLAIN]
    argv += [*OPTIONS[target], "--data.target", target, *flags]
    argv += ["--cache_dir", str(runs / "cache")]
    said = refused(train, RunSettings, argv, capsys)
    assert f"not defined for --data.target {target}" in said and flags[0] in said


def test_commands_without_a_meaning_say_so_and_what_there_is(
    runs: Path, served: Path, tmp_path: Path, capsys
) -> None:
    from tfpipeline.attack.command import attack
    from tfpipeline.config.synthesis import FeaturesSettings
    from tfpipeline.features.command import features
    from tfpipeline.synthesize.command import synthesize

    picture, out = str(runs / "000.png"), str(tmp_path / "o")
    for target in ("multi", "number"):
        run = str(runs / target)
        base = ["--model", run, "--images", picture]
        version = ["--model", str(served / target), "--images", picture]
        for command, kind, argv in (
            (attack, AttackSettings, ["--run", run, "--images", picture]),
            (synthesize, SynthesizeSettings, ["--run", run, "--classes", "red"]),
            (features, FeaturesSettings, ["--run", run, "--images", picture]),
            (
                monitor,
                MonitorSettings,
                ["--run", run, "--images", picture, "--ignore_shares", "true"],
            ),
            (evaluate, EvaluateSettings, ["--run", run, "--robust", "1/255"]),
            (predict, PredictSettings, [*base, "--sort_into", out]),
            (predict, PredictSettings, [*version, "--output", f"{out}.html"]),
            (predict, PredictSettings, [*base, "--output", f"{out}/"]),
            (export, ExportSettings, ["--run", run, "--only_if_better", "true"]),
        ):
            argv = list(argv)
            if command in (attack, synthesize, features, monitor, export):
                argv += ["--output", out]
            said = refused(command, kind, argv, capsys)
            assert f"not defined for --data.target {target}. " in said, (argv, said)
            if command in (attack, synthesize, features):
                assert "one class" in said and "--model.backbone" in said
    both = ["--runs", str(runs / "multi"), str(runs / "number"), "--workdir", out]
    said = refused(combine, CombineSettings, both, capsys)
    assert "expected --data.target multi" in said and "Received" in said


@pytest.mark.parametrize("target", ["multi", "number"])
def test_strange_pictures_are_unknown_and_so_is_said(
    runs: Path, target: str, tmp_path: Path, capsys
) -> None:
    run = runs / target
    test = read(run / "metrics.json")["test"]["novelty"]
    assert 0.6 * test["n"] <= test["known"] <= test["n"] and test["false_alarms"] == 0.1
    about = read(run / "novelty.json")
    assert about["spreads"] == [1.0] and about["n"] == 15 and about["threshold"] == 1
    assert 'id="unknown"' in (run / "report.html").read_text()
    strange = tmp_path / "strange.png"
    checks = 255 * (np.indices((32, 32)).sum(0) % 2).astype(np.uint8)
    image_io.save_png(strange, np.repeat(checks[..., None], 3, axis=2))
    given = [str(runs / "000.png"), str(strange)]
    usual, other = tfpipeline.Run(run).predict(given)
    assert other.novelty > max(1, usual.novelty) and other.known is False
    argv = ["--model", str(run), "--images", *given]
    assert cli.main(predict, PredictSettings, argv) == 0
    assert "1 unknown" in "".join(capsys.readouterr())
    assert cli.main(evaluate, EvaluateSettings, ["--run", str(run)]) == 0
    assert read(run / "evaluation.json")["novelty"] == pytest.approx(test)
    assert f"Known (like the training images): {test['known']}" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("target", ["multi", "number"])
def test_drift_is_found_from_a_run_a_version_and_tables(
    runs: Path, served: Path, target: str, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    rng = np.random.default_rng(7)
    for i in range(30):
        # All three colours in each: no such batch was trained on.
        picture = np.full((32, 32, 3), 40, np.uint8) + rng.integers(0, 20, (32, 32, 3))
        for k in range(3):
            x, y = rng.integers(0, 20, 2)
            picture[y : y + 12, x : x + 12, k] = 230
        image_io.save_png(new / f"{i}.png", picture.astype(np.uint8))
    usual = [
        row["path"]
        for row in file_io.read_csv(runs / target / "splits.csv")
        if row["split"] == "test"
    ]
    part = {"multi": "shares", "number": "values"}[target]
    for model in (runs / target, served / target):
        out, table = tmp_path / f"{model.parent.name}.out", tmp_path / "p.csv"
        start = ["--run", str(model), "--output", str(out), "--overwrite", "true"]
        for pictures, drifts in (([str(new)], True), (usual, False)):
            argv = ["--model", str(model), "--images", *pictures, "--quiet"]
            argv += ["--output", str(table)]
            assert cli.main(predict, PredictSettings, argv) == 0
            for given in (("--images", *pictures), ("--predictions", str(table))):
                argv = [*start, *given, "--quiet"]
                assert cli.main(monitor, MonitorSettings, argv) == 0
                result = read(out / "monitor.json")
                assert result["drift"] is drifts, result["tests"]
                assert (result["tests"][part]["p"] <= 0.05) is drifts
                assert ("features" in result["tests"]) == (given[0] == "--images")
                assert "novelty" in result["tests"]
                page = (out / "monitor.html").read_text()
                assert ("held-out ones</h2>" in page) or target == "multi"


@pytest.mark.parametrize("target", ["multi", "number"])
def test_runs_are_combined_and_compared(
    runs: Path, target: str, tmp_path: Path
) -> None:
    run, both = runs / target, tmp_path / "both"
    argv = ["--runs", str(run), str(run), "--workdir", str(both), "--quiet"]
    assert cli.main(combine, CombineSettings, argv) == 0
    own, again = (read(path / "metrics.json")["test"] for path in (run, both))
    name = {"multi": "mean_average_precision", "number": "mae"}[target]
    assert again[name] == pytest.approx(own[name], rel=1e-4)
    decision, manifest = read(both / "target.json"), read(both / "manifest.json")
    assert manifest["examples"] == read(run / "manifest.json")["examples"]
    assert manifest["target"] == target
    if target == "number":
        half = read(run / "target.json")["half_width"]
        assert decision["half_width"] == pytest.approx(half, rel=1e-3)
    else:
        assert read(both / "calibration.json")["held_out"]["loss"]
        expected = read(run / "target.json")["thresholds"]
        assert decision["thresholds"] == pytest.approx(expected, abs=1e-4)
    (one,) = tfpipeline.Run(both).predict([str(runs / "000.png")])
    (expected,) = tfpipeline.Run(run).predict([str(runs / "000.png")])
    assert one.label == expected.label and one.novelty is None
    page = make([run, both], tmp_path / "c.html").read_text()
    assert f"No difference shown between {target} and both" in page
    page = (both / "report.html").read_text()
    assert "None images" not in page and "have no interval" not in page


@pytest.mark.parametrize("target", ["multi", "number"])
def test_a_server_answers_as_the_run_does(
    runs: Path, served: Path, target: str, tmp_path: Path
) -> None:
    file, log = tmp_path / "p.jsonl", tmp_path / "log"
    answers = []
    with running.serving(served / target, log, "--grpc_port", "0") as server:
        for model in (str(runs / target), server.rest, server.grpc):
            argv = ["--model", model, "--images", str(runs / "001.png"), "--quiet"]
            argv += ["--output", str(file)]
            assert cli.main(predict, PredictSettings, argv) == 0
            answers.append(json.loads(file.read_text()))
    one, *others = answers
    for other in others:
        assert one.keys() == other.keys()
        if target == "multi":
            assert one["labels"] == other["labels"]
            chances = one["probabilities"]
            assert other["probabilities"] == pytest.approx(chances, abs=1e-4)
        else:
            assert other["quantity"] == "area"
            for name in ("value", "low", "high"):
                assert other[name] == pytest.approx(one[name], rel=1e-4)
