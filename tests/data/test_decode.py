"""Images decoded inside the graph are those that `images` defines."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline, scan
from tfpipeline.data.decode import Decoder
from tfpipeline.data.scan_cache import Row


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
