"""The rules of decoding, by Pillow and NumPy; `data.decode_graph` has them in a graph.

What every picture becomes, whatever it was: the first frame; in sRGB, by its colour
profile; turned as its EXIF or XMP says; grey copied to three channels; transparency
over white; more than 8 bits by the range of their data set (`core.brightness`);
palettes, CMYK without a profile and the rest through Pillow's conversion to RGB. Then
its size: an axis that shrinks takes the mean over the area of each new pixel, one that
grows is interpolated linearly between the centres of the old ones; halves are rounded
up, once.
"""

import contextlib
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import (
    brightness,
    colour_profile,
    deep_samples,
    file_io,
    remote,
)
from tfpipeline.core.brightness import WHOLE, Ranges, Samples
from tfpipeline.core.image_formats import (
    MAX_PIXELS,
    ImageError,
    brief,
    decoded_alone,
    open_image,
    read_orientation,
    sniff,
)
from tfpipeline.core.tiff import kinds

# Part of the name of everything that is kept of pixels: raise it when a rule of this
# file changes, or old features would be taken for new ones.
RULES = 9

RESIZES = ("squash", "crop", "pad")

# By how much a value of a float image may lie outside of [0, 1], where it is clipped:
# bicubic interpolation overshoots. Of 300 photographs that were made smaller none did
# by more than 0.20, and scaled to [-1, 1] or to 0..255 none would have passed.
OVERSHOOT = 0.25

# Pictures of more pixels are decoded one after the other in a process: each takes about
# ten bytes a pixel meanwhile.
LARGE = 50_000_000

# Values that are resized at a time, of a picture that shrinks.
_TOGETHER = 30_000_000

# By how much a JPEG can be made smaller while it is decoded.
JPEG_RATIOS = (1, 2, 4, 8)

# What is done for which EXIF orientation, in this order; Pillow does it by one turn.
TRANSPOSED, MIRRORED, FLIPPED = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


# Formats in which an alpha of nought everywhere is none.
OPAQUE = ("BMP", "DIB", "TGA")


def content(path: str | Path, offset: int = 0, length: int = 0) -> bytes:
    """Return the bytes of an encoded image: a file or a URL, or a part of a large one.

    Every command reads pictures by this.
    """
    try:
        if remote.is_remote(path):
            data = remote.read(path, offset, length)
        else:
            with open(path, "rb") as file:
                if offset:  # A pipe cannot seek.
                    file.seek(offset)
                data = file.read(length or -1)
    except OSError as error:
        remote.check_reachable(path, error)
        raise ImageError(error.strerror or "cannot be read") from None
    if len(data) < length:
        raise ImageError(f"only {len(data)} of {length} bytes are there")
    return data


def decode(
    source: Path | bytes,
    *,
    ranges: Ranges = WHOLE,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Return any image file as the module's first lines say.

    Args:
        source: A file, or its content.
        ranges: What is black and white in samples of more than 8 bits.
        at_least: Height and width that the result will be made smaller to: a large JPEG
            is then read at a half, a quarter or an eighth of its size, much faster.
        max_pixels: Height times width, at most.

    Returns:
        uint8 RGB, shape (height, width, 3).

    Raises:
        ImageError: With the reason.
    """
    image = pixels(source, ranges=ranges, at_least=at_least, max_pixels=max_pixels)
    return rounded(image)


def pixels(
    source: Path | bytes,
    *,
    ranges: Ranges = WHOLE,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Return what `decode` does, before it is rounded to 8 bits.

    Returns:
        uint8 RGB, or float32 in [0, 255] of a file with more bits than that.
    """
    data = source if isinstance(source, bytes) else content(source)
    with _loaded(data, at_least, max_pixels) as (picture, deep, orientation):
        if deep is not None:
            return turned(_shown(deep, ranges, picture), orientation)
        return upright(picture, orientation)


def _shown(deep: Samples, ranges: Ranges, picture: Image.Image) -> np.ndarray:
    """Return deep samples by their range, and colours in sRGB by their profile."""
    image = brightness.shown(deep, ranges)
    if deep.values.ndim == 2:
        return image
    colours = Image.fromarray(rounded(image))
    colours.info["icc_profile"] = picture.info.get("icc_profile", b"")
    converted = colour_profile.to_srgb(colours)
    return image if converted is colours else np.asarray(converted, np.float32)


def samples(data: bytes, max_pixels: int = MAX_PIXELS) -> Samples | None:
    """Return the samples of an image file, upright, as a server is sent them.

    None where it has 8 bits, or colours that go through a profile, after which they
    have no more.
    """
    with _loaded(data, None, max_pixels) as (picture, deep, orientation):
        if deep is None or deep.values.ndim == 3 and colour_profile.judge(picture)[0]:
            return None
        alpha = None if deep.alpha is None else turned(deep.alpha, orientation)
        return deep._replace(values=turned(deep.values, orientation), alpha=alpha)


@contextlib.contextmanager
def _loaded(
    data: bytes, at_least: tuple[int, int] | None, max_pixels: int
) -> Iterator[tuple[Image.Image, Samples | None, int]]:
    """Yield a loaded picture, its samples where they are deep, and its orientation.

    Pixels of a large picture are decoded and converted one picture at a time.
    """
    picture = open_image(data, max_pixels)
    try:
        if at_least is not None and picture.mode in ("RGB", "L"):
            ratio = jpeg_ratio((picture.height, picture.width), at_least)
            size = (picture.width // ratio, picture.height // ratio)
            picture.draft(picture.mode, size)
        with in_turn(picture):
            orientation = read_orientation(picture)
            picture.load()
            yield picture, deep_samples.of(picture, data), orientation
    except ImageError:
        raise
    except Exception as error:  # Broken files make the codecs raise anything.
        raise damaged(data, error) from None


def in_turn(picture: Image.Image, ratio: int = 1) -> AbstractContextManager[None]:
    """Return what is held while a picture is decoded, smaller by a ratio."""
    # Of a TIFF, Pillow looks at its own limit once more when it decodes it.
    most = min(LARGE, Image.MAX_IMAGE_PIXELS or LARGE)
    pixels = picture.width * picture.height
    large = pixels > most * ratio**2
    return decoded_alone(picture) if large else contextlib.nullcontext()


def jpeg_ratio(size: tuple[int, int], at_least: tuple[int, int]) -> int:
    """Return the largest ratio at which a JPEG still has enough pixels."""
    most = min(size) // max(at_least)
    return max(ratio for ratio in JPEG_RATIOS if ratio <= max(1, most))


def upright(picture: Image.Image, orientation: int) -> np.ndarray:
    """Return the pixels of a loaded picture of 8 bits by the rules of this module."""
    return turned(np.asarray(_to_rgb(picture)), orientation)


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror pixels as an orientation of EXIF says."""
    if orientation in TRANSPOSED:
        image = image.swapaxes(0, 1)
    if orientation in MIRRORED:
        image = image[:, ::-1]
    if orientation in FLIPPED:
        image = image[::-1]
    return np.ascontiguousarray(image)


def rounded(image: np.ndarray) -> np.ndarray:
    """Return pixels from 0 to 255 as 8 bits; halves are rounded up."""
    return image if image.dtype == np.uint8 else (image + 0.5).astype(np.uint8)


def read(
    source: Path | bytes,
    height: int,
    width: int,
    how: str,
    ranges: Ranges = WHOLE,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Return any image file at a size, rounded to 8 bits once: uint8."""
    size = height, width
    image = pixels(source, ranges=ranges, at_least=size, max_pixels=max_pixels)
    return resize(image, height, width, how)


def damaged(data: bytes, error: Exception) -> ImageError:
    """Return the error for pixels that a codec could not read."""
    if sniff(data) == "tiff" and (reason := kinds.describe_codec(data)):
        return ImageError(reason)
    return ImageError(f"damaged {sniff(data)}: {brief(error)}")


def _to_rgb(picture: Image.Image) -> Image.Image:
    picture, form = colour_profile.to_srgb(picture), picture.format
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        if form in OPAQUE and above.getchannel("A").getbbox() is None:
            # No alpha was meant where it is nought everywhere, as many programs write.
            return above.convert("RGB")
        below = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(below, above).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def resize(image: np.ndarray, height: int, width: int, how: str) -> np.ndarray:
    """Return an image at a size, antialiased as the module's first lines say.

    Args:
        image: uint8, or float32 in [0, 255], shape (any, any, 3).
        height: In pixels.
        width: In pixels.
        how: `squash` changes the aspect; `crop` keeps the middle; `pad` keeps all and
            adds black.

    Returns:
        uint8, shape (height, width, 3).
    """
    target, size = np.array([height, width]), np.array(image.shape[:2])
    if how == "crop":
        size = np.maximum(1, (target * (size / target).min()).round().astype(int))
        top, left = (np.array(image.shape[:2]) - size) // 2
        image = image[top : top + size[0], left : left + size[1]]
    inner = target
    if how == "pad":
        inner = np.maximum(1, (size * (target / size).min()).round().astype(int))
    if (inner == size).all() and (inner == target).all():
        return np.ascontiguousarray(rounded(image))
    # Columns do not know of each other: as floats, a few of them take memory at a time.
    parts = np.array_split(image, -(-image.size // _TOGETHER), axis=1)
    values = np.concatenate(
        [_along_rows(part.astype(np.float64), int(inner[0])) for part in parts], axis=1
    )
    values = _along_rows(values.transpose(1, 0, 2), int(inner[1])).transpose(1, 0, 2)
    out = np.zeros((height, width, 3), np.uint8)
    above, before = (target - inner) // 2
    # Past the digits of float64 that the sums have lost, a half is a half again.
    whole = np.floor(values.round(6) + 0.5)
    out[above : above + inner[0], before : before + inner[1]] = whole
    return out


def _along_rows(values: np.ndarray, count: int) -> np.ndarray:
    """Return values with another number of rows: means of areas, or interpolated."""
    rows = len(values)
    if count < rows:
        sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
        edges = np.arange(count + 1) * rows / count
        below = np.minimum(edges.astype(int), rows - 1)
        rest = (edges - below)[:, None, None]
        return np.diff(sums[below] + rest * values[below], axis=0) * (count / rows)
    places = np.clip((np.arange(count) + 0.5) * rows / count - 0.5, 0, rows - 1)
    below = places.astype(int)
    rest = (places - below)[:, None, None]
    return (1 - rest) * values[below] + rest * values[np.minimum(below + 1, rows - 1)]


def along(rows: int, count: int) -> np.ndarray:
    """Return the matrix by which `resize` goes from one number of rows to another."""
    return _along_rows(np.eye(rows)[:, :, None], count)[:, :, 0]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Return pixels of 8 bits; halves are rounded up."""
    if image.dtype == np.uint8:
        return image
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def save_png(path: Path, image: np.ndarray, *, durable: bool = True) -> None:
    """Write an image as PNG, whole or not at all."""
    file_io.write_bytes(path, to_png(image), durable=durable)


def to_png(image: np.ndarray) -> bytes:
    """Return an image as the content of a PNG file."""
    with io.BytesIO() as file:
        Image.fromarray(to_uint8(image)).save(file, "PNG", compress_level=1)
        return file.getvalue()
