"""Ideal images in bfloat16: where that is asked for or pays, and never their scores."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline import cli
from tfpipeline.config import ModelSettings
from tfpipeline.config.synthesis import SynthesisSettings, SynthesizeSettings
from tfpipeline.core import image_io
from tfpipeline.models import load_network, saving
from tfpipeline.models.engines import bfloat16, gradients
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.synthesize import engine
from tfpipeline.synthesize.command import synthesize
from tfpipeline.synthesize.presets import PRESETS

ONE = tf.distribute.get_strategy()


def test_steps_are_in_bfloat16_and_what_is_told_of_the_file_in_float32(
    small_run, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    entered, right = [], bfloat16.rewritten

    def rewritten():
        entered.append(1)
        return right()

    monkeypatch.setattr(bfloat16, "rewritten", rewritten)
    words = ["--run", str(small_run.path), "--classes", "teapot", "--output"]
    words += [str(tmp_path), "--synthesis.steps", "12", "--synthesis.engine", BFLOAT16]
    assert cli.main(synthesize, SynthesizeSettings, words) == 0
    found = json.loads((tmp_path / "synthesis.json").read_text())
    assert found["summary"]["engine"] == BFLOAT16 and len(entered) == 12
    (item,) = found["images"]
    assert item["rose"]
    model, _ = saving.load_classifier(small_run.path / "model.keras")
    picture = image_io.decode(tmp_path / item["file"]).astype(np.float32)[None] / 255
    shares = np.asarray(tf.nn.softmax(model(picture, training=False)))[0]
    assert item["probability"] == pytest.approx(shares[item["index"]], abs=1e-5)


@pytest.fixture(scope="module")
def network() -> load_network.Network:
    settings = ModelSettings("MobileNet", "none", alpha=0.25, image_size=32)
    return load_network.open_network(None, settings, names_needed=False)


def test_it_is_tried_with_the_gradient_of_a_step_and_as_many_images_as_there_are(
    network, monkeypatch
) -> None:
    tried = []

    def in_bfloat16(model, task, run, sample, count, folder) -> bool:
        images = sample()
        assert model is network.model and folder.name == "engines"
        assert images.shape == (3, 32, 32, 3) and run(images).shape == (images.size,)
        tried.append((task[1], count))
        return True

    monkeypatch.setattr(gradients, "in_bfloat16", in_bfloat16)
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    settings, best = SynthesisSettings(copies=2, batch_size=3), PRESETS["best"]
    for preset in (best, replace(best, relu_gradient=0.0)):
        assert engine.is_bfloat16(preset, settings, network, ONE, 5)
    assert [count for _, count in tried] == [best.steps * 10] * 2
    # Other gradients of the same network are tried on their own.
    assert len({which for which, _ in tried}) == 2


@pytest.mark.parametrize(
    ("wish", "preset", "supported"),
    [(TENSORFLOW, "best", True), (BFLOAT16, "lesson", True), (BFLOAT16, "best", False)],
)
def test_float32_is_never_left_by_itself(
    network, wish: str, preset: str, supported: bool, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: supported)
    settings = SynthesisSettings(engine=wish)
    assert not engine.is_bfloat16(PRESETS[preset], settings, network, ONE, 4)
    assert ("no bfloat16" in capsys.readouterr().err) is not supported
