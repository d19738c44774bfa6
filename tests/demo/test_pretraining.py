"""The shipped backbone: what its card says, and that its features transfer."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.demo import pretraining, world
from tfpipeline.train import train

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
    """Over 5 seeds: at least 0.95, and 0.15 more than the calibrated untrained one."""
    common = ["--cache_dir", str(tmp_path / "cache"), "--data.demo_per_class", "100"]
    common += ["--data.test_fraction", "0.6", "--data.validation_fraction", "0.1"]
    common += ["--model.alpha", "0.35", "--model.image_size", "96"]
    found: dict[str, list[float]] = {"demo": [], "none": []}
    for weights, scores in found.items():
        for seed in range(5):
            folder = tmp_path / f"{weights}{seed}"
            argv = ["--workdir", str(folder), "--seed", str(seed)]
            argv += ["--model.weights", weights, *common]
            assert cli.main(train, RunSettings, argv) == 0
            manifest = json.loads((folder / "manifest.json").read_text())
            assert manifest["examples"]["train"] == 6 * 30
            metrics = json.loads((folder / "metrics.json").read_text())
            scores.append(metrics["test"]["accuracy"])
    gain = np.subtract(found["demo"], found["none"])
    # Student's t for 4 degrees of freedom, two-sided 95 %.
    margin = 2.776 * gain.std(ddof=1) / np.sqrt(5)
    print(
        f"demo {np.mean(found['demo']):.3f}, untrained {np.mean(found['none']):.3f}, "
        f"gain {gain.mean():.3f} +- {margin:.3f} (95 %, 5 seeds)"
    )
    assert np.mean(found["demo"]) >= 0.95
    assert gain.mean() - margin >= 0.15


@pytest.mark.slow
def test_a_short_pretraining_learns_and_can_be_loaded(tmp_path: Path, capsys) -> None:
    file = tmp_path / "w.npz"
    argv = ["--output", str(file), "--epochs", "1", "--per_class", "4"]
    pretraining.main([*argv, "--batch_size", "16"])
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert result["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert 0 <= result["accuracy"] <= 1 and result["n"] == 40 * 26
