"""A small version, for what every signature has to do."""

from pathlib import Path

import keras
import pytest

from tfpipeline.config import ModelSettings
from tfpipeline.data import encoded
from tfpipeline.models import classifier
from tfpipeline.serving import holding, server_files, signatures


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of a small untrained classifier of images of 8 x 8."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3, activation="relu")(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    parts = signatures.Parts(
        *classifier.split_classifier(model),
        signatures.Answers(["a", "b", "c"], top_k=2, accepts_from=0.0),
        encoded.Reader(8, 8, "squash"),
    )
    path = tmp_path_factory.mktemp("served") / "1"
    signatures.save(path, signatures.Served(parts))
    return path


@pytest.fixture(scope="session")
def loaded(folder: Path) -> signatures.Loaded:
    return signatures.Loaded(folder)


@pytest.fixture(scope="session")
def holder(folder: Path) -> holding.Holder:
    """The small version, called stable."""
    server_files.write(folder.parent, "classifier", {"stable": 1}, [1])
    return holding.Holder(folder.parent)
