"""One decoder: every odd picture becomes RGB by the stated rules, or an ImageError."""

import io
import os
import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from tfpipeline.config import DataSettings, PredictSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import Ranges

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


def encoded(array: np.ndarray, form: str, mode: str | None = None, **save) -> bytes:
    picture = Image.fromarray(array)
    if mode:
        picture = picture.convert(mode)
    out = io.BytesIO()
    picture.save(out, form, **save)
    return out.getvalue()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A smooth picture without symmetry, 24 high and 40 wide."""
    y, x = np.mgrid[:24, :40]
    return np.stack([x * 6, y * 10, (x + y) * 3], -1).astype(np.uint8)


@pytest.mark.parametrize(
    "form",
    [
        *("PNG", "BMP", "TIFF", "PPM", "WEBP", "TGA", "PCX", "SGI", "DDS", "DIB"),
        "JPEG2000",
    ],
)
def test_lossless_formats_come_back_exactly(photo: np.ndarray, form: str) -> None:
    data = encoded(photo, form, **({"lossless": True} if form == "WEBP" else {}))
    assert np.array_equal(image_io.decode(data), photo)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_as_the_standard_says(
    photo: np.ndarray, orientation: int, form: str
) -> None:
    stored = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, 1),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if form == "WEBP" else {}
    data = encoded(np.ascontiguousarray(stored), form, exif=exif, **more)
    assert np.array_equal(image_io.decode(data), photo)


def test_transparency_lies_over_white() -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:, :2] = (10, 20, 30, 255)
    out = image_io.decode(encoded(clear, "PNG"))
    assert (out[:, :2] == (10, 20, 30)).all() and (out[:, 2:] == 255).all()


def test_an_alpha_of_nought_everywhere_in_a_bmp_is_none(photo: np.ndarray) -> None:
    height, width, _ = photo.shape
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = photo[::-1, :, ::-1]
    head = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 32, 0, pixels.nbytes, *[0] * 4
    )
    data = b"BM" + struct.pack("<IHHI", 54 + pixels.nbytes, 0, 0, 54)
    for masks in ("", "v4"):
        body = head + pixels.tobytes()
        if masks:
            v4 = struct.pack(
                "<IiiHHIIiiII", 108, width, height, 1, 32, 3, pixels.nbytes, *[0] * 4
            )
            v4 += (
                struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
                + b"BGRs"
                + bytes(48)
            )
            body = v4 + pixels.tobytes()
            data = b"BM" + struct.pack("<IHHI", 122 + pixels.nbytes, 0, 0, 122)
        assert np.array_equal(image_io.decode(data + body), photo)


def test_sixteen_bits_are_divided_by_257() -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    out = image_io.decode(encoded(deep, "PNG"))
    assert np.array_equal(out[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_dark_pictures_of_sixteen_bits_stay_dark(form: str) -> None:
    values = np.full((4, 4), 250, np.uint16)
    out = io.BytesIO()
    Image.fromarray(values).save(out, form)
    assert image_io.decode(out.getvalue()).max() == 1


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "I", "F"])
def test_every_mode_becomes_rgb(photo: np.ndarray, mode: str) -> None:
    form = {"CMYK": "JPEG", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    # As many bits as `I` has, eight are used here.
    ranges = Ranges((("int32", 0, 255),))
    out = image_io.decode(encoded(photo, form, mode), ranges=ranges)
    assert out.shape == photo.shape and out.dtype == np.uint8
    if mode in ("L", "LA", "I"):
        grey = np.asarray(Image.fromarray(photo).convert("L"), int)
        assert abs(out - grey[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"just some words", "text"),
        (b"\x00\x07\x80\xfe" * 9, "unknown"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "damaged"),
    ],
)
def test_what_is_no_image_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(image_io.ImageError, match=reason):
        image_io.decode(data)


def test_a_bomb_is_refused_by_its_header(photo: np.ndarray) -> None:
    with pytest.raises(image_io.ImageError, match="more than 100 pixels"):
        image_io.decode(encoded(photo, "PNG"), max_pixels=100)


def test_the_limit_is_the_setting_and_not_that_of_pillow(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", photo[..., 0].size // 3)
    for form in ("PNG", "GIF", "TIFF", "BMP"):
        data = encoded(photo, form)
        with pytest.raises(Image.DecompressionBombError):
            Image.open(io.BytesIO(data))
        assert image_io.decode(data, max_pixels=photo[..., 0].size).shape == photo.shape
        with pytest.raises(image_io.ImageError, match="max_pixels"):
            image_io.decode(data, max_pixels=photo[..., 0].size - 1)
    assert Image.MAX_IMAGE_PIXELS == photo[..., 0].size // 3


def test_the_default_of_every_setting_is_the_same() -> None:
    for kind in (
        *(DataSettings, ExportSettings, PredictSettings, FeaturesSettings),
        AttackSettings,
    ):
        assert kind().max_pixels == image_formats.MAX_PIXELS
    # That of the largest sensor of a phone, 16320x12240.
    assert image_formats.MAX_PIXELS > 16320 * 12240


def test_large_pictures_are_decoded_one_after_the_other(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_io, "LARGE", photo[..., 0].size - 1)
    upright, inside, most = image_io.upright, [], []

    def watched(*words):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return upright(*words)

    monkeypatch.setattr(image_io, "upright", watched)
    data = encoded(photo, "PNG")
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(image_io.decode, [data] * 8))
    assert max(most) == 1 and all(np.array_equal(image, photo) for image in images)


@pytest.mark.parametrize("how", image_io.RESIZES)
@pytest.mark.parametrize("size", [(7, 5), (90, 70), (7, 70)])
def test_a_picture_is_resized_alike_in_however_many_parts(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, how: str, size: tuple[int, int]
) -> None:
    whole = image_io.resize(photo, *size, how)
    for together in (1, 500):
        monkeypatch.setattr(image_io, "_TOGETHER", together)
        assert np.array_equal(image_io.resize(photo, *size, how), whole)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_damaged(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(noise, form)
    with pytest.raises(image_io.ImageError):
        image_io.decode(data[: int(len(data) * share)])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_mutated_bytes_raise_nothing_but_image_errors(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    content = bytearray(encoded(noise, form))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        out = image_io.decode(bytes(content), max_pixels=10**6)
    except image_io.ImageError:
        return
    assert out.ndim == 3 and out.shape[2] == 3 and out.dtype == np.uint8


@pytest.mark.parametrize("how", image_io.RESIZES)
def test_a_flat_picture_stays_flat(how: str) -> None:
    flat = np.full((30, 50, 3), 77, np.uint8)
    out = image_io.resize(flat, 16, 16, how)
    assert out.shape == (16, 16, 3)
    rows = out if how != "pad" else out[3:13]
    assert (rows == 77).all()
    if how == "pad":
        assert not out[:3].any() and not out[13:].any()


def test_crop_keeps_the_middle() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (image_io.resize(wide, 10, 10, "crop") == 200).all()


def test_shrinking_is_antialiased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = image_io.resize(np.repeat(stripes[..., None], 3, 2), 8, 8, "squash")
    assert abs(small.astype(int) - 127).max() < 12


def test_a_shrunk_pixel_is_the_mean_over_its_area() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 10, 3), np.uint8)
    # In units of a third and a quarter of a pixel every edge is a whole number.
    fine = np.repeat(np.repeat(image, 3, 0), 4, 1).astype(np.float64)
    means = fine.reshape(3, 7, 4, 10, 3).mean((1, 3))
    np.testing.assert_array_equal(
        image_io.resize(image, 3, 4, "squash"), np.floor(means.round(6) + 0.5)
    )


def test_a_grown_picture_is_interpolated_between_centres() -> None:
    step = np.repeat(np.array([[0], [100]], np.uint8)[..., None], 3, 2)
    column = image_io.resize(step, 4, 1, "squash")[:, 0, 0]
    assert column.tolist() == [0, 25, 75, 100]


def test_a_large_jpeg_read_small_is_nearly_the_same() -> None:
    y, x = np.mgrid[:400, :600]
    big = np.stack([x % 256, y % 256, (x + y) // 4 % 256], -1).astype(np.uint8)
    big = image_io.resize(image_io.resize(big, 60, 90, "squash"), 400, 600, "squash")
    data = encoded(big, "JPEG", quality=95)
    short = image_io.decode(data, at_least=(64, 64))
    assert short.shape[0] < 400
    a = image_io.resize(short, 64, 64, "squash").astype(int)
    b = image_io.resize(image_io.decode(data), 64, 64, "squash").astype(int)
    assert abs(a - b).mean() < 2


def test_png_keeps_every_value(tmp_path: Path, photo: np.ndarray) -> None:
    image_io.save_png(tmp_path / "a.png", photo / np.float32(255))
    assert np.array_equal(image_io.decode(tmp_path / "a.png"), photo)


def test_a_pipe_is_read_to_its_end(tmp_path: Path, photo: np.ndarray) -> None:
    image_io.save_png(tmp_path / "a.png", photo)
    data, pipe = (tmp_path / "a.png").read_bytes(), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, data)
        assert image_io.content(pipe) == data


def test_a_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(image_io.ImageError, match="No such file"):
        image_io.decode(tmp_path / "none.png")


@pytest.mark.assets
def test_real_odd_files_are_read_or_named(assets: Path) -> None:
    bad = set()
    for file in sorted((assets / "images" / "odd").iterdir()):
        try:
            assert image_io.decode(file).shape[2] == 3
        except image_io.ImageError:
            bad.add(file.name)
    broken = {"truncated_jpeg.jpg", "truncated_image.png", "broken.png", "badwidth.bmp"}
    bombs = {"decompression_bomb.gif", "decompression_bomb.ico", "zero_width.gif"}
    assert bad >= broken | bombs | {"pngtest_bad.png.bin"}
    assert not bad & {"hopper.tif", "hopper.ico", "hopper_16bit.pgm", "i_trns.png"}


@pytest.mark.parametrize("how", image_io.RESIZES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_reading_at_a_size_is_decoding_and_resizing(
    photo: np.ndarray, how: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", exif=exif)
    size = (21, 34)
    slowly = image_io.resize(
        image_io.decode(buffer.getvalue(), at_least=size), *size, how
    )
    at_once = image_io.read(buffer.getvalue(), *size, how)
    np.testing.assert_array_equal(at_once, slowly)


def test_heic_is_named_and_told_what_to_do() -> None:
    with pytest.raises(image_io.ImageError, match="HEIC.*convert it to JPEG"):
        image_io.decode(b"\x00\x00\x00\x18ftypheic" + bytes(40))


Image.init()


@pytest.mark.parametrize("form", sorted(set(Image.SAVE) & set(Image.OPEN)))
def test_every_format_of_pillow_is_read_or_refused_in_words(form: str) -> None:
    """And the documentation lists it, where it is read."""
    small = np.arange(32 * 32 * 3, dtype=np.uint32).reshape(32, 32, 3) % 251
    read, refused = set(), set()
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr"):
        try:
            data = encoded(small.astype(np.uint8), form, mode)
        except (OSError, ValueError, KeyError):
            continue  # It has no such pixels, or this Pillow does not write it.
        try:
            image = image_io.decode(data)
        except image_io.ImageError as error:
            assert "convert it to" in str(error), (mode, str(error))
            refused.add(mode)
            continue
        with Image.open(io.BytesIO(data)) as picture:
            assert np.array_equal(image, picture.convert("RGB")), mode
        read.add(mode)
    listed = re.search(r"^\| read \|(.*)\|$", DOCS.read_text(), re.MULTILINE)
    assert listed is not None
    assert ("RGB" in read) == (f" {form}" in listed[1].replace(",", ""))
    # What a TGA of black and white begins with may be anything.
    assert not (read and refused - {"1"})


@pytest.mark.parametrize("form", ["JPEG2000", "QOI", "AVIF"])
def test_rarer_formats_are_read(photo: np.ndarray, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    out = image_io.decode(encoded(photo, form))
    assert np.abs(out.astype(int) - photo).mean() < 3


def test_floats_are_the_same_in_pfm_and_tiff(photo: np.ndarray) -> None:
    values = Image.fromarray(photo[..., 0].astype(np.float32) / 255)
    files = {kind: io.BytesIO() for kind in ("PPM", "TIFF")}
    for kind, file in files.items():
        values.save(file, kind)
    pfm, tiff = (image_io.decode(file.getvalue()) for file in files.values())
    assert np.array_equal(pfm, tiff) and np.array_equal(pfm[..., 0], photo[..., 0])
    with pytest.raises(image_io.ImageError, match="colour PFM.*convert"):
        image_io.decode(b"PF\n8 8\n-1.0\n" + bytes(768))


def test_a_tga_needs_no_footer(photo: np.ndarray) -> None:
    data = encoded(photo, "TGA")
    assert data.endswith(b"TRUEVISION-XFILE.\0")
    assert np.array_equal(image_io.decode(data[:-26]), photo)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_known_by_any_of_its_brands(photo: np.ndarray) -> None:
    data = encoded(photo, "AVIF")
    assert b"mif1" in data[16 : int.from_bytes(data[:4], "big")]
    other = data[:8] + b"mif1" + data[12:]
    assert np.array_equal(image_io.decode(other), image_io.decode(data))


def test_a_codestream_of_jpeg_2000_is_read_without_its_container(photo) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG2000", no_jp2=True)
    assert np.array_equal(image_io.decode(buffer.getvalue()), photo)


def test_a_tiff_of_a_kind_that_is_not_read_is_not_called_damaged() -> None:
    kinds = {"<d": (64, 3), "<e": (16, 3)}
    for number, (bits, form) in kinds.items():
        values = [(256, 1), (257, 1), (258, bits), (259, 1), (262, 1), (273, 8)]
        values += [(277, 1), (278, 1), (279, bits // 8), (339, form)]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in values)
        start = 8 + bits // 8
        data = b"II*\0" + struct.pack("<I", start) + struct.pack(number, 0.5)
        data += struct.pack("<H", len(values)) + entries + bytes(4)
        with pytest.raises(
            image_io.ImageError, match=f"TIFF of {bits}-bit float samples.*convert"
        ):
            image_io.decode(data)
    with pytest.raises(image_io.ImageError, match="damaged tiff"):
        image_io.decode(data[:20])


@pytest.mark.parametrize("most", [1, 3, 7, 100])
def test_a_drive_that_gives_a_few_bytes_at_a_time_gives_the_whole_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    class Drive(io.FileIO):
        def readinto(self, buffer) -> int:
            return super().readinto(memoryview(buffer)[:most])

    file, data = tmp_path / "shard", bytes(range(50))
    file.write_bytes(data)
    slowly = lambda path, mode: io.BufferedReader(Drive(path))  # noqa: E731
    monkeypatch.setattr(image_io, "open", slowly, raising=False)
    for start in (0, 5, 49):
        assert image_io.content(file, start, 50 - start) == data[start:]
    assert image_io.content(file) == data
    # The file ends there, however often it is asked.
    with pytest.raises(image_io.ImageError, match="only 45 of 60 bytes are there"):
        image_io.content(file, 5, 60)
    with pytest.raises(image_io.ImageError, match="only 0 of 1 bytes are there"):
        image_io.content(file, 50, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\nsize 3", "git lfs pull"),
        (bytes(128) + b"DICM" + bytes(9), "DICOM.*PNG"),
        (bytes(344) + b"n+1\0", "NIfTI.*PNG"),
        (b"\xff\x0a" + bytes(9), "JPEG XL.*PNG"),
        (b"\x93NUMPY\x01\0", "NumPy.*PNG"),
        (b"%PDF-1.7", "PDF.*PNG"),
        (b"PK\3\4" + bytes(9), "archive: unpack"),
    ],
)
def test_what_often_stands_where_a_picture_should_is_named(data, words: str) -> None:
    with pytest.raises(image_io.ImageError, match=words):
        image_io.decode(data)
