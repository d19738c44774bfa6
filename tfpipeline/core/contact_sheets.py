"""Many pictures on one sheet, each above its caption."""

import functools
import importlib.util
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfpipeline.core import image_io

# Smaller pictures are enlarged: each pixel becomes a square.
LEAST_WIDTH = 96

_GAP, _LINE, _POINTS = 4, 15, 11


def contact_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int
) -> np.ndarray:
    """Return many images of one size on one white sheet, each above its caption.

    Args:
        pictures: uint8 or float in [0, 1], each of shape (height, width, 3).
        captions: One an image; one that is too long for its line goes on in the next.
        columns: Images side by side.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    larger = max(1, -(-LEAST_WIDTH // pictures[0].shape[1]))
    height, width = (side * larger for side in pictures[0].shape[:2])
    own = font()
    lines = [_wrapped(caption, width, own) for caption in captions]
    text = _LINE * max(map(len, lines))
    rows = math.ceil(len(pictures) / columns)
    across = columns * (width + _GAP) + _GAP
    sheet = Image.new("RGB", (across, rows * (height + text + _GAP) + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (picture, caption) in enumerate(zip(pictures, lines)):
        row, column = divmod(number, columns)
        left = _GAP + column * (width + _GAP)
        top = _GAP + row * (height + text + _GAP)
        shown = image_io.to_uint8(picture).repeat(larger, 0).repeat(larger, 1)
        sheet.paste(Image.fromarray(shown), (left, top))
        for place, line in enumerate(caption):
            pen.text((left, top + height + place * _LINE), line, "black", own)
    return np.asarray(sheet)


def _wrapped(caption: str, width: int, own: Any) -> list[str]:
    """Return the lines of a caption: as many as it needs, no word is lost."""
    per_line = max(6, int(width / own.getlength("n")))
    return [
        part
        for line in caption.split("\n")
        for part in textwrap.wrap(line, per_line) or [""]
    ]


@functools.cache
def font() -> Any:
    """Return the font that Matplotlib brings, which knows most alphabets."""
    # Found without being imported, which takes a second.
    spec = importlib.util.find_spec("matplotlib")
    folder = Path(str(spec.origin)).parent if spec else Path()
    file = folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    if file.is_file():
        return ImageFont.truetype(str(file), _POINTS)
    return ImageFont.load_default()
