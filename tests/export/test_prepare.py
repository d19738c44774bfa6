"""What is exported, and the images of which split it is held against."""

from pathlib import Path

import numpy as np

from tests.conftest import Trained
from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import file_io, image_io, provenance
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import prepare


def digests(files: list[Row]) -> list[str]:
    return [row.sha256 for row in files]


def test_a_run_sets_ranges_by_its_training_images_and_is_asked_about_its_test_images(
    demo_run: Trained, tmp_path: Path
) -> None:
    settings = ExportSettings(
        run=str(demo_run.path),
        output=str(tmp_path),
        parity_images=5,
        also=["litert_int8"],
    )
    opened = prepare.open_run(settings, provenance.Phases())
    split = {
        row["sha256"]: row["split"]
        for row in file_io.read_csv(demo_run.path / "splits.csv")
    }
    assert opened.ranges is not None and opened.ranges.split == "train"
    assert {split[name] for name in digests(opened.ranges.files)} == {"train"}
    assert {split[name] for name in digests(opened.held_out)} == {"test"}
    assert len(opened.files) == len(opened.pixels) == 5
    everything = list(split.values())
    assert len(opened.held_out) == everything.count("test")
    assert len(opened.ranges.pixels) == min(100, everything.count("train"))
    # The demo's pictures have the network's size: what is shown is what the file holds.
    for row, shown in zip(opened.ranges.files, opened.ranges.pixels):
        assert np.array_equal(image_io.decode(Path(row.path)), shown)
