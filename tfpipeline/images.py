"""GROUND: the image contract: sniff, decode, orient, resize, save. RGB, 8 bit.

What every picture becomes, whatever it was: the first frame; turned as its EXIF tag
says; grey repeated thrice; transparency over white; 16 bit divided by 257; palettes,
CMYK and the rest through Pillow's conversion to RGB.
"""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

from tfpipeline import runs

# Pillow tells of odd tags and of large pictures; the audit says what matters of it.
warnings.filterwarnings("ignore", module=r"PIL\.")

# More is no photograph but an attack on memory; Pillow itself warns from 89 million.
MAX_PIXELS = 80_000_000

RESIZES = ("squash", "crop", "pad")

# The first bytes of each format, at their offset.
_MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("gif", 0, b"GIF8"),
    ("webp", 8, b"WEBP"),
    ("avif", 4, b"ftypavi"),
    ("avif", 4, b"ftypmif1"),
    ("tiff", 0, b"II*\x00"),
    ("tiff", 0, b"MM\x00*"),
    ("ico", 0, b"\x00\x00\x01\x00"),
    ("bmp", 0, b"BM"),
    *(("pnm", 0, b"P%d" % number) for number in range(1, 7)),
)


class ImageError(ValueError):
    """A file that is no usable image; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its pixels are decoded.

    Args:
        format: `jpeg`, `png`, ... by its content, whatever the file is called.
        height: In pixels, as stored.
        width: In pixels, as stored.
        mode: Pillow's name for the kind of pixel, e.g. `RGB`, `L`, `CMYK`, `I;16`.
        orientation: EXIF orientation, 1 to 8; 1 where there is none.
        frames: More than 1 in an animation.
    """

    format: str
    height: int
    width: int
    mode: str
    orientation: int
    frames: int


def sniff(data: bytes) -> str | None:
    """Return the format of an image by its first bytes; None for anything else.

    Args:
        data: The file, or at least its first 16 bytes.
    """
    for name, offset, magic in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    return None


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open an image without decoding it, and refuse what is no picture or too large.

    Args:
        data: The file.
        max_pixels: Height times width, at most.

    Returns:
        A lazy Pillow image.

    Raises:
        ImageError: With the reason.
    """
    if not data:
        raise ImageError("empty file")
    if sniff(data) is None:
        raise ImageError(f"not an image ({_describe(data)})")
    try:
        picture = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise ImageError(f"damaged {sniff(data)} header") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more than {max_pixels:,} pixels") from None
    except Exception as error:  # Broken files make the codecs raise anything.
        raise ImageError(f"damaged {sniff(data)} header: {_brief(error)}") from None
    if picture.width < 1 or picture.height < 1:
        raise ImageError("no pixels: a side is 0 long")
    if picture.width * picture.height > max_pixels:
        raise ImageError(
            f"{picture.height}x{picture.width} is more than {max_pixels:,} pixels"
        )
    return picture


def _describe(data: bytes) -> str:
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:200])
    return "text" if printable > 0.95 * len(data[:200]) else "unknown content"


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:100]


def read_header(data: bytes, picture: Image.Image) -> Header:
    """Return what an opened file says of itself.

    Args:
        data: The file.
        picture: What `open_image` returned for it.
    """
    return Header(
        format=sniff(data) or "unknown",
        height=picture.height,
        width=picture.width,
        mode=picture.mode,
        orientation=_orientation(picture),
        frames=int(getattr(picture, "n_frames", 1)),
    )


def _orientation(picture: Image.Image) -> int:
    try:
        orientation = int(picture.getexif().get(0x0112, 1))
    except Exception:  # A damaged tag turns nothing.
        return 1
    return orientation if 1 <= orientation <= 8 else 1


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
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise ImageError(error.strerror or "cannot be read") from None
    picture = open_image(data, max_pixels)
    orientation = _orientation(picture)
    try:
        if at_least is not None and picture.mode in ("RGB", "L"):
            longest = max(at_least)
            picture.draft(picture.mode, (longest, longest))
        picture.load()
        return _to_rgb(picture), orientation
    except Exception as error:  # Broken files make the codecs raise anything.
        raise damaged(data, error) from None


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
    return ImageError(f"damaged {sniff(data)}: {_brief(error)}")


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        scaled = values / 257 if values.max(initial=0) > 255 else values
        return Image.fromarray(_to_uint8(scaled / 255)).convert("RGB")
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture))
        top = 1 if values.max(initial=0) <= 1 else 255
        return Image.fromarray(_to_uint8(values / top)).convert("RGB")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        below = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(below, above).convert("RGB")
    return picture.convert("RGB")


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
    with runs.replacing(path) as temporary:
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
