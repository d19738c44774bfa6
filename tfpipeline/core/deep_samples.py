"""The samples of pictures that have more than 8 bits, or a sign, as a file stores them.

Pillow has a mode for some of them and drops the lower bytes of others; here all bits
come out, with what the file declares of them. What is not read rightly is refused.
"""

import io
import math
import re
import struct
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from tfpipeline.core import brightness
from tfpipeline.core.brightness import Samples
from tfpipeline.core.image_formats import ImageError
from tfpipeline.core.tiff import kinds

# Tags of TIFF.
_BITS, _PHOTOMETRIC, _COUNT = 258, 262, 277
_LEAST, _MOST, _PLANAR, _FORMAT = 280, 281, 284, 339
_ANY_LEAST, _ANY_MOST, _TILES, _PLACED = 340, 341, 324, (273, 279, 324, 325)
_EXTRA = 338

# What says how samples lie in a file; orientation is among it.
_LAYOUT = {*range(256, 260), 262, 266, 273, 274, *range(277, 280), 284, 317, 339}
_LAYOUT |= {*range(322, 326)}
_LONG = 4

_MIN_IS_WHITE, _SIGNED, _MULTIPLIED, _IN_PLANES = 0, 2, 1, 2

# Formats that say what their samples reach; Pillow scales them to 16 bits by it.
_SCALED = ("PPM", "JPEG2000")

# A greymap up to its largest value; comments may stand between the numbers.
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P[25]" + 2 * (_GAP + rb"\d+") + _GAP + rb"(\d+)")
_STREAM = b"\xff\x4f\xff\x51"

# Of the lower byte of each 16 bits: the unpacker for the other order of bytes.
_OTHER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def of(picture: Image.Image, data: bytes) -> Samples | None:
    """Return the samples of a loaded picture; None where it has 8 bits without a sign.

    Args:
        picture: As `image_formats.open_image` opens it, and loaded.
        data: The content of its file.

    Raises:
        ImageError: They are of a kind that is not read.
    """
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _of_tiff(picture, data)
    if picture.mode == "F":
        return Samples(np.asarray(picture))
    if picture.mode.startswith("I"):
        values, clear = np.asarray(picture), picture.info.get("transparency")
        if picture.format in _SCALED:
            # All that the type holds is what is meant where nothing is declared.
            declared = None if _fills_16_bits(picture, data) else (0, 65535)
            return Samples(values.astype(np.uint16), declared)
        if picture.format == "PNG":
            values = values.astype(np.uint16)
        return Samples(values, alpha=None if clear is None else _keyed(values, clear))
    if picture.format == "PNG" and data[24] == 16:
        return _of_png(picture, data)
    return None


def _fills_16_bits(picture: Image.Image, data: bytes) -> bool:
    """Tell whether a file that says what its samples reach says nothing by that."""
    if picture.format == "PPM":
        match = _PNM.match(data)
        return match is not None and int(match[1]) == 65535
    # The depth of the first component, less one, as the header of the stream has it.
    start = data.find(_STREAM)
    return start >= 0 and data[start + 42 : start + 43] in (b"\x0f", b"\x8f")


def _of_png(picture: Image.Image, data: bytes) -> Samples:
    """Return a PNG of 16 bits in colours, or in grey with alpha."""
    if data[25] == 4:
        # Four bytes a pixel, whatever they mean to Pillow.
        pairs = _unpacked(data, "RGBA", "RGBA").view(">u2").astype(np.uint16)
        return Samples(pairs[..., 0], alpha=pairs[..., 1:] / np.float32(65535))
    values = _both_bytes(data, 0)
    clear = picture.info.get("transparency")
    if values.shape[-1] == 4:
        return Samples(values[..., :3], alpha=values[..., 3:] / np.float32(65535))
    return Samples(values, alpha=None if clear is None else _keyed(values, clear))


def _keyed(values: np.ndarray, key: Any) -> np.ndarray:
    """Return the alpha of a PNG in which one colour is transparent."""
    differs = values.reshape(*values.shape[:2], -1) != np.array(key)
    return differs.any(-1, keepdims=True).astype(np.float32)


def _of_tiff(picture: TiffImagePlugin.TiffImageFile, data: bytes) -> Samples | None:
    tags = picture.tag_v2
    bits, form = max(_many(tags, _BITS, 1)), max(_many(tags, _FORMAT, 1))
    if bits <= 8 and form != _SIGNED:
        return None
    inverted = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE
    count, frame = int(tags.get(_COUNT, 1)), picture.tell()
    if count == 1 or picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(_native(picture, data))
        kinds = {1: "u", _SIGNED: "i", 3: "f"}
        size = {"F": 4, "I": 4}.get(picture.mode, 1 if picture.mode == "L" else 2)
        if picture.mode == "I" and bits == 16:
            values, size = values.astype(np.int16), 2
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        values = values.view(f"{kinds[form]}{size}")
        if bits in (8, 12):
            whole = (-128, 127) if form == _SIGNED else (0, 2**bits - 1)
            return Samples(values, whole, inverted)
    elif bits == 16 and picture.mode in ("RGB", "RGBA", "RGBX"):
        in_planes = tags.get(_PLANAR) == _IN_PLANES
        values = _planes(data, frame, count) if in_planes else _both_bytes(data, frame)
    else:
        return None  # Ink is what it is, of however many bits.
    hint = _hint(tags, str(values.dtype))
    declared = None
    if hint in brightness.natural(str(values.dtype)):
        # A tag that the samples contradict declares nothing.
        least, most = brightness.extremes(values)
        declared = hint if hint and brightness.fits(least, most, hint) else None
    extra = tags.get(_EXTRA, (2,) if count == 4 else ())
    if values.ndim == 2 or values.shape[-1] == 3 or 0 in extra:
        values = values if values.ndim == 2 else values[..., :3]
        return Samples(values, declared, inverted, hint=hint)
    alpha = values[..., 3:] / np.float32(65535)
    multiplied = _MULTIPLIED in extra
    return Samples(values[..., :3], declared, inverted, alpha, multiplied, hint)


def _many(tags: Any, tag: int, default: int) -> tuple[int, ...]:
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _hint(tags: Any, kind: str) -> tuple[float, float] | None:
    """Return what tags say of the smallest and largest sample."""
    spans = [(_ANY_LEAST, _ANY_MOST), (_LEAST, _MOST)]
    for least, most in spans:
        if most in tags:
            low = min(_many(tags, least, 0))
            high = max(_many(tags, most, 0))
            # All that the type holds is what is meant without the tag.
            whole = (low, high) == brightness.FULL[kind] and not kind.startswith("f")
            numbers = math.isfinite(low) and math.isfinite(high) and low < high
            return (float(low), float(high)) if numbers and not whole else None
    return None


def _native(picture: TiffImagePlugin.TiffImageFile, data: bytes) -> Image.Image:
    """Return a loaded picture, again where Pillow swaps bytes that libtiff has swapped.

    It does so for compressed samples of another order than that of the machine.
    """
    if picture.info.get("compression") == "raw":
        return picture
    with _opened(data, picture.tell()) as again:
        codec, extents, offset, args = again.tile[0]
        names = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}
        if codec != "libtiff" or args[0] not in names or sys.byteorder == "big":
            return picture
        again.tile = [
            ImageFile._Tile(codec, extents, offset, (names[args[0]], *args[1:]))
        ]
        again.load()
        return again.copy()


def _opened(data: bytes, frame: int) -> Any:
    try:
        picture: Any = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        picture = kinds.open_grey(data)
    if frame:
        picture.seek(frame)
    return picture


def _unpacked(data: bytes, mode: str, rawmode: str, frame: int = 0) -> np.ndarray:
    """Return the bytes that Pillow unpacks in another way than it would."""
    with _opened(data, frame) as picture:
        picture._mode = mode
        tiles = []
        for codec, extents, offset, args in picture.tile:
            changed = (rawmode, *args[1:]) if isinstance(args, tuple) else rawmode
            tiles.append(ImageFile._Tile(codec, extents, offset, changed))
        picture.tile = tiles
        picture.load()
        return np.asarray(picture)


def _both_bytes(data: bytes, frame: int) -> np.ndarray:
    """Return 16 bits of colours, of which Pillow has the upper bytes only."""
    with _opened(data, frame) as picture:
        args, mode = picture.tile[0].args, picture.mode
    rawmode = args[0] if isinstance(args, tuple) else args
    if not rawmode[:-1].endswith(";16"):
        raise ImageError("16 bits in an order that is not read: convert it to PNG")
    # Premultiplied colours would be divided byte by byte.
    plain = rawmode.replace("RGBa", "RGBA")
    mode = "RGB" if mode == "RGBX" else mode
    upper = _unpacked(data, mode, plain, frame).astype(np.uint16)
    lower = _unpacked(data, mode, plain[:-1] + _OTHER[plain[-1]], frame)
    return upper * np.uint16(256) + lower


def _planes(data: bytes, frame: int, count: int) -> np.ndarray:
    """Return colours that lie in planes, each of which is read as a grey picture."""
    planes = []
    # Of a loaded picture it is not known any more how it was turned.
    with _opened(data, frame) as unloaded:
        tags = unloaded.tag_v2
    for number in range(count):
        # A directory of its own in front of the file, for this plane alone.
        directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=tags.prefix)
        for tag in _LAYOUT & set(tags):
            value, directory.tagtype[tag] = tags[tag], tags.tagtype[tag]
            if tag in _PLACED:
                each = len(value) // count
                value = value[number * each : (number + 1) * each]
                directory.tagtype[tag] = _LONG
            elif tag in (_BITS, _FORMAT):
                value = max(_many(tags, tag, 1))
            elif tag in (_COUNT, _PHOTOMETRIC, _PLANAR):
                value = 1
            directory[tag] = value
        order = "<" if tags.prefix == b"II" else ">"
        head = tags.prefix + struct.pack(order + "HI", 42, 8)
        # The file follows, and Pillow counts strips from there; of tiles it does not.
        end = len(head) + len(directory.tobytes(len(head)))
        if _TILES in directory:
            directory[_TILES] = tuple(end + place for place in directory[_TILES])
        with _opened(head + directory.tobytes(len(head)) + data, 0) as picture:
            plane = np.asarray(picture)
        planes.append(plane.astype(np.uint16))
    return np.stack(planes, -1)
