"""TIFF files that say what those that Pillow writes cannot."""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The number of a compression by zlib.
DEFLATE = 8

_TYPES = {1: "B", 3: "H", 4: "I", 11: "f", 8: "h", 12: "d"}

# A tag, the number of its type, and its values.
Entry = tuple[int, int, Sequence[float]]


class Page(NamedTuple):
    """One page.

    Args:
        values: Shape (height, width), or (height, width, samples).
        photometric: 0 where the smallest is white, 1 where it is black, 2 for RGB.
        planar: Whether each sample lies in a plane of its own.
        packed: Whether 12 bits are packed.
        order: `<` or `>`, of bytes.
        deflate: Whether it is compressed.
        tile: The side of its tiles; 0 for one strip.
        more: Tags beyond these.
    """

    values: np.ndarray
    photometric: int = 1
    planar: bool = False
    packed: bool = False
    order: str = "<"
    deflate: bool = False
    tile: int = 0
    more: Sequence[Entry] = ()


def tiff(*pages: Page) -> bytes:
    """Return a file with some pages; all have the order of the first."""
    order = pages[0].order
    out = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    link = 4
    for page in pages:
        parts, tags = _layout(page)
        places = []
        for part in parts:
            places.append(len(out))
            out += part + bytes(len(part) % 2)
        at, counts = (324, 325) if page.tile else (273, 279)
        tags += [(at, 4, places), (counts, 4, [len(part) for part in parts])]
        body = struct.pack(order + "H", len(tags))
        tail, start = b"", len(out) + 2 + 12 * len(tags) + 4
        for tag, kind, values in sorted(tags, key=lambda entry: entry[0]):
            raw = struct.pack(order + _TYPES[kind] * len(values), *values)
            body += struct.pack(order + "HHI", tag, kind, len(values))
            if len(raw) > 4:
                body += struct.pack(order + "I", start + len(tail))
                tail += raw + bytes(len(raw) % 2)
            else:
                body += raw.ljust(4, b"\0")
        out = out[:link] + struct.pack(order + "I", len(out)) + out[link + 4 :]
        link = len(out) + len(body)
        out += body + bytes(4) + tail
    return out


def _layout(page: Page) -> tuple[list[bytes], list[Entry]]:
    values = page.values
    height, width = values.shape[:2]
    count = values.shape[2] if values.ndim == 3 else 1
    bits = 12 if page.packed else 8 * values.dtype.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    planes = [values[..., k] for k in range(count)] if page.planar else [values]
    parts = []
    for plane in planes:
        side = page.tile or max(height, width)
        rows, columns = (page.tile, page.tile) if page.tile else (height, width)
        for top in range(0, height, side):
            for left in range(0, width, side):
                part = plane[top : top + rows, left : left + columns]
                missing = [(0, rows - part.shape[0]), (0, columns - part.shape[1])]
                missing += [(0, 0)] * (part.ndim - 2)
                part = np.pad(part, missing)
                ordered = part.astype(part.dtype.newbyteorder(page.order))
                raw = _packed(part) if page.packed else ordered.tobytes()
                parts.append(zlib.compress(raw) if page.deflate else raw)
    tags: list[Entry] = [
        *((256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * count)),
        *((259, 3, [DEFLATE if page.deflate else 1]), (262, 3, [page.photometric])),
        *((277, 3, [count]), (284, 3, [2 if page.planar else 1])),
        (339, 3, [kind] * count),
        *page.more,
    ]
    if page.tile:
        tags += [(322, 4, [page.tile]), (323, 4, [page.tile])]
    else:
        tags.append((278, 4, [height]))
    return parts, tags


def _packed(values: np.ndarray) -> bytes:
    """Return samples of 12 bits, two in three bytes; the width is even."""
    one, two = values.reshape(-1, 2).T.astype(np.uint32)
    parts = (one >> 4, (one & 15) << 4 | two >> 8, two & 255)
    return np.stack(parts, 1).astype(np.uint8).tobytes()
