"""What is told of the data: copies, leaks, and classes."""

from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings
from tfpipeline.core import image_io
from tfpipeline.data import dataset
from tfpipeline.report import diagnosis


def test_copies_across_splits_are_told_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    root = tmp_path / "images"
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        for i in range(6):
            picture = rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)
            image_io.save_png(root / split / name / f"{i}.png", picture)
    train, test = root / "train", root / "test"
    (train / "a" / "9.png").write_bytes((train / "a" / "0.png").read_bytes())
    (test / "b" / "9.png").write_bytes((train / "a" / "1.png").read_bytes())
    data = DataSettings(source=str(root), validation_fraction=0)
    found = dataset.prepare(data, 0, tmp_path / "cache", lambda path: path)
    told = diagnosis.data(found)
    assert told["files"] == 26 and told["exact_copies"] == 2
    assert told["groups_across_splits"] == 1 and told["label_conflicts"] == 1
    first, second = told["groups"]
    assert {one["split"] for one in first} == {"train", "test"}
    assert {one["id"] for one in second} == {"train/a/0.png", "train/a/9.png"}
    assert told["classes"]["b"] == {"train": 6, "validation": 0, "test": 7}
    assert told["height"] == [24, 24, 24]
