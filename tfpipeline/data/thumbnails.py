"""A small copy of a picture, by which its near copies are found (`data.near_copies`).

It hardly depends on the size and format of the file: a JPEG that is decoded at an
eighth is cut to the part that it shows before it is made smaller. Kept in the scan's
rows as text, 864 letters a picture.
"""

import base64
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfpipeline.core import image_io

# Pixels along each side: of the brightness, and of the two colour differences, which
# are there to tell a red sign from the same in blue.
SIDE, COLOUR_SIDE = 24, 6

# A JPEG is decoded at no fewer pixels along its shorter side, if it has as many.
LEAST_SIDE = 32

_BYTES = SIDE**2 + 2 * COLOUR_SIDE**2


def draft(
    picture: Image.Image, channels: str, least: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Let a JPEG be decoded small; return the part of it that the picture fills.

    Decoded at an eighth, 100 pixels are 13, the last one of which is half outside.

    Args:
        picture: Opened, not loaded yet.
        channels: `RGB` or `YCbCr`: how it is decoded.
        least: Width and height in pixels that are needed besides, if it has as many.
    """
    size = (max(LEAST_SIDE, least[0]), max(LEAST_SIDE, least[1]))
    drawn = picture.draft(channels, size)
    return drawn[1] if drawn else (0, 0, *picture.size)


def encode(
    picture: Image.Image, box: tuple[float, float, float, float], orientation: int
) -> str:
    """Return the thumbnail of a picture that is not turned yet, as text.

    Args:
        picture: Of mode `RGB`, `YCbCr` or `L`.
        box: The part of it that is used: left, top, right, bottom, in pixels.
        orientation: EXIF orientation, 1 to 8.
    """
    size, way = (SIDE, SIDE), Image.Resampling.BILINEAR
    # Much faster for a large picture, and as good.
    small = picture.resize(size, way, box, reducing_gap=3.0)
    if orientation != 1:
        pixels = image_io.turned(np.asarray(small), orientation)
        small = Image.fromarray(pixels, small.mode)
    if small.mode != "YCbCr":
        small = small.convert("RGB").convert("YCbCr")
    grey, *_ = small.split()
    _, *colours = small.reduce(SIDE // COLOUR_SIDE).split()
    parts = b"".join(plane.tobytes() for plane in (grey, *colours))
    return base64.b64encode(parts).decode()


def decode(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the brightness and the colour differences of some thumbnails.

    Returns:
        uint8, shape (n, 24, 24), and float32, shape (n, 72), in which nought is grey.
    """
    # No text ends in padding: all are decoded in one go.
    data = base64.b64decode("".join(texts))
    values = np.frombuffer(data, np.uint8).reshape(len(texts), _BYTES)
    grey = values[:, : SIDE**2].reshape(-1, SIDE, SIDE)
    return grey, values[:, SIDE**2 :].astype(np.float32) - 128
