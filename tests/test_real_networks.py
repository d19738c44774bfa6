"""VGG16 with ImageNet's kernels, end to end: what the lesson does, on photographs.

The weights are made once by the assets' own script and kept outside the checkout.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.attack.command import attack
from tfpipeline.config import RunSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import image_io
from tfpipeline.features.command import features
from tfpipeline.models import load_network
from tfpipeline.train.command import train

pytestmark = [pytest.mark.assets, pytest.mark.slow]

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.fixture(scope="session")
def vgg16_weights(assets: Path) -> Path:
    """The file of weights; skips, saying so, where it cannot be made."""
    folder = Path(os.environ.get("TFPIPELINE_WEIGHTS", ""))
    if folder == Path():
        folder = Path.home() / ".cache" / "tfpipeline-test-weights"
    file = folder / "vgg16_notop.weights.h5"
    script = assets / "more_weights.py"
    if not file.exists() and script.exists():
        words = [sys.executable, str(script), str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"no real weights of VGG16: {done.stderr.strip()[-200:]}")
    if not file.exists():
        pytest.skip(f"no real weights of VGG16 at {file}")
    return file


@pytest.fixture(scope="module")
def vgg16_run(assets: Path, vgg16_weights: Path, tmp_path_factory) -> Path:
    """The lesson's flat head on 40 photographs of each class, at 96 pixels."""
    folder = tmp_path_factory.mktemp("vgg16")
    argv = ["--config", str(CONFIGS / "cats_vs_dogs_vgg16_flat.yaml"), "--quiet"]
    argv += ["--data.source", str(assets / "images" / "cats_vs_dogs")]
    argv += ["--data.examples_per_class", "40", "--model.image_size", "96"]
    argv += ["--model.weights", str(vgg16_weights)]
    argv += ["--cache_dir", str(folder / "cache"), "--workdir", str(folder / "run")]
    assert cli.main(train, RunSettings, argv) == 0
    return folder / "run"


def test_a_frozen_vgg16_tells_cats_from_dogs(vgg16_run: Path) -> None:
    metrics = json.loads((vgg16_run / "metrics.json").read_text())["test"]
    # Chance is right on 75 of 150; without ImageNet's kernels it stays near that.
    assert metrics["n"] == 150 and metrics["accuracy"] > 0.8


def test_a_dog_becomes_a_cat_in_the_saved_picture(
    vgg16_run: Path, assets: Path, tmp_path: Path
) -> None:
    dogs = assets / "images" / "cats_vs_dogs" / "test" / "dogs"
    argv = ["--run", str(vgg16_run), "--target", "cats", "--epsilon", "2/255"]
    argv += ["--images", *map(str, sorted(dogs.iterdir())[:2]), "--figures", "0"]
    argv += ["--output", str(tmp_path / "out"), "--adversary.attack", "apgd"]
    assert cli.main(attack, AttackSettings, argv) == 0
    result = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert result["images"] and result["summary"]["success_rate"] == 1
    from tfpipeline.config import ModelSettings

    network = load_network.open_network(str(vgg16_run), ModelSettings())
    for item in result["images"]:
        picture = image_io.decode(tmp_path / "out" / item["adversarial"])
        answer = int(network.logits(picture[None]).argmax())
        assert network.labels[answer] == "cats" and item["clean_class"] == "dogs"
        assert item["linf"] <= 2 / 255 + 1e-6


def test_the_first_layer_sees_edges_and_the_last_one_parts(
    vgg16_run: Path, assets: Path, tmp_path: Path
) -> None:
    """Of a cat: maps of the first layer are fine, those of the last coarse and few."""
    argv = ["--run", str(vgg16_run), "--output", str(tmp_path / "out")]
    argv += ["--images", str(assets / "images" / "cat_720p.jpg")]
    argv += ["--layers", "block1_conv1", "block5_conv3"]
    assert cli.main(features, FeaturesSettings, argv) == 0
    (item,) = json.loads((tmp_path / "out" / "features.json").read_text())["images"]
    first, last = item["layers"]
    assert first["layer"] == "block1_conv1" and last["layer"] == "block5_conv3"
    from tfpipeline.config import ModelSettings
    from tfpipeline.models.layer_outputs import Inside

    network = load_network.open_network(str(vgg16_run), ModelSettings())
    picture = image_io.read(assets / "images" / "cat_720p.jpg", 96, 96, "squash")
    seen = Inside(network.model, ["block1_conv1", "block5_conv3"])
    maps = seen(picture[None].astype(np.float32) / 255)
    shares = {name: float((np.asarray(m) > 0).mean()) for name, m in maps.items()}
    assert shares["block5_conv3"] < 0.3 < shares["block1_conv1"]
