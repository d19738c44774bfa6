"""One range for all pictures of a type: no picture's own maximum decides."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiffs import Page, tiff
from tfpipeline.core import image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.data import sample_ranges, scan, thumbnails
from tfpipeline.data.sample_ranges import Choice
from tfpipeline.data.scan_cache import Row

RANDOM = np.random.default_rng(0)
# Pictures of a set, whose brightest pixels differ by far.
GREY = [(RANDOM.random((40, 50)) * top).astype(np.uint8) for top in (256, 40, 120, 256)]
PEAK = max(int(grey.max()) for grey in GREY)


def audited(folder: Path, make: Callable[[np.ndarray], bytes]) -> list[Row]:
    paths = [folder / f"{number}.tif" for number in range(len(GREY))]
    for path, grey in zip(paths, GREY):
        path.write_bytes(make(grey.astype(np.int64)))
    rows = scan.audit(paths, cache=None)
    assert not any(row.reason for row in rows)
    return rows


def of_type(kind: str, scale: float, offset: float = 0, **how) -> Callable:
    """Return what stores 0..255 as other numbers."""
    return lambda grey: tiff(Page((grey * scale + offset).astype(kind), **how))


@pytest.mark.parametrize(
    ("make", "most"),
    [
        *((of_type("uint16", top / 255), 1) for top in (255, 1023, 4095, 16383)),
        (of_type("uint16", 257), 0),
        *((of_type("float32", top / 255), 1) for top in (1, 255, 4095, 65535)),
        (of_type("float32", 2 / 255, -1), 1),
        *((of_type("uint32", 16843009), 1), (of_type("int16", 16, -1024), 1)),
        *((of_type("int8", 1, -128), 0), (of_type("uint16", 257, photometric=1), 0)),
        # By so much brighter.
        (of_type("float32", 1.01 / PEAK), 4),
        (of_type("int32", 260 / PEAK), 6),
        (lambda grey: tiff(Page((grey * 16).astype(np.uint16), packed=True)), 1),
    ],
)
def test_a_set_looks_as_that_of_8_bits_however_it_is_stored(
    tmp_path: Path, make: Callable, most: int
) -> None:
    rows = audited(tmp_path, make)
    choice = sample_ranges.choose("auto", rows)
    assert not choice.warnings
    for row, grey in zip(rows, GREY):
        shown = image_io.decode(Path(row.path), ranges=choice.ranges)
        assert np.abs(shown[..., 0].astype(int) - grey).max() <= most


def test_a_hot_pixel_changes_nothing(tmp_path: Path) -> None:
    def make(grey: np.ndarray) -> bytes:
        values = (grey * 16).astype(np.uint16)
        values[5, 5] = 65535
        return tiff(Page(values))

    ranges = sample_ranges.choose("auto", audited(tmp_path, make)).ranges
    assert ranges == Ranges((("uint16", 0, 4095),))


def test_the_tags_of_single_pictures_do_not_part_a_set(tmp_path: Path) -> None:
    def make(grey: np.ndarray) -> bytes:
        values = (grey * 16).astype(np.uint16)
        tags = [(280, 3, [int(values.min())]), (281, 3, [int(values.max())])]
        return tiff(Page(values, more=tags))

    ranges = sample_ranges.choose("auto", audited(tmp_path, make)).ranges
    assert ranges == Ranges((("uint16", 0, 4095),))


def test_a_range_that_all_files_declare_is_theirs(tmp_path: Path) -> None:
    tags = [(340, 8, [-1000]), (341, 8, [2500])]
    rows = audited(tmp_path, of_type("int16", 12, -1000, more=tags))
    choice = sample_ranges.choose("auto", rows)
    assert choice.ranges == Ranges((("int16", -1000, 2500),))
    assert "declare" in choice.notes[0]


def test_each_type_of_a_mixed_set_has_its_own_range(tmp_path: Path) -> None:
    whole = of_type("uint16", 16), of_type("float32", 1 / 255)
    paths = [tmp_path / f"{number}.tif" for number in range(2)]
    for path, make in zip(paths, whole):
        path.write_bytes(make(GREY[0].astype(np.int64)))
    Image.fromarray(GREY[0]).save(tmp_path / "2.png")
    rows = scan.audit([*paths, tmp_path / "2.png"], cache=None)
    choice = sample_ranges.choose("auto", rows)
    assert choice.ranges == Ranges((("float32", 0, 1), ("uint16", 0, 4095)))
    assert dict(choice.counts) == {"float32": 1, "uint16": 1} and len(choice.notes) == 2
    pictures = [image_io.decode(Path(r.path), ranges=choice.ranges) for r in rows]
    for picture in pictures:
        assert np.abs(picture.astype(int) - pictures[-1]).max() <= 1


def test_a_set_of_8_bits_has_no_range_and_keeps_its_features(tmp_path: Path) -> None:
    rows = audited(tmp_path, lambda grey: tiff(Page(grey.astype(np.uint8))))
    assert sample_ranges.choose("auto", rows) == Choice()
    assert sample_ranges.choose("0 100", rows).fingerprint == ()


def test_what_uses_little_of_its_range_is_warned_of(tmp_path: Path) -> None:
    rows = audited(tmp_path, of_type("uint16", 16))
    (warning,) = sample_ranges.choose("full", rows).warnings
    assert all(word in warning for word in ("4 pictures", "65535", "--data.range"))
    (warning,) = sample_ranges.choose("0 1000", rows).warnings
    assert "clipped" in warning and "1000" in warning
    assert not sample_ranges.choose("0 4095", rows).warnings


def test_what_a_training_has_not_seen_is_named(tmp_path: Path) -> None:
    rows = audited(tmp_path, of_type("uint16", 16))
    (text,) = sample_ranges.strangers(rows, Ranges((("float32", 0, 1),)))
    assert "uint16" in text and "0.tif" in text
    # Whatever was chosen for it, or given, it was seen.
    for setting in ("auto", "full", "0 4095"):
        assert not sample_ranges.strangers(
            rows, sample_ranges.choose(setting, rows).ranges
        )


def test_pictures_of_no_set_have_a_range_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = audited(tmp_path, of_type("uint16", 16))
    paths = [*(Path(row.path) for row in rows), tmp_path / "none.tif"]
    assert sample_ranges.of_files(paths) == Ranges((("uint16", 0, 4095),))
    assert "4095" in capsys.readouterr().err
    # Those of a run stay as they are.
    assert sample_ranges.of_files(paths, WHOLE) == WHOLE
    assert "uint16" in capsys.readouterr().err


def test_thumbnails_show_a_deep_picture_by_its_own_range(tmp_path: Path) -> None:
    deep = audited(tmp_path, of_type("uint16", 4))
    (tmp_path / "deeper").mkdir()
    deeper = audited(tmp_path / "deeper", of_type("uint16", 250))
    for one, other in zip(deep, deeper):
        grey, _ = thumbnails.decode([one.thumbnail, other.thumbnail])
        assert np.abs(grey[0].astype(int) - grey[1]).max() <= 1
        assert np.ptp(grey[0]) > 60


def test_a_deep_picture_of_one_colour_is_said_to_be(tmp_path: Path) -> None:
    for number, values in enumerate((np.full((9, 9), 700), np.arange(81))):
        data = tiff(Page(values.reshape(9, 9).astype(np.uint16)))
        (tmp_path / f"{number}.tif").write_bytes(data)
    flat, other = scan.audit(sorted(tmp_path.iterdir()), cache=None)
    assert "one colour" in flat.warning and "700" in flat.warning
    assert not other.warning


def pgm(grey: np.ndarray, most: int) -> bytes:
    head = f"P5 # made\n{grey.shape[1]} {grey.shape[0]}\n# 16 bits\n{most}\n"
    return head.encode() + grey.astype(">u2").tobytes()


def test_a_greymap_up_to_all_of_16_bits_declares_nothing(tmp_path: Path) -> None:
    rows = audited(tmp_path, lambda grey: pgm(grey * 4, 65535))
    choice = sample_ranges.choose("auto", rows)
    assert choice.ranges == Ranges((("uint16", 0, 1023),)) and not choice.warnings
    given = sample_ranges.choose("0 255", rows).ranges
    brighter = image_io.decode(Path(rows[0].path), ranges=given)
    np.testing.assert_array_equal(brighter[..., 0], np.minimum(GREY[0] * 4.0, 255))
    assert sample_ranges.of_files([Path(row.path) for row in rows]) == choice.ranges


def test_pictures_that_use_little_of_what_they_declare_are_warned_of(
    tmp_path: Path,
) -> None:
    rows = audited(tmp_path, lambda grey: pgm(grey, 4095))
    choice = sample_ranges.choose("auto", rows)
    assert not choice.counts and all(row.fixed == "0 65535" for row in rows)
    (warning,) = choice.warnings
    assert all(word in warning for word in ("4 pictures", "0.tif", "declare"))
    assert not sample_ranges.choose(
        "auto", audited(tmp_path, lambda g: pgm(g, 300))
    ).warnings


def test_a_few_samples_far_above_the_range_are_warned_of(tmp_path: Path) -> None:
    def make(grey: np.ndarray) -> bytes:
        values = (grey * 16).astype(np.uint16)
        values[5, 5] = 40000
        return tiff(Page(values))

    (warning,) = sample_ranges.choose("auto", audited(tmp_path, make)).warnings
    assert all(word in warning for word in ("4 of 4", "4095", "0.tif", "40000"))


def test_what_is_no_file_is_not_read_and_a_limit_is_kept(tmp_path: Path) -> None:
    row, *_ = audited(tmp_path, of_type("uint16", 16))
    # To open it would wait for ever.
    os.mkfifo(tmp_path / "pipe.tif")
    paths = [tmp_path / "pipe.tif", tmp_path, Path(row.path)]
    assert [found.path for found in sample_ranges.deep_files(paths)] == [row.path]
    (found,) = sample_ranges.deep_files(paths, max_pixels=40 * 50 - 1)
    assert "max_pixels" in found.reason
    assert sample_ranges.of_files(paths, max_pixels=40 * 50 - 1) == WHOLE


@pytest.mark.parametrize("most", [np.inf, np.nan])
def test_a_tag_that_is_no_number_says_nothing(tmp_path: Path, most: float) -> None:
    tags = [(340, 11, [0.0]), (341, 11, [most])]
    rows = audited(tmp_path, of_type("float32", 1 / 255, more=tags))
    assert not any(row.declared or row.fixed for row in rows)
