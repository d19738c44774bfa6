"""Copies are found: equal ones always, near ones where a bit search would find them."""

from pathlib import Path

import numpy as np

from tfpipeline.core import image_io
from tfpipeline.data import duplicates, scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import image_folder


def test_near_copies_agree_with_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    hashes = [int(h) for h in rng.integers(0, 2**63, 60, dtype=np.uint64)]
    for i in range(20):
        flipped = hashes[i]
        for bit in rng.choice(64, int(rng.integers(1, 8)), replace=False):
            flipped ^= 1 << int(bit)
        hashes.append(flipped)
    rows = [Row(str(i), perceptual_hash=f"{h:016x}") for i, h in enumerate(hashes)]
    pairs = {
        (i, j)
        for i in range(80)
        for j in range(i + 1, 80)
        if (hashes[i] ^ hashes[j]).bit_count() <= duplicates.NEAR_BITS
    }
    groups = {tuple(group) for group in duplicates.near(rows)}
    assert pairs and groups == pairs


def test_flat_pictures_are_no_copies_of_each_other() -> None:
    rows = [Row(str(i), perceptual_hash="0" * 16) for i in range(3)]
    assert duplicates.near(rows) == []


def test_statistics_tell_of_copies_leaks_and_conflicts(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (40, 40, 3), np.uint8) for _ in range(4)]
    for i, picture in enumerate(pictures):
        image_io.save_png(tmp_path / f"train/{'ab'[i % 2]}/{i}.png", picture)
    image_io.save_png(tmp_path / "test/a/copy.png", pictures[0])
    image_io.save_png(tmp_path / "train/b/wrong.png", pictures[2])
    (tmp_path / "train/b/bad.png").write_text("x")
    source = image_folder.open_folder(tmp_path)
    rows = scan.audit(source.paths, cache=None)
    result = duplicates.statistics(source, rows, duplicates.near(rows))
    assert result["exact_duplicates"] == 2 and result["leaks"] == 1
    assert result["label_conflicts"] == 1
    kinds = {
        (name, kind)
        for name, _, kind, _ in duplicates.findings(source, rows, duplicates.near(rows))
    }
    assert kinds == {
        ("train/b/bad.png", "unusable"),
        ("train/b/wrong.png", "exact_copy"),
        ("train/b/wrong.png", "label_conflict"),
        ("test/a/copy.png", "exact_copy"),
        ("test/a/copy.png", "across_splits"),
    }
    sheet = duplicates.leak_sheet(source.split, rows, duplicates.near(rows))
    assert sheet is not None and sheet.shape[1] < 2 * 96 + 20
    assert result["unusable"] == 1 and result["classes"] == {"a": 3, "b": 3}
    assert result["height"] == {"min": 40, "median": 40, "max": 40}
    sheet = duplicates.sheet(source, rows)
    assert sheet is not None and sheet.shape[2] == 3
