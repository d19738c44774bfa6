"""Pictures and a network to be measured."""

from pathlib import Path

import pytest
import tensorflow as tf

from tfpipeline.benchmark import preparation
from tfpipeline.config import ModelSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.core.errors import UserError
from tfpipeline.core.provenance import Phases
from tfpipeline.demo import world

STRATEGY = tf.distribute.OneDeviceStrategy("/cpu:0")


def settings(source: Path) -> BenchmarkSettings:
    """Return what measures a small network on some pictures."""
    return BenchmarkSettings(
        source=str(source), images=64, model=ModelSettings("MobileNetV2", "demo")
    )


def test_broken_files_are_left_out_and_the_rest_repeated(tmp_path: Path) -> None:
    root = world.write_folder(tmp_path / "p", ["rocket", "teapot"], 5, seed=0)
    root = root or tmp_path / "p"
    (root / "rocket" / "00000.png").write_bytes(b"no picture")
    setup, audited = preparation.prepare(settings(root), STRATEGY, tmp_path, Phases())
    assert len(setup.rows) == len(setup.label) == 9 and audited > 0
    assert len(setup.order) == 64


def test_pictures_of_which_none_can_be_used_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of its 2 files can be used"):
        preparation.prepare(settings(tmp_path), STRATEGY, tmp_path / "cache", Phases())
