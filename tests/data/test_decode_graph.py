"""Encoded images read in a graph are those that `images` defines, or are refused."""

import functools
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.core.test_deep_samples import png
from tests.data.test_decode import smooth, written
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.data import decode_graph, scan


@functools.cache
def graph(height: int = 32, width: int = 32, how: str = "squash", **more):
    """Return a reader as it is served: traced, for any number of images."""
    reader = decode_graph.Reader(height, width, how, **more)
    spec = tf.TensorSpec((None,), tf.string)
    return tf.function(reader.__call__, input_signature=[spec], autograph=False)


READ = graph()


def asked(contents: list[bytes], read=READ) -> tuple[np.ndarray, list[bool], list[str]]:
    found, valid, error = read(tf.constant(contents, tf.string, (len(contents),)))
    return found.numpy(), valid.numpy().tolist(), [e.decode() for e in error.numpy()]


def file(kind: str, image: np.ndarray, mode: str = "RGB", **how) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, kind, **how)
    return buffer.getvalue()


def nearly(one: np.ndarray, two: np.ndarray) -> bool:
    """Tell whether images are equal but for halves, rounded to either side."""
    off = np.abs(one.astype(int) - two.astype(int))
    return bool(off.max() <= 1 and (off > 0).mean() < 0.05)


@pytest.mark.parametrize("how", image_io.RESIZES)
@pytest.mark.parametrize("size", [(32, 32), (20, 90), (224, 224)])
def test_every_kind_of_file_is_read_by_the_rules_of_images(
    tmp_path: Path, how: str, size: tuple[int, int]
) -> None:
    rows = written(tmp_path)
    contents = [Path(row.path).read_bytes() for row in rows]
    found, valid, error = asked(contents, graph(*size, how))
    assert all(valid), error
    for row, content, image in zip(rows, contents, found):
        assert nearly(image, image_io.read(content, *size, how)), row.path


def test_inks_without_the_marker_that_says_how_they_lie_are_refused() -> None:
    marked = file("JPEG", smooth(40, 50, 0), "CMYK", quality=95)
    at = marked.index(b"\xff\xee")
    length = int.from_bytes(marked[at + 2 : at + 4], "big")
    bare = marked[:at] + marked[at + 2 + length :]
    other = marked.replace(b"Adobe", b"Other", 1)
    short = marked[: at + 2] + b"\0\x09Adobe\0\0" + marked[at + 2 + length :]
    found, valid, error = asked([marked, bare, other, short])
    assert valid == [True, *3 * [False]]
    assert all("CMYK" in reason and "PNG" in reason for reason in error[1:])
    assert nearly(found[0], image_io.read(marked, 32, 32, "squash"))
    # Off the graph they are read as Pillow reads them.
    assert image_io.decode(bare).shape == (40, 50, 3)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_are_turned_as_their_tag_says(kind: str, order: str) -> None:
    picture = smooth(40, 64, 1)
    contents = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif.endian = "<" if order == "II" else ">"
        exif[0x0112] = orientation
        exif[0x010E] = "another tag before it"
        contents.append(file(kind, picture, exif=exif.tobytes()))
    found, valid, _ = asked(contents)
    assert all(valid) and len({image.tobytes() for image in found}) == 8
    for content, image in zip(contents, found):
        assert nearly(image, image_io.read(content, 32, 32, "squash"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
def test_transparency_palettes_and_depth_are_as_pillow_has_them(mode: str) -> None:
    picture = smooth(50, 40, 3)
    if mode == "I;16":
        sixteen = (picture[..., 0].astype(np.uint16) * 257) ^ 0x0B
        buffer = io.BytesIO()
        Image.fromarray(sixteen).save(buffer, "PNG")
        content = buffer.getvalue()
    elif mode in ("RGBA", "LA"):
        clear = Image.fromarray(picture).convert("RGBA")
        clear.putalpha(Image.fromarray(smooth(50, 40, 4)[..., 0]))
        buffer = io.BytesIO()
        clear.convert(mode).save(buffer, "PNG")
        content = buffer.getvalue()
    else:
        content = file("PNG", picture, mode)
    keyed = file("PNG", picture, "P", transparency=3)
    for one in (content, keyed):
        (found,), (valid,), (error,) = asked([one])
        assert valid, error
        assert nearly(found, image_io.read(one, 32, 32, "squash"))


def test_of_an_animation_the_first_frame_alone_is_decoded() -> None:
    frames = [Image.fromarray(smooth(30, 20, seed)).convert("P") for seed in range(40)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    content = buffer.getvalue()
    one = graph(32, 32, max_pixels=30 * 20)
    (found,), (valid,), (error,) = asked([content], one)
    assert valid, error
    assert nearly(found, image_io.read(content, 32, 32, "squash"))
    # What follows the first frame may be damaged.
    first = len(file("GIF", np.asarray(frames[0].convert("RGB")), "P"))
    (again,), (valid,), _ = asked([content[: first + 200]], one)
    assert valid and (again == found).all()


def test_what_would_be_shown_otherwise_is_refused_in_words() -> None:
    picture = smooth(30, 20, 0)
    first = Image.fromarray(picture).convert("P").getpixel((0, 0))
    clear = file("GIF", picture, "P", transparency=first)
    contents = [
        clear,
        file("BMP", picture, "P"),
        file("WEBP", picture),
        file("TIFF", picture),
        b"<html>",
        b"",
    ]
    found, valid, error = asked(contents)
    assert not any(valid) and not found.any()
    assert "transparency" in error[0] and "24 bits" in error[1]
    assert error[2] == error[3] == error[4] == "expected JPEG, PNG, GIF or BMP"
    assert error[5] == "empty file"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_too_many_pixels_are_refused_before_they_are_decoded(kind: str) -> None:
    image = np.zeros((90, 100, 3), np.uint8)
    content = file(kind, image, "P" if kind == "GIF" else "RGB")
    small, large = graph(max_pixels=8_999), graph(max_pixels=9_000)
    assert asked([content], small)[1:] == (
        [False],
        ["more than 8,999 pixels (max_pixels)"],
    )
    assert asked([content], large)[1:] == ([True], [""])


def test_of_too_many_pixels_together_the_largest_images_are_refused() -> None:
    sizes = [(40, 50), (60, 70), (20, 30), (60, 70), (10, 10)]
    contents = [file("PNG", smooth(*size, 1)) for size in sizes]
    contents.insert(1, b"broken")
    bound = 40 * 50 + 60 * 70 + 20 * 30 + 10 * 10
    read = graph(max_request_pixels=bound)
    found, valid, error = asked(contents, read)
    assert valid == [True, False, True, True, False, True]
    assert error[4] == image_formats.too_large(bound, "max_request_pixels") + (
        image_formats.TOGETHER
    )
    assert f"{bound:,}" in error[4] and "max_request_pixels" in error[4]
    for place in (0, 2, 3, 5):
        (alone,), _, _ = asked([contents[place]], read)
        assert (alone == found[place]).all()
    # What follows in another request is not counted.
    assert asked([contents[4]], read)[1] == [True]


def test_a_header_that_lies_costs_no_memory() -> None:
    content = bytearray(file("PNG", np.zeros((8, 8, 3), np.uint8)))
    content[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    too_large = image_formats.too_large(image_formats.MAX_PIXELS)
    assert asked([bytes(content)])[2] == [too_large]
    content[24] = 16
    assert not asked([bytes(content)])[1][0]
    assert image_formats.is_too_large(asked([bytes(content)])[2][0])
    content[24] = 8
    content[16:24] = bytes(8)
    assert asked([bytes(content)])[2] == ["no pixels: a side is 0 long"]


def test_a_frame_in_endless_crumbs_is_given_up() -> None:
    content = file("GIF", smooth(30, 20, 0), "P")
    # Header, palette, and what stands before the pixels.
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1) + 11
    assert content[start - 11] == 0x2C and asked([content])[1] == [True]
    crumbs = content[:start] + b"\x01\x00" * 1_000_000 + content[start:]
    assert asked([crumbs, content])[1] == [False, True]


def test_no_images_are_no_images() -> None:
    found, valid, error = asked([])
    assert found.shape == (0, 32, 32, 3) and valid == [] and error == []


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_nothing_that_is_sent_makes_its_neighbours_fail(data) -> None:
    good = file("JPEG", smooth(41, 33, 5))
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "noise"]))
    if kind == "noise":
        bad = bytearray(data.draw(st.binary(max_size=200)))
    else:
        bad = bytearray(file(kind, smooth(23, 31, 6), "P" if kind == "GIF" else "RGB"))
        for _ in range(data.draw(st.integers(0, 5))):
            at = data.draw(st.integers(0, len(bad) - 1))
            bad[at] = data.draw(st.integers(0, 255))
        del bad[data.draw(st.integers(0, len(bad))) :]
    (alone,), _, _ = asked([good])
    found, valid, error = asked([good, bytes(bad), good], graph_of_little())
    assert valid[0] and valid[2] and valid[1] == (not error[1])
    assert (found[0] == alone).all() and (found[2] == alone).all()


_LITTLE = graph(max_pixels=100_000)


def graph_of_little():
    """Return a reader that a made-up header cannot make slow."""
    return _LITTLE


def test_odd_and_hostile_files_leave_good_ones_as_if_alone(assets: Path) -> None:
    odd = sorted((assets / "images" / "odd").iterdir())
    contents = [path.read_bytes() for path in odd]
    rows = scan.audit(odd, cache=None)
    found, valid, error = asked(contents)
    for row, content, image, good, why in zip(rows, contents, found, valid, error):
        assert good == (why == "")
        if row.reason:
            assert not good, row.path
        elif good:
            expected = image_io.read(content, 32, 32, "squash").astype(int)
            assert np.abs(image - expected).max() <= 1, row.path
        else:
            # The picture is whole: its refusal says what to do.
            known = "expected JPEG, PNG" in why or "send" in why
            assert known or row.path.endswith("no_palette.gif"), row.path
        (alone,), _, _ = asked([content])
        assert (alone == image).all(), row.path
    refused = {Path(r.path).suffix for r, g in zip(rows, valid) if not (g or r.reason)}
    assert refused <= {".avif", ".ico", ".tif", ".webp", ".pgm", ".gif"}


@pytest.mark.parametrize(
    ("how", "size", "most"),
    [
        *(("squash", (32, 32), 1023), ("crop", (20, 90), 4095)),
        *(("pad", (96, 64), 4095), ("squash", (20, 90), 65535)),
    ],
)
def test_pngs_of_16_bits_are_shown_by_the_range_of_the_training(
    how: str, size: tuple[int, int], most: int
) -> None:
    ranges = Ranges((("uint16", most // 8, most),))
    values = np.random.default_rng(most).integers(0, most + 1, (48, 70, 4))
    values = values.astype(np.uint16)
    contents = [
        *(png(values[..., 0], 0), png(values[..., :3], 2)),
        *(png(values[..., :2] * np.uint16(65535 // most), 4), png(values, 6)),
        png(values[..., 0], 0, (b"tRNS", values[3, 3, :1].astype(">u2").tobytes())),
    ]
    found, valid, error = asked(contents, graph(*size, how, ranges=ranges))
    assert all(valid), error
    for content, image in zip(contents, found):
        expected = image_io.read(content, *size, how, ranges)
        # Without a rounding before the resize only halves can differ.
        off = np.abs(image.astype(int) - expected)
        assert off.max() <= 1 and (off > 0).mean() < 0.01


def test_deep_pngs_are_turned_as_their_tag_says() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30), np.uint16)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = png(values, 0, (b"eXIf", exif.tobytes()[6:]))
        (found,), (valid,), _ = asked([content])
        assert valid and nearly(found, image_io.read(content, 32, 32, "squash"))


def test_a_picture_of_16_bits_weighs_as_four_of_8() -> None:
    deep = png(np.full((30, 40), 65535, np.uint16), 0)
    limit = 4 * 30 * 40
    images, valid, _ = asked([deep], graph(max_pixels=limit))
    assert valid == [True] and (images == 255).all()
    _, valid, (reason,) = asked([deep], graph(max_pixels=limit - 1))
    assert valid == [False] and image_formats.is_too_large(reason)
    assert f"{30 * 40 - 1:,}" in reason and "16 bits" in reason
    shallow = file("PNG", np.zeros((50, 60, 3), np.uint8))
    several = graph(max_request_pixels=limit + 50 * 60 - 1)
    _, valid, (reason, _) = asked([deep, shallow], several)
    assert valid == [False, True] and "16 bits" in reason
    assert reason.endswith(image_formats.TOGETHER)
    assert not image_formats.is_too_large(reason)
