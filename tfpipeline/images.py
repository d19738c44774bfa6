"""GROUND: the image contract: sniff, decode, orient, resize, save. RGB, 8 bit.

What every picture becomes, whatever it was: the first frame; turned as its EXIF tag
says; grey repeated thrice; transparency over white; 16 bit divided by 257; palettes,
CMYK and the rest through Pillow's conversion to RGB.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tfpipeline import atomic
from tfpipeline.formats import (
    MAX_PIXELS,
    ImageError,
    brief,
    open_image,
    read_orientation,
    sniff,
)

# Part of the name of everything that is kept of pixels: raise it when a rule of this
# file changes, or old features would be taken for new ones.
RULES = 3

RESIZES = ("squash", "crop", "pad")


def content(path: Path, offset: int = 0, length: int = 0) -> bytes:
    """Return the bytes of an encoded image: a file, or a part of a large one.

    Args:
        path: The file.
        offset: Where the image begins, in bytes.
        length: Of the image in bytes; 0 is the whole file.

    Raises:
        ImageError: It cannot be read, or is shorter.
    """
    try:
        if not length:
            return path.read_bytes()
        with open(path, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), length, offset)
    except OSError as error:
        raise ImageError(error.strerror or "cannot be read") from None
    if len(data) < length:
        raise ImageError(f"only {len(data)} of {length} bytes are there")
    return data


def decode(
    source: Path | bytes,
    *,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Return any image file as the module's first lines say.

    Args:
        source: A file, or its content.
        at_least: Height and width that the result will be made smaller to: a large JPEG
            is then read at a half, a quarter or an eighth of its size, much faster.
        max_pixels: Height times width, at most.

    Returns:
        uint8 RGB, shape (height, width, 3).

    Raises:
        ImageError: With the reason.
    """
    picture, orientation = _decoded(source, at_least, max_pixels)
    return _oriented(np.asarray(picture), orientation)


def _decoded(
    source: Path | bytes, at_least: tuple[int, int] | None, max_pixels: int
) -> tuple[Image.Image, int]:
    """Return the RGB pixels as stored, and how they are to be turned."""
    data = source if isinstance(source, bytes) else content(source)
    picture = open_image(data, max_pixels)
    try:
        orientation = read_orientation(picture)
        if at_least is not None and picture.mode in ("RGB", "L"):
            longest = max(at_least)
            picture.draft(picture.mode, (longest, longest))
        picture.load()
        return _to_rgb(picture), orientation
    except Exception as error:  # Broken files make the codecs raise anything.
        raise damaged(data, error) from None


def upright(picture: Image.Image, orientation: int) -> np.ndarray:
    """Return the pixels of a loaded picture by the rules of this module.

    Args:
        picture: Loaded.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        uint8 RGB, shape (height, width, 3).
    """
    return _oriented(np.asarray(_to_rgb(picture)), orientation)


def read(source: Path | bytes, height: int, width: int, how: str) -> np.ndarray:
    """Return any image file at a size: `decode` and `resize` with fewer copies.

    Args:
        source: A file, or its content.
        height: In pixels.
        width: In pixels.
        how: `squash`, `crop` or `pad`; see `resize`.

    Returns:
        uint8, shape (height, width, 3).

    Raises:
        ImageError: With the reason.
    """
    picture, orientation = _decoded(source, (height, width), MAX_PIXELS)
    if orientation == 1:
        return _resized(picture, height, width, how)
    return resize(_oriented(np.asarray(picture), orientation), height, width, how)


def damaged(data: bytes, error: Exception) -> ImageError:
    """Return the error for pixels that a codec could not read.

    Args:
        data: The file.
        error: What the codec said.
    """
    return ImageError(f"damaged {sniff(data)}: {brief(error)}")


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.float64)
        # Pillow stretches every PGM of more than 8 bits to 16.
        sixteen = picture.mode.startswith("I;16") or picture.format == "PPM"
        top = 65535 if sixteen or values.max(initial=0) > 255 else 255
        return Image.fromarray(_to_uint8(values / top)).convert("RGB")
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture))
        top = 1 if values.max(initial=0) <= 1 else 255
        return Image.fromarray(_to_uint8(values / top)).convert("RGB")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        below = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(below, above).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _oriented(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror an image as its EXIF orientation, 1 to 8, says."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _box(
    size: tuple[float, float], target: tuple[int, int], how: str
) -> tuple[float, float]:
    """Return height and width of the middle part that `squash` or `crop` keeps."""
    if how == "squash":
        return size
    scale = min(size[0] / target[0], size[1] / target[1])
    return target[0] * scale, target[1] * scale


def resize(image: np.ndarray, height: int, width: int, how: str) -> np.ndarray:
    """Return an image at a size, antialiased by a triangle filter, with Pillow.

    Args:
        image: uint8, shape (any, any, 3).
        height: In pixels.
        width: In pixels.
        how: `squash` changes the aspect; `crop` keeps the middle; `pad` keeps all and
            adds black.

    Returns:
        uint8, shape (height, width, 3).
    """
    return _resized(Image.fromarray(image), height, width, how)


def _resized(picture: Image.Image, height: int, width: int, how: str) -> np.ndarray:
    size = (picture.height, picture.width)
    if how == "pad":
        h, w = _inner(size, (height, width))
        small = np.asarray(picture.resize((w, h), Image.Resampling.BILINEAR))
        above, before = (height - h) // 2, (width - w) // 2
        rest = ((above, height - h - above), (before, width - w - before), (0, 0))
        return np.pad(small, rest)
    keep_h, keep_w = _box(size, (height, width), how)
    top, left = (size[0] - keep_h) / 2, (size[1] - keep_w) / 2
    box = (left, top, left + keep_w, top + keep_h)
    return np.asarray(
        picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    )


def _inner(size: Sequence[int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the size of an image that is made to fit into a target whole."""
    scale = min(target[0] / size[0], target[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _to_uint8(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def save_png(path: Path, image: np.ndarray) -> None:
    """Write an image as PNG, whole or not at all.

    Args:
        path: The file.
        image: uint8, or float in [0, 1]; shape (height, width, 3).
    """
    with atomic.replacing(path) as temporary:
        Image.fromarray(_to_uint8(image)).save(temporary, "PNG", compress_level=1)


def contact_sheet(
    images: Sequence[np.ndarray], captions: Sequence[str], columns: int
) -> np.ndarray:
    """Return many images of one size on one white sheet, each above its caption.

    Args:
        images: uint8 or float in [0, 1], each of shape (height, width, 3).
        captions: One an image.
        columns: Images side by side.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    height, width = images[0].shape[:2]
    gap, text = 4, 14
    rows = math.ceil(len(images) / columns)
    size = (columns * (width + gap) + gap, rows * (height + text + gap) + gap)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions)):
        row, column = divmod(number, columns)
        left, top = gap + column * (width + gap), gap + row * (height + text + gap)
        sheet.paste(Image.fromarray(_to_uint8(image)), (left, top))
        pen.text((left, top + height), caption[: width // 6], fill="black")
    return np.asarray(sheet)
