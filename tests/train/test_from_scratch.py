"""A training from scratch moves the whole network, and its batch norm with it."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.config import FineTuneSettings, ModelSettings, RunSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.models import classifier, saving
from tfpipeline.train import from_scratch
from tfpipeline.train.command import train

SMALL = (
    *("--model.backbone", "PlainCNN", "--model.image_size", "32"),
    *("--data.demo_per_class", "12", "--data.batch_size", "16"),
    *("--train.epochs", "3", "--model.dropout", "0"),
)


def trained(folder: Path, *words: str) -> Path:
    argv = [*SMALL, *words, "--workdir", str(folder), "--cache_dir", str(folder.parent)]
    assert cli.main(train, RunSettings, argv) == 0
    return folder


def losses(run: Path) -> list[float]:
    return [float(row["loss"]) for row in file_io.read_csv(run / "history.csv")]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("scratch") / "run")


def test_the_named_backbone_alone_is_trained_from_scratch(run: Path) -> None:
    assert "from_scratch: true" in (run / "config.yaml").read_text()
    assert losses(run)[-1] < losses(run)[0]
    model, _ = saving.load_classifier(run / "model.keras")
    backbone = classifier.backbone_of(model)
    norms = [
        layer
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # The scale starts at 1 exactly; only learning moves it.
    assert len(norms) == 4
    assert all(np.abs(np.asarray(norm.gamma) - 1).max() > 1e-4 for norm in norms)
    assert not backbone.trainable
    assert json.loads((run / "metrics.json").read_text())["test"]["n"] == 12


def test_what_a_network_answers_by_is_of_its_last_steps() -> None:
    """Keras' MobileNetV2 keeps 0.999 of its statistics in each step."""
    model = from_scratch.resolve(
        RunSettings(model=ModelSettings("MobileNetV2", "none"))
    )
    learns = dataclasses.replace(model.train, from_scratch=True)
    settings = dataclasses.replace(model, train=learns)
    backbone = keras.applications.MobileNetV2(
        include_top=False, weights=None, alpha=0.35, input_shape=(32, 32, 3)
    )
    whole = classifier.build_classifier(backbone, "tf", settings.model, 2)
    parts = from_scratch.trained_parts(whole, settings)
    norms = [
        layer
        for layer in parts[1].layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert norms and all(layer.momentum <= 0.9 for layer in norms)


def test_two_replicas_learn_the_same(run: Path, tmp_path: Path) -> None:
    two = trained(
        tmp_path / "two",
        *("--distribute.strategy", "mirrored", "--distribute.devices", "2"),
    )
    np.testing.assert_allclose(losses(two), losses(run), rtol=2e-3)


def test_any_backbone_may_start_from_scratch_and_none_else() -> None:
    settings = RunSettings(model=ModelSettings("MobileNetV2", alpha=0.35))
    train = dataclasses.replace(settings.train, from_scratch=True)
    found = from_scratch.resolve(dataclasses.replace(settings, train=train))
    assert found.model.weights == "none" and found.train.from_scratch
    plain = from_scratch.resolve(RunSettings(model=ModelSettings(weights="none")))
    assert plain.train.from_scratch is False, "as a frozen random network"
    demo = RunSettings(model=ModelSettings(weights="demo"), train=train)
    with pytest.raises(UserError, match="--model.weights none"):
        from_scratch.resolve(demo)


def test_what_only_transfer_can_is_refused() -> None:
    settings = RunSettings(model=ModelSettings("PlainCNN"))
    with pytest.raises(UserError, match="fine_tune.epochs"):
        from_scratch.resolve(
            dataclasses.replace(settings, fine_tune=FineTuneSettings(3))
        )
    views = dataclasses.replace(settings.data, augmentation="light", views=2)
    with pytest.raises(UserError, match="views"):
        from_scratch.resolve(dataclasses.replace(settings, data=views))
    with pytest.raises(UserError, match="--model.weights imagenet: PlainCNN"):
        from_scratch.resolve(RunSettings(model=ModelSettings("PlainCNN", "imagenet")))
