"""Which way up an image is, by its EXIF or XMP, as every reader here has it.

A JPEG's segments are walked up to its pixels, a PNG's chunks up to its end; nothing is
searched for. The first EXIF block counts, then the first XMP packet that is not
compressed. `data.segments` does the same in a graph; a test draws files for both.
"""

import re
import struct
from typing import NamedTuple

# What stands in a segment or chunk before what is looked for.
EXIF = b"Exif\x00\x00"
XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\x00"
XMP_PNG = b"XML:com.adobe.xmp\x00"
# How EXIF was written into text before PNG had a chunk for it.
PACKED = b"Raw profile type exif\x00"

TAG = 0x0112
# Kinds of whole numbers of 16 and of 32 bits.
SHORTS, LONGS = (3, 8), (4, 9)

XMP_TAG = b"tiff:Orientation"
_IN_XMP = re.compile(XMP_TAG + rb"(?:=[\"']|>)([0-9])")

# What is made of more is made to keep a reader busy, and is not looked at further.
MOST_SEGMENTS = 5_000
MOST_CHUNKS = 100_000

# Markers without content: fill, TEM, restarts, start and end.
BARE = (0x00, 0x01, *range(0xD0, 0xDA))
PIXELS = 0xDA


class Told(NamedTuple):
    """Where a file may say which way up it is.

    Args:
        exif: A TIFF header and what follows; empty where there is none.
        xmp: A packet of XMP; empty where there is none.
        packed: Whether there is more, in compressed text.
    """

    exif: bytes
    xmp: bytes
    packed: bool


def of_file(data: bytes, kind: str | None) -> int | None:
    """Return the orientation of a JPEG, PNG, GIF or BMP.

    Args:
        data: The file.
        kind: Its format, by `formats.sniff`.

    Returns:
        1 to 8, 1 where there is none; None where only a decoder knows it: of other
        formats, and where it may stand in compressed text.
    """
    if kind in ("gif", "bmp"):
        return 1
    if kind not in ("jpeg", "png"):
        return None
    told = _segments(data) if kind == "jpeg" else _chunks(data)
    found = _of_block(told.exif) or _of_xmp(told.xmp)
    return found or (None if told.packed else 1)


def _segments(data: bytes) -> Told:
    exif = xmp = b""
    at = 0
    for _ in range(MOST_SEGMENTS):
        if at + 4 > len(data) or (data[at] == 0xFF and data[at + 1] == PIXELS):
            break
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 1] in BARE or length < 2:
            at += 2
            continue
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and at + 2 + length <= len(data):
            if body.startswith(EXIF):
                exif = exif or body[len(EXIF) :]
            if body.startswith(XMP_JPEG):
                xmp = xmp or body[len(XMP_JPEG) :]
        at += 2 + length
    return Told(exif, xmp, False)


def _chunks(data: bytes) -> Told:
    exif = xmp = b""
    packed = False
    at = 8
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        if length > len(data) - at - 12:
            break
        if kind == b"eXIf":
            exif = exif or data[at + 8 : at + 8 + length]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            body = data[at + 8 : at + 8 + length]
            packed |= body.startswith(PACKED)
            if kind == b"iTXt" and body.startswith(XMP_PNG):
                # The byte behind its name tells whether it is compressed.
                plain = body[len(XMP_PNG) :].startswith(b"\x00")
                packed |= not plain
                xmp = xmp or (body[len(XMP_PNG) :] if plain else b"")
        at += 12 + length
    return Told(exif, xmp, packed)


def _of_block(block: bytes) -> int:
    """Return what the directory behind a TIFF header says; 0 where that is nothing."""
    block = block.removeprefix(EXIF)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 0
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start < 8 or start + 2 > len(block):
        return 0
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for entry in range(min(count, (len(block) - start - 2) // 12)):
        at = start + 2 + 12 * entry
        tag, kind, number = struct.unpack_from(f"{order}HHI", block, at)
        short, long = kind in SHORTS and number in (1, 2), kind in LONGS and number == 1
        if tag == TAG and (short or long):
            (value,) = struct.unpack_from(
                f"{order}{'H' if short else 'I'}", block, at + 8
            )
            return value if 1 <= value <= 8 else 1
    return 0


def _of_xmp(packet: bytes) -> int:
    """Return what a packet of XMP says; 0 where it says nothing."""
    found = _IN_XMP.search(packet)
    if found is None:
        return 0
    value = int(found[1])
    return value if 1 <= value <= 8 else 1
