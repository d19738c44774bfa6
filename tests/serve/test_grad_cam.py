"""Grad-CAM of a server is that of `features`, for pictures in any size and format."""

import base64
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Trained
from tfpipeline.config import ModelSettings
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import file_io, image_io, run_dir
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.features import layer_maps
from tfpipeline.models import load_network, reference
from tfpipeline.report import heatmaps, neighbours
from tfpipeline.serve.grad_cam import GradCam


@pytest.fixture
def version(small_run: Trained, tmp_path: Path) -> Path:
    """A folder with as much of a version as is compared with the run."""
    labels = file_io.read_lines(small_run.path / "labels.txt")
    file_io.write_lines(tmp_path / "labels.txt", labels)
    return tmp_path


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "12 bits"])
def test_it_shows_what_features_shows(
    small_run: Trained, version: Path, monkeypatch, deep: bool
) -> None:
    network = load_network.open_network(str(small_run.path), ModelSettings())
    rng, file = np.random.default_rng(0), version / "picture.png"
    if deep:
        # Of 16 bits these would be nearly black: the run says what is white.
        network = replace(network, ranges=Ranges((("uint16", 0, 4095),)))
        monkeypatch.setattr(load_network, "open_network", lambda *_: network)
        samples = rng.integers(0, 4096, (50, 70), dtype=np.uint16)
        Image.fromarray(samples).save(file)
    else:
        image_io.save_png(file, rng.integers(0, 256, (50, 70, 3), dtype=np.uint8))
    result = GradCam(str(small_run.path), version).submit(file.read_bytes()).result(120)

    (photograph,), _ = layer_maps.photographs([file], network, network.resize, 10**6)
    index = int(network.logits(photograph.picture[None]).argmax())
    inspector = layer_maps.Inspector(FeaturesSettings(), network)
    heat = inspector.explain(photograph, index)["grad_cam"]
    assert result["label"] == network.labels[index]
    assert result["empty"] == (heat.max() <= 0)
    shown = image_io.decode(base64.b64decode(result["picture"]["b64"]))
    # Two traces of one network may round otherwise.
    expected = heatmaps.over(photograph.picture, heat).astype(int)
    assert np.abs(shown.astype(int) - expected).max() <= 1
    assert not deep or photograph.picture.mean() > 100


def test_a_broken_picture_is_an_error_and_the_next_one_is_explained(
    small_run: Trained, version: Path
) -> None:
    grad_cam = GradCam(str(small_run.path), version)
    good = image_io.to_png(np.zeros((8, 8, 3), np.uint8))
    torn, whole = [grad_cam.submit(content) for content in (good[:30], good)]
    with pytest.raises(ImageError):
        torn.result(120)
    assert whole.result(120)["label"]


def test_a_run_is_loaded_by_the_first_picture(
    small_run: Trained, version: Path, monkeypatch
) -> None:
    loaded = []
    load = load_network.open_network

    def counted(*words):
        loaded.append(words)
        return load(*words)

    monkeypatch.setattr(load_network, "open_network", counted)
    grad_cam = GradCam(str(small_run.path), version)
    assert not loaded
    content = image_io.to_png(np.zeros((8, 8, 3), np.uint8))
    for future in [grad_cam.submit(content) for _ in range(3)]:
        future.result(120)
    assert len(loaded) == 1


def test_a_run_of_other_classes_is_refused(
    small_run: Trained, version: Path, tmp_path: Path
) -> None:
    file_io.write_lines(version / "labels.txt", ["a", "b"])
    for folder in (version, tmp_path / "none"):
        with pytest.raises(UserError, match=f"--run {small_run.path}: "):
            GradCam(str(small_run.path), folder)
    with pytest.raises(UserError):
        GradCam(str(tmp_path / "none"), version)


def test_a_training_picture_is_its_own_nearest_and_a_gone_one_has_no_picture(
    small_run: Trained, version: Path, tmp_path: Path
) -> None:
    kept = reference.read(run_dir.RunFolder(small_run.path))
    assert kept is not None
    own = kept.rows("train")[5]
    grad_cam = GradCam(str(small_run.path), version)
    first, *others = grad_cam.submit(Path(kept.path[own]).read_bytes()).result(120)[
        "near"
    ]
    assert first["distance"] < 1e-4 and first["label"] == kept.label[own]
    assert len(others) == neighbours.COUNT - 1
    assert all(a["distance"] <= b["distance"] for a, b in pairwise([first, *others]))
    shown = image_io.decode(base64.b64decode(first["picture"]["b64"]))
    assert shown.shape == (neighbours.PIXELS, neighbours.PIXELS, 3)
    assert grad_cam._near._small(tmp_path / "gone.png") is None
