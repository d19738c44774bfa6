"""Which images a version is asked about, and which others set 8-bit ranges."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Trained
from tfpipeline import atomic, images, manifest
from tfpipeline.config_serving import ExportSettings
from tfpipeline.data.rows import Row
from tfpipeline.errors import UserError
from tfpipeline.workflow import exporting


def rows(*digests: str) -> list[Row]:
    return [Row(path=f"{i}.png", sha256=name) for i, name in enumerate(digests)]


def digests(files: list[Row]) -> list[str]:
    return [row.sha256 for row in files]


def test_ranges_are_set_by_training_images_of_which_the_gate_has_no_copy() -> None:
    gate, ranges = exporting.divide(rows(*"abc"), rows(*"xbyz"), 200, True)
    assert digests(gate) == list("abc") and digests(ranges) == list("xyz")
    gate, ranges = exporting.divide(rows(*"abc"), rows(*"xyz"), 2, False)
    assert digests(gate) == list("ac") and ranges == []


@pytest.mark.parametrize("count", [2, 3, 150, 1000])
def test_without_training_images_one_half_sets_ranges_and_the_other_is_the_gate(
    count: int,
) -> None:
    there = [f"{i:04}" for i in range(count)]
    gate, ranges = exporting.divide(rows(*there), [], 200, True)
    assert set(digests(gate)) <= set(there[::2])
    assert set(digests(ranges)) <= set(there[1::2])
    assert len(gate) == min(200, len(there[::2]))
    assert len(ranges) == min(100, len(there[1::2]))


@pytest.mark.parametrize("there", ["a", "aa", "aaa"])
def test_one_image_cannot_both_set_ranges_and_gate(there: str) -> None:
    with pytest.raises(UserError, match="--also litert_int8: .* --images"):
        exporting.divide(rows(*there), [], 200, True)


def test_a_run_sets_ranges_by_its_training_images_and_is_asked_about_its_test_images(
    demo_run: Trained, tmp_path: Path
) -> None:
    settings = ExportSettings(
        run=str(demo_run.path),
        output=str(tmp_path),
        parity_images=5,
        also=["litert_int8"],
    )
    opened = exporting.open_run(settings, manifest.Phases())
    split = {
        row["sha256"]: row["split"]
        for row in atomic.read_csv(demo_run.path / "splits.csv")
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
        assert np.array_equal(images.decode(Path(row.path)), shown)
