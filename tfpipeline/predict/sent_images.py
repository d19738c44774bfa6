"""Pictures as a served classifier reads them as the run does: of other formats, PNG."""

import struct
import zlib

import numpy as np

from tfpipeline.core import brightness, image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.image_formats import MAX_PIXELS, ImageError

# Of fewer steps from black to white, 8 bits are as good as 16.
_LEAST_STEPS = 1000


def as_png(data: bytes, ranges: Ranges | None, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return an image file as a PNG of 8 bits, or of 16 where it has more.

    Args:
        data: The content of a file of any format.
        ranges: What is black and white for the classifier; None where it is not known,
            as of a server.
        max_pixels: Height times width, at most.

    Raises:
        ImageError: It cannot be read, or not without the ranges.
    """
    samples = image_io.samples(data, max_pixels)
    if samples is None:
        image = image_io.decode(data, ranges=ranges or WHOLE, max_pixels=max_pixels)
        return image_io.to_png(image)
    if samples.kind == "uint16" and not samples.inverted and samples.alpha is None:
        return to_deep_png(samples.values)
    if samples.kind and ranges is None:
        raise ImageError(
            f"{samples.kind} samples, and a server does not say what is black and "
            "white in them: ask the run or the SavedModel, or send PNG"
        )
    image = brightness.shown(samples, ranges or WHOLE)
    low, high = (0.0, 0.0) if ranges is None else ranges.of("uint16")
    if not (0 <= low and high <= 65535 and high - low >= _LEAST_STEPS):
        return image_io.to_png(image_io.rounded(image))
    if samples.values.ndim == 2 and samples.alpha is None:
        image = image[..., 0]
    steps = image.astype(np.float64) * ((high - low) / 255) + low
    return to_deep_png((steps + 0.5).astype(np.uint16))


def to_deep_png(values: np.ndarray) -> bytes:
    """Return uint16, grey or RGB, as the content of a PNG file of 16 bits."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, [(0, 0), (1, 0)])  # No row is filtered.
    kind = 2 if values.ndim == 3 else 0
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 1)),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
