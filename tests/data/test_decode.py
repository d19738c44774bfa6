"""Images decoded inside the graph are those that `images` defines."""

import gc
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.tiffs import Page, tiff
from tfpipeline.core import image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline, scan
from tfpipeline.data.decode import Decoder, Numbered
from tfpipeline.data.scan_cache import Row

# An entry of TIFF: a quarter turn.
TURNED = (274, 3, [6])


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """Return a picture without hard edges, which JPEG keeps well."""
    few = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return image_io.resize(few, height, width, "squash")


def written(folder: Path) -> list[Row]:
    """Return audited files of many kinds and sizes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: dict[str, tuple] = {
        "plain.jpg": ((61, 90), "RGB", {}),
        "large.jpg": ((700, 531), "RGB", {}),
        "progressive.jpg": ((333, 260), "RGB", {"progressive": True}),
        "full_colour.jpg": ((90, 90), "RGB", {"subsampling": 0}),
        "grey.jpg": ((50, 75), "L", {}),
        "cmyk.jpg": ((50, 75), "CMYK", {}),
        "turned.jpg": ((64, 80), "RGB", {"exif": exif}),
        "tiny.jpg": ((3, 5), "RGB", {}),
        "lossless.png": ((40, 77), "RGB", {}),
        "palette.gif": ((40, 77), "P", {}),
        "is_png.jpg": ((40, 77), "RGB", {"format": "PNG"}),
        "long.jpg": ((400, 12), "RGB", {}),
    }
    for seed, (name, ((height, width), mode, how)) in enumerate(kinds.items()):
        picture = Image.fromarray(smooth(height, width, seed)).convert(mode)
        picture.save(folder / name, **how)
    rows = scan.audit(sorted(folder.iterdir()), cache=None)
    assert not any(row.reason for row in rows)
    return rows


def read(decoder: Decoder, count: int) -> np.ndarray:
    some = tf.data.Dataset.from_tensors(np.arange(count))
    return next(iter(some.map(decoder))).numpy()


@pytest.mark.parametrize("how", image_io.RESIZES)
@pytest.mark.parametrize("size", [(32, 32), (20, 90), (224, 224)])
def test_every_kind_of_file_is_read_by_the_rules_of_images(
    tmp_path: Path, how: str, size: tuple[int, int]
) -> None:
    rows = written(tmp_path)
    found = read(Decoder(rows, *size, how), len(rows)).astype(int)
    for row, image in zip(rows, found):
        expected = image_io.read(Path(row.path), *size, how).astype(int)
        # Between float32 and float64, a half may be rounded to either side.
        assert abs(image - expected).max() <= 1, row.path
        assert (image != expected).mean() < 0.05, row.path


@pytest.mark.parametrize("how", image_io.RESIZES)
@pytest.mark.parametrize("size", [(32, 32), (20, 90)])
def test_deep_pictures_are_rounded_once(
    tmp_path: Path, how: str, size: tuple[int, int]
) -> None:
    ranges = Ranges((("float32", -1, 1), ("int16", -1024, 3071), ("uint16", 0, 4095)))
    draw = np.random.default_rng(0).random((48, 70, 4))
    twelve = (draw * 4095).astype(np.uint16)
    pages = {
        "grey": Page(twelve[..., 0]),
        "white": Page(twelve[..., 0], 0),
        "colours": Page(twelve[..., :3], 2),
        "alpha": Page(twelve * 16, 2, more=[(338, 3, [2])]),
        "ct": Page((draw[..., 0] * 4095 - 1024).astype(np.int16)),
        "float": Page((draw[..., 0] * 2 - 1).astype(np.float32), more=[TURNED]),
        "shallow": Page((draw[..., :3] * 255).astype(np.uint8), 2),
    }
    for name, page in pages.items():
        (tmp_path / f"{name}.tif").write_bytes(tiff(page))
    rows = scan.audit(sorted(tmp_path.iterdir()), cache=None)
    assert not any(row.reason for row in rows)
    shown = read(Decoder(rows, *size, how, ranges), len(rows)).astype(int)
    for row, image in zip(rows, shown):
        path = Path(row.path)
        off = abs(image - image_io.read(path, *size, how, ranges).astype(int))
        # Sums of 8 bits are halves now and then, which float32 rounds to either side.
        most = 0.05 if path.stem == "shallow" else 0.01
        assert off.max() <= 1 and (off > 0).mean() < most, path
        # In float64 from the samples, with no rounding before the last.
        whole = image_io.pixels(path, ranges=ranges).astype(np.float64)
        if how == "squash" and size[0] < 48 and size[1] < 70:
            down, across = (image_io.along(n, k) for n, k in zip(whole.shape, size))
            exact = np.einsum("ab,bwc,dw->adc", down, whole, across)
            assert np.abs(image - exact).max() <= 0.51, path


def test_large_pictures_are_made_small_one_by_one_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = written(tmp_path)
    monkeypatch.setattr(image_io, "LARGE", 40 * 77 - 1)
    images = read(Decoder(rows, 20, 24, "pad"), len(rows)).astype(int)
    for row, image in zip(rows, images):
        expected = image_io.read(Path(row.path), 20, 24, "pad").astype(int)
        assert abs(image - expected).max() <= 1, row.path
        if row.format in ("png", "gif"):
            assert np.array_equal(image, expected), row.path


def test_real_photographs_are_read_by_the_rules_of_images(assets: Path) -> None:
    folder = assets / "images" / "cats_vs_dogs" / "test" / "cats"
    rows = scan.audit(sorted(folder.iterdir())[:30], cache=None)
    found = read(Decoder(rows, 224, 224, "squash"), len(rows)).astype(int)
    for row, image in zip(rows, found):
        expected = image_io.read(Path(row.path), 224, 224, "squash")
        assert abs(image - expected).max() <= 1


def test_what_only_pillow_reads_is_left_to_it(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(smooth(40, 40, 0)).save(buffer, "JPEG")
    # Its end marker is gone: all pixels are there, but TensorFlow's decoder gives up.
    (tmp_path / "no_end.jpg").write_bytes(buffer.getvalue()[:-2] + bytes(100))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_jpeg((tmp_path / "no_end.jpg").read_bytes())
    rows = written(tmp_path)
    reading = pipeline.Reading(32, 32, "squash", 4)
    some = pipeline.Batches(rows, np.arange(len(rows), dtype=np.int32), reading)
    for _ in range(2):
        found = [label for batch in some.plain(np.arange(13)) for label in batch[1]]
        assert found[:13] == list(range(13)), "none is lost, and none comes twice"


def test_a_file_that_nothing_reads_any_more_is_named(tmp_path: Path) -> None:
    rows = written(tmp_path)
    (tmp_path / "plain.jpg").unlink()
    reading = pipeline.Reading(32, 32, "squash", 4)
    some = pipeline.Batches(rows, np.zeros(len(rows), np.int32), reading)
    with pytest.raises(UserError, match="plain.jpg: No such file"):
        list(some.plain(np.arange(len(rows))))


def test_a_batch_holds_large_deep_pictures_at_their_size_of_8_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (smooth(40, 40, 0)[..., 0] * 16).astype(np.uint16)
    (tmp_path / "0.tif").write_bytes(tiff(Page(values)))
    (tmp_path / "1.tif").write_bytes(tiff(Page(values, packed=True)))
    rows = scan.audit([tmp_path / "0.tif", tmp_path / "1.tif"], cache=None)
    assert all(row.is_deep for row in rows)
    ranges = Ranges((("uint16", 0, 4095),))
    # Floats take four times as much.
    monkeypatch.setattr(image_io, "LARGE", 4 * 40 * 40 - 4)
    small = Decoder(rows, 8, 8, "squash", ranges)
    content, layout = small.load(np.arange(2))
    assert [len(data) for data in content] == [8 * 8 * 3] * 2
    assert layout[:, 1:].tolist() == [[8, 8]] * 2
    expected = image_io.read(tmp_path / "0.tif", 8, 8, "squash", ranges)
    assert np.array_equal(read(small, 2)[0], expected)


class Thing:
    """Something that can be kept weakly."""


def test_a_number_finds_what_is_kept_and_nothing_else() -> None:
    numbered = Numbered[Thing]()
    one, other = Thing(), Thing()
    first, second = numbered.add(one), numbered.add(other)
    assert first != second
    assert numbered.of(first) is one and numbered.of(second) is other
    del other
    gc.collect()
    with pytest.raises(ReferenceError):
        numbered.of(second)
    assert numbered.add(Thing()) not in (first, second), "no number comes again"
    assert numbered.of(first) is one
