"""Copies are found, equal and near ones, with their classes and splits."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import image_io
from tfpipeline.data import duplicates, scan
from tfpipeline.data.sources import image_folder, targets
from tfpipeline.data.sources.base import from_rows
from tfpipeline.demo import photo_like


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
    alike = duplicates.near(rows)
    sheet = duplicates.leak_sheet(source, source.split, rows, alike)
    # Two pictures side by side, the names below them.
    assert sheet is not None and 2 * sheet.shape[0] > sheet.shape[1] > 2 * 160
    assert result["unusable"] == 1 and result["classes"] == {"a": 3, "b": 3}
    assert result["height"] == {"min": 40, "median": 40, "max": 40}
    sheet = duplicates.sheet(source, rows)
    assert sheet is not None and sheet.shape[2] == 3


def test_a_near_copy_of_another_class_is_a_conflict_of_its_own_kind(
    tmp_path: Path,
) -> None:
    picture = Image.fromarray(photo_like.picture(0))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    picture.save(tmp_path / "a" / "large.png")
    picture.reduce(2).save(tmp_path / "b" / "small.jpg")
    Image.fromarray(photo_like.picture(1)).save(tmp_path / "b" / "other.png")
    source = image_folder.open_folder(tmp_path)
    rows = scan.audit(source.paths, cache=None)
    alike = duplicates.near(rows)
    ((first, other),) = duplicates.pairs(alike)
    assert (source.ids[first], source.ids[other]) == ("a/large.png", "b/small.jpg")
    kinds = [
        (name, kind) for name, _, kind, _ in duplicates.findings(source, rows, alike)
    ]
    assert kinds == [
        ("b/small.jpg", "near_copy"),
        ("b/small.jpg", "near_label_conflict"),
    ]
    result = duplicates.statistics(source, rows, alike)
    assert result["near_label_conflicts"] == 1 and result["label_conflicts"] == 0


def test_files_that_are_no_images_are_no_copies_of_each_other(tmp_path: Path) -> None:
    for name in "ab":
        image_io.save_png(tmp_path / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
        (tmp_path / f"{name}.txt").write_text("words")
    files = [tmp_path / name for name in ("a.txt", "a.png", "b.txt", "b.png")]
    assert duplicates.exact(scan.audit(files, cache=None)) == [[1, 3]]


def test_near_copies_conflict_by_what_is_said_of_them(tmp_path: Path) -> None:
    picture = Image.fromarray(photo_like.picture(0))
    picture.save(tmp_path / "0.png")
    picture.reduce(2).save(tmp_path / "1.jpg")
    for i in range(2, 12):
        Image.fromarray(photo_like.picture(i)).save(tmp_path / f"{i}.png")
    names = ["0.png", "1.jpg", *(f"{i}.png" for i in range(2, 12))]
    files = [(tmp_path / name, name, 0, "") for name in names]
    rows = scan.audit([file for file, *_ in files], cache=None)
    alike = duplicates.near(rows)

    def conflicts(target: str, labels: tuple[str, ...], values: np.ndarray) -> int:
        source = targets.with_values(from_rows("s", labels, files), target, values)
        kinds = [kind for *_, kind, _ in duplicates.findings(source, rows, alike)]
        count = duplicates.statistics(source, rows, alike)["near_label_conflicts"]
        assert kinds.count("near_label_conflict") == count
        return count

    several = np.zeros((12, 3))
    several[:2, 0], several[2:, 1:] = 1, 1
    assert conflicts("multi", ("a", "b", "c"), several) == 0
    several[1, 1] = 1  # The rarest label is still the same.
    assert conflicts("multi", ("a", "b", "c"), several) == 1
    numbers = np.arange(12.0)[:, None]
    assert conflicts("number", ("n",), numbers) == 0  # Others, but nearly the same.
    numbers[1] = 11
    assert conflicts("number", ("n",), numbers) == 1


def test_equal_files_conflict_by_what_is_said_of_them(tmp_path: Path) -> None:
    for i in range(12):
        shade = np.full((8, 8, 3), 10 * max(i, 1), np.uint8)
        image_io.save_png(tmp_path / f"{i}.png", shade)
    files = [(tmp_path / f"{i}.png", str(i), 0, "") for i in range(12)]
    rows = scan.audit([file for file, *_ in files], cache=None)
    source = from_rows("s", ("n",), files)
    # Of one range, and yet two numbers.
    source = targets.with_values(source, "number", np.arange(12.0)[:, None])
    assert source.label[0] == source.label[1]
    assert duplicates.statistics(source, rows, [])["label_conflicts"] == 1
