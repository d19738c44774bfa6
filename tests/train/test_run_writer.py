"""What a checkpoint must agree with is the same in any process."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.data.sources.test_base import never
from tests.shards.test_reading import names, put
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.shards import reading
from tfpipeline.shards.labels import Labels
from tfpipeline.train import run_writer
from tfpipeline.train.embedded.held import Held


def identity(folder: Path) -> tuple[dict[str, str], Any]:
    plan = reading.open_plan(folder / "out")
    rows, data = reading.rows(plan), DataSettings(features=str(folder / "out"))
    held = Held(plan, rows, Labels.of(plan, rows, data))
    examples = held.examples(RunSettings(data=data), folder, never)
    own = {"settings": RunSettings(data=data), "examples": examples}
    work: Any = SimpleNamespace(**own, features=held.store(examples))
    return run_writer.identity(RunSettings(data=data), work), work


def test_a_training_on_features_is_known_again(tmp_path: Path) -> None:
    vectors = np.ones((40, 2), np.float32)
    put(tmp_path, names(40), vectors)
    # Both are kept, so that nothing of them is at the same address.
    (first, one), (again, two) = identity(tmp_path), identity(tmp_path)
    assert one is not two and first == again
    assert not isinstance(one.examples.keys, list) and "the images" in first


def test_other_features_or_images_are_another_training(tmp_path: Path) -> None:
    vectors, kept = np.ones((40, 2), np.float32), []
    for number, (count, what) in enumerate(
        [(40, {}), (40, {"network": "xyz"}), (40, {"size": 5}), (30, {})]
    ):
        put(tmp_path / str(number), names(count), vectors[:count], **what)
        kept.append(identity(tmp_path / str(number))[0])
    first, network, size, fewer = kept
    for other in (network, size):
        assert other["the features"] != first["the features"]
        assert other["the images"] == first["the images"]
    assert fewer["the images"] != first["the images"]
    assert fewer["the features"] == first["the features"]
