"""Drawn JPEGs and PNGs are read in a graph as Pillow reads them, or refused."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.test_decode_graph import asked, file, nearly
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data import decode_graph

# Three sides of it differ, so that each way up is told from the others.
PICTURE = np.zeros((24, 32, 3), np.uint8)
PICTURE[:6], PICTURE[6:, :8], PICTURE[18:, 8:] = 250, (200, 40, 0), (0, 90, 160)
JPEG, PNG = file("JPEG", PICTURE, quality=95), file("PNG", PICTURE)

EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def tiff(entries: list[tuple[int, int, int, int]], order: str = "<", at: int = 8):
    """Return a TIFF header and a directory of (tag, kind, count, value)."""
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    block += bytes(at - 8) + struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        one = {1: "B3x", 3: "H2x", 8: "H2x"}.get(kind, "I")
        block += struct.pack(f"{order}HHI{one}", tag, kind, count, value)
    return block + bytes(4)


def turned(number: int, kind: int = 3, order: str = "<") -> bytes:
    return tiff([(0x010F, 3, 1, 7), (0x0112, kind, 1, number)], order)


def packet(number: int, form: str = '="{}"') -> bytes:
    return b"<x:xmpmeta>\xff\0 tiff:Orientation" + form.format(number).encode() + b"</>"


def segment(code: int, body: bytes) -> bytes:
    return bytes([0xFF, code]) + struct.pack(">H", len(body) + 2) + body


def jpeg(*parts: bytes) -> bytes:
    return JPEG[:2] + b"".join(parts) + JPEG[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + crc


def png(*before: bytes, after: bytes = b"", content: bytes = PNG) -> bytes:
    return content[:33] + b"".join(before) + content[33:-12] + after + content[-12:]


def itxt(packed: int, body: bytes) -> bytes:
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0, 0, 0]) + body)


def by_pillow(content: bytes) -> int | None:
    """Return what the training reads; None where it does not read the file."""
    try:
        image_io.decode(content)
    except ImageError:
        return None
    return image_formats.read_orientation(image_formats.open_image(content))


@tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
def headers(contents):
    """Return what a server reads."""
    return decode_graph.Reader(32, 32, "squash")._headers(contents)._asdict()


def in_graph(content: bytes) -> int | None:
    """Return the orientation that is served; None where the file is refused."""
    columns = headers([content])
    return None if columns["reason"].numpy()[0] else int(columns["orientation"][0])


FILES = {
    "nothing": (jpeg(), 1),
    "exif": (jpeg(segment(0xE1, EXIF + turned(6))), 6),
    "exif, big-endian long": (jpeg(segment(0xE1, EXIF + turned(8, 4, ">"))), 8),
    "xmp alone": (jpeg(segment(0xE1, XMP + packet(6))), 6),
    "xmp as an element": (jpeg(segment(0xE1, XMP + packet(5, ">{}<"))), 5),
    "exif before xmp": (
        jpeg(segment(0xE1, XMP + packet(6)), segment(0xE1, EXIF + turned(3))),
        3,
    ),
    "exif in a comment": (jpeg(segment(0xFE, EXIF + turned(6))), 1),
    "exif in another segment": (jpeg(segment(0xE2, b"ICC " + EXIF + turned(6))), 1),
    "exif behind much": (
        jpeg(*[segment(0xE2, bytes(65_000))] * 9, segment(0xE1, EXIF + turned(6))),
        6,
    ),
    "exif behind fill and crumbs": (
        jpeg(b"\xff\xff\xff\0\0\0", segment(0xE1, EXIF + turned(7))),
        7,
    ),
    "exif of no number": (jpeg(segment(0xE1, EXIF + turned(9))), 1),
    "png, exif": (png(chunk(b"eXIf", turned(6))), 6),
    "png, exif behind its pixels": (png(after=chunk(b"eXIf", turned(8))), 8),
    "png, exif behind much": (
        png(chunk(b"prVt", bytes(300_000)), chunk(b"eXIf", turned(6, 4, ">"))),
        6,
    ),
    "png, exif in text": (png(chunk(b"tEXt", b"k\0eXIf" + turned(6))), 1),
    "png, xmp": (png(itxt(0, packet(6))), 6),
    "png, the word IDAT in text": (png(chunk(b"tEXt", b"k\0IDATeXIf")), 1),
}


@pytest.mark.parametrize("name", FILES)
def test_every_place_of_a_tag_is_known_to_both(name: str) -> None:
    content, expected = FILES[name]
    assert by_pillow(content) == in_graph(content) == expected
    right = image_io.read(content, 32, 32, "squash")
    upright = image_io.read(
        JPEG if image_formats.sniff(content) == "jpeg" else PNG, 32, 32, "squash"
    )
    assert (right == upright).all() == (expected == 1)
    (found,), (valid,), (error,) = asked([content])
    assert valid, error
    assert nearly(found, right)


def test_text_before_a_transparent_colour_does_not_hide_it() -> None:
    clear = Image.fromarray(PICTURE).convert("P")
    buffer = io.BytesIO()
    clear.save(buffer, "PNG", transparency=clear.getpixel((31, 23)))
    content = png(chunk(b"tEXt", b"k\0IDAT"), content=buffer.getvalue())
    (found,), (valid,), (error,) = asked([content])
    assert valid, error
    assert nearly(found, image_io.read(content, 32, 32, "squash"))
    assert not nearly(found, image_io.read(file("PNG", PICTURE, "P"), 32, 32, "squash"))


def test_what_is_compressed_or_of_a_rare_kind_is_refused_in_words() -> None:
    exif = chunk(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n1\n00")
    )
    xmp = itxt(1, zlib.compress(packet(6)))
    sixteen = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    )
    sixteen += chunk(b"tRNS", bytes(6)) + chunk(b"IDAT", zlib.compress(bytes(7)))
    sixteen += chunk(b"IEND", b"")
    late = png(after=chunk(b"tRNS", bytes(6)))
    contents = [png(exif), png(xmp), sixteen, late]
    _, valid, error = asked(contents)
    assert not any(valid)
    assert ["EXIF" in one for one in error] == [True, True, False, False]
    assert all("send it without" in one for one in error)
    # One that stands in the open is enough.
    _, valid, error = asked([png(exif, chunk(b"eXIf", turned(1)))])
    assert valid == [True], error
    assert image_io.read(png(xmp), 32, 32, "squash").shape == (32, 32, 3)


def test_no_file_keeps_a_reader_busy() -> None:
    crumbs = jpeg(b"\xff\x01" * 2_000_000)
    chunks = png(*[chunk(b"prVt", b"")] * 300_000)
    since = time.monotonic()
    asked([crumbs, chunks])
    assert time.monotonic() - since < 30
    assert by_pillow(crumbs) is None and asked([crumbs, chunks])[1] == [False] * 2


ENTRY = st.tuples(
    st.sampled_from([0x0112, 0x0112, 0x010F, 0x8769]),
    st.sampled_from([1, 2, 3, 4, 8, 9, 13]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 2**31]),
    st.integers(0, 10),
)


@st.composite
def block(draw) -> bytes:
    order = draw(st.sampled_from("<>"))
    entries = draw(st.lists(ENTRY, max_size=4))
    entries = [e if e[1] != 1 else (*e[:3], e[3] % 256) for e in entries]
    whole = tiff(entries, order, draw(st.sampled_from([8, 9, 30])))
    whole = draw(st.sampled_from([b"", EXIF])) + whole
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


FORM = st.sampled_from(['="{}"', "='{}'", ">{}<", "= {}", '="x{}"'])
PACKET = st.builds(packet, st.integers(0, 9), FORM)
BODY = st.one_of(
    st.builds(EXIF.__add__, block()),
    st.builds(XMP.__add__, st.one_of(PACKET, st.just(b""))),
    st.binary(max_size=40),
    st.just(EXIF),
)
SEGMENT = st.builds(segment, st.sampled_from([0xE1, 0xE1, 0xE1, 0xE2, 0xFE]), BODY)
CRUMB = st.sampled_from([b"\xff", b"\xff\x01", b"\xff\0\0", b"\xff\xd3"])
TEXT = st.one_of(
    st.sampled_from([b"k\0IDAT", b"k\0eXIf", b"Raw profile type exif\0\0", b""]),
    st.builds(lambda p: b"XML:com.adobe.xmp\0\0\0\0\0" + p, PACKET),
    st.just(b"XML:com.adobe.xmp\0"),
)
CHUNK = st.one_of(
    st.builds(chunk, st.just(b"eXIf"), block()),
    st.builds(chunk, st.sampled_from([b"tEXt", b"iTXt", b"prVt"]), TEXT),
    st.just(chunk(b"IDAT", b"")),
    st.just(chunk(b"tRNS", bytes(6))),
)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.builds(lambda parts: jpeg(*parts), st.lists(SEGMENT | CRUMB, max_size=5)),
        st.builds(
            lambda parts, after: png(*parts, after=after),
            st.lists(CHUNK, max_size=4),
            CHUNK | st.just(b""),
        ),
    ),
    st.data(),
)
def test_drawn_files_are_turned_as_pillow_turns_them(content: bytes, data) -> None:
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(40, len(content)))]
    expected, served = by_pillow(content), in_graph(content)
    if expected is not None and served is not None:
        assert served == expected


KINDS = [(0, d) for d in (1, 2, 4, 8, 16)] + [(2, 8), (2, 16), (3, 1), (3, 2), (3, 4)]
KINDS += [(3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.lists(CHUNK, max_size=2))
def test_drawn_pngs_of_every_kind_are_shown_alike_or_refused(kind, seed, parts) -> None:
    (colours, depth), random = kind, np.random.default_rng(seed)
    layers = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    width, height = 11, 7
    rows = random.integers(0, 256, (height, -(-width * layers * depth // 8)), np.uint8)
    rows = np.pad(rows, ((0, 0), (1, 0)))
    content = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    )
    palette = random.integers(0, 256, 3 * 2 ** min(depth, 8), np.uint8).tobytes()
    content += chunk(b"PLTE", palette) if colours == 3 else b""
    if colours in (0, 2, 3) and random.integers(2):
        if colours == 3:
            key = random.choice([0, 255, 99], len(palette) // 3).astype(np.uint8)
            key = key[: random.integers(1, len(key) + 1)].tobytes()
        else:
            most = 2 ** min(depth, 8) if colours == 0 else 256
            key = struct.pack(f">{layers}H", *random.integers(0, most, layers))
        content += chunk(b"tRNS", key)
    parts = [part for part in parts if part[4:8] not in (b"IDAT", b"tRNS")]
    content += b"".join(parts) + chunk(b"IDAT", zlib.compress(rows.tobytes()))
    content += chunk(b"IEND", b"")
    (found,), (valid,), (error,) = asked([content])
    if valid:
        assert nearly(found, image_io.read(content, 32, 32, "squash"))
    else:
        assert "send it without" in error
