"""A network of the user's own goes through every command, without its file."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.models.own import networks
from tfpipeline import cli
from tfpipeline.attack.command import attack
from tfpipeline.config import RunSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.evaluate import EvaluateSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.synthesis import FeaturesSettings, SynthesizeSettings
from tfpipeline.core import file_io
from tfpipeline.demo import world
from tfpipeline.evaluate.command import evaluate
from tfpipeline.export.command import export
from tfpipeline.features.command import features
from tfpipeline.models import classifier, saving
from tfpipeline.models.inference import Predictor
from tfpipeline.study import pair_cache
from tfpipeline.study.command import study
from tfpipeline.study.networks import Speeds, read_word
from tfpipeline.synthesize.command import synthesize
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow

DATA = ("--data.demo_per_class", "12", "--quiet")


def train_run(folder: Path, name: str, *words: str) -> Path:
    argv = ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
    argv += [*DATA, "--model.backbone", name, "--train.epochs", "2", *words]
    assert cli.main(train, RunSettings, argv) == 0
    return folder / "run"


@pytest.fixture(scope="module", params=["file", "kerashub"])
def trained(request: pytest.FixtureRequest, tmp_path_factory) -> Path:
    """A fine-tuned run of a file or a preset, which is gone."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "file":
        networks.cnn().save(folder / "own.keras")
        name, block = str(folder / "own.keras"), "block2"
    else:
        if networks.needs_hub.args[0]:
            pytest.skip(networks.needs_hub.kwargs["reason"])
        name = networks.dino(folder / "own.keras")
        block = "dino_encoder/layers_1"
    more = ("--fine_tune.epochs", "1", "--fine_tune.unfreeze", block)
    run = train_run(folder, name, *more)
    (folder / "own.keras").rename(folder / "gone")
    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    world.write_folder(folder / "drawn", ["rocket", "teapot"], 2, seed=77)
    # Not in folders of classes: a small network may be wrong about all of them.
    for number, file in enumerate(sorted((folder / "drawn").rglob("*.png"))):
        file.rename(folder / f"{number}.png")
    shutil.rmtree(folder / "drawn")
    return folder


def test_only_the_named_block_has_learned(trained: Path) -> None:
    model, _ = saving.load_classifier(trained / "model.keras")
    backbone = classifier.backbone_of(model)
    gone = trained.parent / "gone"
    if gone.is_dir():
        import keras_hub

        before = keras_hub.models.Backbone.from_preset(str(gone))
    else:
        before = networks.cnn()
    old = {weight.path: np.asarray(weight) for weight in before.weights}
    moved = {
        weight.path
        for weight in backbone.weights
        if not np.array_equal(old[weight.path.split("backbone/")[-1]], weight)
    }
    assert moved, "nothing has learned"
    for path in moved:
        assert "block2_conv" in path or "layers_1" in path or "layernorm" in path, path


def test_another_process_predicts_with_it(trained: Path, pictures, tmp_path) -> None:
    words = ["--model", str(trained), "--images", str(pictures), "--output", "p.csv"]
    argv = [sys.executable, "-m", "tfpipeline.predict", *words, "--quiet"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = file_io.read_csv(tmp_path / "p.csv")
    assert len(rows) == 4 and all(float(row["probability"]) > 0 for row in rows)


def test_it_is_evaluated_as_it_was_measured(trained: Path, tmp_path: Path) -> None:
    argv = ["--run", str(trained), "--cache_dir", str(trained.parent / "cache")]
    assert cli.main(evaluate, EvaluateSettings, [*argv, "--quiet"]) == 0
    measured = json.loads((trained / "metrics.json").read_text())["test"]
    again = json.loads((trained / "evaluation.json").read_text())
    assert again["accuracy"] == measured["accuracy"]
    assert again["loss"] == pytest.approx(measured["loss"], rel=1e-4)


def test_it_is_exported_once_it_answers_as_the_run_does(trained, tmp_path) -> None:
    argv = ["--run", str(trained), "--output", str(tmp_path / "base")]
    argv += ["--parity_images", "8", "--batch_sizes", "[1]", "--quiet"]
    assert cli.main(export, ExportSettings, argv) == 0
    (parity,) = (tmp_path / "base").glob("*/parity.json")
    assert json.loads(parity.read_text())["passed"]


def test_it_is_attacked_and_looked_into(trained: Path, pictures, tmp_path) -> None:
    run = ["--run", str(trained), "--quiet"]
    shown = [*run, "--images", str(pictures)]
    words = [*shown, "--output", str(tmp_path / "a"), "--epsilon", "16/255"]
    assert cli.main(attack, AttackSettings, words) in (0, 1)
    assert (
        cli.main(features, FeaturesSettings, [*shown, "--output", f"{tmp_path}/f"]) == 0
    )
    item, *_ = json.loads((tmp_path / "f" / "features.json").read_text())["images"]
    last = "patches" if "kerashub" in str(trained) else "block2_relu"
    assert item["explained"][0]["grad_cam_layer"] == last
    words = [*run, "--output", f"{tmp_path}/s", "--classes", "rocket"]
    words += ["--synthesis.steps", "8"]
    assert cli.main(synthesize, SynthesizeSettings, words) == 0
    (ideal,) = json.loads((tmp_path / "s" / "synthesis.json").read_text())["images"]
    assert ideal["end_score"] > ideal["start_score"]


def test_features_follow_the_content_of_the_file(tmp_path: Path) -> None:
    def rows() -> dict[str, int]:
        folders = (tmp_path / "cache" / "features").iterdir()
        return {folder.name: len([*folder.iterdir()]) for folder in folders}

    file = tmp_path / "own.keras"
    networks.cnn().save(file)
    train_run(tmp_path, str(file))
    first = rows()
    train_run(tmp_path, str(file), "--overwrite", "true", "--train.epochs", "3")
    assert rows() == first and len(first) == 1
    model = networks.cnn()
    model.get_layer("block1_conv").bias.assign([0.5] * 8)
    model.save(file)
    train_run(tmp_path, str(file), "--overwrite", "true")
    assert len(rows()) == 2


def test_a_study_compares_it_and_recommends_a_command_that_trains_it(tmp_path) -> None:
    file = tmp_path / "own.keras"
    networks.cnn(rescales=False).save(file)
    argv = ["--sources", "demo", "--backbones", f"{file}:tf", *DATA]
    argv += ["--output", str(tmp_path / "out"), "--cache_dir", str(tmp_path / "cache")]
    argv += ["--seeds", "1", "--shots", "all", "--heads", "2"]
    assert cli.main(study, StudySettings, argv) == 0
    result = json.loads((tmp_path / "out" / "study.json").read_text())
    assert {row["backbone"] for row in result["rows"]} == {f"{file}:tf"}
    assert "--model.preprocessing=tf" in json.dumps(result["recommendation"])


def test_a_study_knows_a_pair_by_what_the_file_holds(tmp_path) -> None:
    file, images = tmp_path / "own.keras", ()

    def names() -> list[object]:
        kept = pair_cache.PairFiles(StudySettings(), tmp_path)
        speeds = Speeds(tmp_path, tf.distribute.get_strategy())
        own = read_word(f"{file}:unit@48")
        assert (own.preprocessing, own.image_size) == ("unit", 48)
        return [kept.done(f"{file}:unit@48", images), speeds.known(own)]

    networks.cnn(size=None).save(file)
    before = names()
    assert names() == before
    speeds = Speeds(tmp_path, tf.distribute.get_strategy())
    mean = Predictor(lambda x: tf.reduce_mean(x, axis=[1, 2]), speeds.strategy)
    took = speeds.of(read_word(f"{file}:unit@48"), mean)
    assert names() == [before[0], took]
    model = networks.cnn(size=None)
    model.get_layer("block2_conv").bias.assign(12 * [0.5])
    model.save(file)
    after = names()
    assert after[0] != before[0] and after[1] is None


def test_its_network_can_learn_from_scratch(tmp_path: Path) -> None:
    networks.cnn().save(tmp_path / "own.keras")
    words = ("--train.from_scratch", "true")
    run = train_run(tmp_path, str(tmp_path / "own.keras"), *words)
    model, _ = saving.load_classifier(run / "model.keras")
    norm = classifier.backbone_of(model).get_layer("block1_bn")
    assert float(np.abs(norm.moving_mean).max()) > 0
