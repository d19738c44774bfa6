"""The shipped backbone: what its card says, and that its features transfer."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import demo_transfer
from tfpipeline.demo import pretraining, world

CARD = world.WEIGHTS_FILE.with_name("model_card.md").read_text(encoding="utf-8")


def test_the_card_describes_the_file_that_is_shipped() -> None:
    data = world.WEIGHTS_FILE.read_bytes()
    assert len(data) <= 2e6
    assert hashlib.sha256(data).hexdigest() in CARD
    assert "python -m tfpipeline.demo.pretraining --output FILE.npz --seed 0" in CARD
    with np.load(world.WEIGHTS_FILE) as arrays:
        assert arrays["top_kernel"].shape[1] == len(world.PRETRAINING_CLASSES)
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}


@pytest.mark.slow
def test_it_knows_its_own_classes_as_well_as_the_card_says() -> None:
    held_out = pretraining.drawn(40, pretraining.HELD_OUT, 0)
    found = pretraining.accuracy(world.WEIGHTS_FILE, *held_out)
    assert f"{found:.3f}" in CARD


@pytest.mark.slow
def test_thirty_pictures_a_class_are_enough_and_untrained_features_are_not(
    tmp_path: Path,
) -> None:
    """Over 3 seeds: at least 0.95, and 0.15 more than the calibrated untrained one."""
    found = demo_transfer.compare(3, tmp_path)
    assert found["pretrained"][0] >= 0.95
    gain, half_width = found["gain"]
    assert gain - half_width >= 0.15


def small() -> keras.Model:
    """Return a network of two layers: MobileNetV2 takes a minute to be traced."""
    image = keras.Input((pretraining.SIZE, pretraining.SIZE, 3))
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(image, x)


def test_what_a_short_pretraining_saves_can_be_loaded(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(pretraining, "_network", small)
    file = tmp_path / "w.npz"
    argv = ["--output", str(file), "--epochs", "1", "--per_class", "4"]
    pretraining.main([*argv, "--batch_size", "16"])
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert result["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert 0 <= result["accuracy"] <= 1 and result["n"] == 40 * 26
