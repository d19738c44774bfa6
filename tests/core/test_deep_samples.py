"""Every bit of a deep picture comes out as it is stored, or the file is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from tests.tiffs import Page, tiff
from tfpipeline.core import deep_samples, image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.image_formats import ImageError

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 65536, (45, 62, 4)).astype(np.uint16)
# Left to right, over all that 8 bits show.
RAMP = np.tile(np.arange(0, 256, 5, dtype=np.int64), (40, 1))
KINDS = ("uint16", "int16", "uint32", "int32", "float32")


def png(values: np.ndarray, colours: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16 bits, with chunks before its pixels."""
    height, width = values.shape[:2]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    every = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in every:
        crc = zlib.crc32(name + body)
        out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)
    return out


def stored(data: bytes) -> np.ndarray:
    samples = image_io.samples(data)
    assert samples is not None
    return samples.values


@pytest.mark.parametrize("how", [{}, {"deflate": True}, {"tile": 16}])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", KINDS)
def test_grey_of_every_type_is_read_exactly(kind: str, order: str, how: dict) -> None:
    values = (RANDOM.normal(size=(45, 62)) * 3000).astype(kind)
    for photometric in (0, 1):
        data = tiff(Page(values, photometric, order=order, **how))
        samples = image_io.samples(data)
        assert samples is not None and samples.kind == kind
        np.testing.assert_array_equal(samples.values, values)
        assert samples.inverted == (photometric == 0)


@pytest.mark.parametrize(
    "how",
    [
        *({}, {"deflate": True}, {"tile": 16}, {"planar": True}),
        {"planar": True, "deflate": True},
        {"planar": True, "tile": 16},
    ],
)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_colours_of_16_bits_are_read_exactly(
    order: str, how: dict, extra: int | None
) -> None:
    values = COLOURS[..., : 3 if extra is None else 4]
    more = () if extra is None else ((338, 3, [extra]),)
    data = tiff(Page(values, 2, order=order, more=more, **how))
    samples = image_io.samples(data)
    assert samples is not None and samples.kind == "uint16"
    np.testing.assert_array_equal(samples.values, values[..., :3])
    # Only what is said to be alpha is.
    assert (samples.alpha is None) == (extra in (None, 0))
    assert samples.multiplied == (extra == 1)
    if samples.alpha is not None:
        np.testing.assert_allclose(samples.alpha[..., 0] * 65535, values[..., 3])


@pytest.mark.parametrize(("colours", "count"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_of_16_bits_is_read_exactly(colours: int, count: int) -> None:
    values = COLOURS[..., :count] if count > 1 else COLOURS[..., 0]
    samples = image_io.samples(png(values, colours))
    assert samples is not None
    shown = values if count in (1, 3) else values[..., : count - 1]
    np.testing.assert_array_equal(samples.values, shown.squeeze())
    assert (samples.alpha is not None) == (colours > 2)


@pytest.mark.parametrize("colours", [0, 2])
def test_a_colour_key_of_16_bits_hides_that_colour_alone(colours: int) -> None:
    values = COLOURS[..., :3] if colours else COLOURS[..., 0]
    key = np.atleast_1d(values[3, 5])
    body = struct.pack(">" + "H" * len(key), *key)
    samples = image_io.samples(png(values, colours, (b"tRNS", body)))
    assert samples is not None and samples.alpha is not None
    same = (values.reshape(45, 62, -1) == key).all(-1)
    np.testing.assert_array_equal(samples.alpha[..., 0] == 0, same)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("planar", [False, True])
def test_deep_colours_are_turned_as_shallow_ones(
    orientation: int, planar: bool
) -> None:
    tag = [(274, 3, [orientation])]
    shallow = (COLOURS[..., :3] >> 8).astype(np.uint8)
    deep = shallow.astype(np.uint16) * 257
    pair = (tiff(Page(v, 2, planar, more=tag)) for v in (shallow, deep))
    np.testing.assert_array_equal(*map(image_io.decode, pair))


def test_what_is_declared_by_the_layout_needs_no_range() -> None:
    twelve = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (9, 1))
    packed = image_io.samples(tiff(Page(twelve, packed=True)))
    assert packed is not None and packed.declared == (0, 4095) and not packed.kind
    np.testing.assert_array_equal(packed.values, twelve)
    signed = np.tile(np.arange(-128, 128, dtype=np.int8), (9, 1))
    out = image_io.decode(tiff(Page(signed)))
    np.testing.assert_array_equal(out[0, :, 0], np.arange(256))


def test_a_pgm_says_by_its_header_what_white_is() -> None:
    for most in (1023, 4095, 65535):
        values = (RAMP * most // 255).astype(">u2")
        head = f"P5 {RAMP.shape[1]} {RAMP.shape[0]} {most}\n".encode()
        # All of 16 bits is what is meant where nothing is declared.
        given = (0, 65535) if most == 65535 else (0, 9)
        shown = image_io.decode(head + values.tobytes(), ranges=Ranges((("", *given),)))
        assert abs(shown[..., 0].astype(int) - RAMP).max() <= 1


@pytest.mark.skipif(not features.check("jpg_2000"), reason="no JPEG 2000")
@pytest.mark.parametrize("bits", [12, 16])
def test_a_jpeg_2000_declares_less_than_16_bits(bits: int) -> None:
    out = io.BytesIO()
    Image.fromarray((RAMP * 257).astype(np.uint16)).save(out, "JPEG2000")
    data = bytearray(out.getvalue())
    data[data.find(b"\xff\x4f\xff\x51") + 42] = bits - 1
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        samples = deep_samples.of(picture, bytes(data))
    assert samples is not None and bool(samples.declared) == (bits == 12)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_tags_say_what_is_white_unless_samples_contradict_them(bits: int) -> None:
    most = 2**bits - 1
    values = (RAMP * most // 255).astype(np.uint16)
    tags = [(280, 3, [0]), (281, 3, [most])]
    shown = image_io.decode(tiff(Page(values, more=tags)))
    assert abs(shown[..., 0].astype(int) - RAMP).max() <= 1
    # Of 16 bits: the tag is wrong.
    whole = tiff(Page((RAMP * 257).astype(np.uint16), more=tags))
    np.testing.assert_array_equal(image_io.decode(whole)[..., 0], RAMP)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 4095.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 1.0)]
)
def test_tags_of_floats_say_what_is_black_and_white(low: float, high: float) -> None:
    values = (RAMP / 255 * (high - low) + low).astype(np.float32)
    tags = [(340, 11, [low]), (341, 11, [high])]
    shown = image_io.decode(tiff(Page(values, more=tags)))
    np.testing.assert_array_equal(shown[..., 0], RAMP)


def test_the_largest_sample_of_one_picture_declares_nothing() -> None:
    values = (RAMP * 12).astype(np.uint16)
    tags = [(280, 3, [0]), (281, 3, [int(values.max())])]
    samples = image_io.samples(tiff(Page(values, more=tags)))
    assert samples is not None and samples.declared is None
    assert samples.hint == (0, values.max())


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_where_the_smallest_sample_is_white_a_picture_is_inverted(kind: str) -> None:
    scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[kind]
    shown = image_io.decode(tiff(Page((RAMP * scale).astype(kind), 0)))
    np.testing.assert_array_equal(shown[..., 0], 255 - RAMP)


@pytest.mark.parametrize("most", [255, 65535])
def test_a_colour_map_is_of_8_bits_where_all_its_values_are(most: int) -> None:
    colours = RANDOM.integers(0, 256, (3, 256))
    tag = [(320, 3, (colours * (most // 255)).ravel().tolist())]
    index = RANDOM.integers(0, 256, (20, 30)).astype(np.uint8)
    shown = image_io.decode(tiff(Page(index, 3, more=tag)))
    np.testing.assert_array_equal(shown, colours.T[index])


def test_a_reduced_page_is_passed_over_for_the_picture_itself() -> None:
    large = COLOURS[..., :3]
    small = (large[::5, ::5] >> 8).astype(np.uint8)
    for copy in ([(254, 4, [1])], [(255, 3, [2])]):
        pages = Page(small, 2, more=copy), Page(large, 2)
        np.testing.assert_array_equal(stored(tiff(*pages)), large)
    # Alone it is what there is; with more inside that is not read, it is refused.
    alone = image_io.decode(tiff(Page(small, 2, more=[(254, 4, [1])])))
    np.testing.assert_array_equal(alone, small)
    raw = tiff(Page(small, 2, more=[(254, 4, [1]), (330, 4, [8])]))
    with pytest.raises(ImageError, match="reduced copy.*PNG"):
        image_io.decode(raw)


def test_of_several_pages_the_first_is_read() -> None:
    pages = Page(COLOURS[..., 0]), Page(COLOURS[..., 1])
    np.testing.assert_array_equal(stored(tiff(*pages)), COLOURS[..., 0])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_deep_file_that_is_cut_is_damaged(share: float) -> None:
    data = png(COLOURS[..., :3], 2)
    with pytest.raises(ImageError):
        image_io.decode(data[: int(len(data) * share)])
