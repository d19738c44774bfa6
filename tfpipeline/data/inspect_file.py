"""Open one file: what is it, and is it whole?

Imports no TensorFlow: processes that look at files start with this.
"""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import image_formats, image_io
from tfpipeline.data.scan_cache import Row


def examine(
    path: Path,
    max_pixels: int = image_formats.MAX_PIXELS,
    offset: int = 0,
    length: int = 0,
) -> Row:
    """Open one file and tell what it is.

    Args:
        path: The file.
        max_pixels: Height times width, at most.
        offset: Where the image begins in the file, in bytes.
        length: Of the image in bytes; 0 is the whole file.

    Returns:
        Its row; `reason` says what is wrong.
    """
    row = Row(os.path.abspath(path), offset=offset, length=length)
    try:
        # First: a file of another kind (a pipe, a folder) must not be waited for.
        if not path.is_file():
            return dataclasses.replace(
                row, reason="no such file" if not path.exists() else "not a file"
            )
        state = os.stat(path)
        data = image_io.content(path, offset, length)
    except OSError as error:
        return dataclasses.replace(row, reason=error.strerror or "cannot be read")
    except image_formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))
    row = dataclasses.replace(
        row,
        size=state.st_size,
        mtime_ns=state.st_mtime_ns,
        ctime_ns=state.st_ctime_ns,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    try:
        return _looked_into(row, data, max_pixels)
    except image_formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))


def _looked_into(row: Row, data: bytes, max_pixels: int) -> Row:
    picture = image_formats.open_image(data, max_pixels)
    try:
        header = image_formats.read_header(data, picture)
    except Exception as error:  # Broken files make the codecs raise anything.
        raise image_io.damaged(data, error) from None
    row = dataclasses.replace(
        row,
        format=header.format,
        height=header.height,
        width=header.width,
        mode=header.mode,
        orientation=header.orientation,
        # A record in a shard has no name that could be wrong.
        warning=_warning(None if row.length else Path(row.path), header),
    )
    try:
        # Reads a JPEG to its end all the same, but transforms an eighth of it.
        picture.draft("L", (16, 16))
        picture.load()
        seen = image_io.upright(picture, header.orientation)
        return dataclasses.replace(row, perceptual_hash=_hash(seen))
    except Exception as error:  # Broken files make the codecs raise anything.
        raise image_io.damaged(data, error) from None


_SUFFIXES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".tif": "tiff",
    ".pgm": "pnm",
    ".ppm": "pnm",
    ".pbm": "pnm",
    ".j2k": "jp2",
    ".jpx": "jp2",
}


def _warning(path: Path | None, header: image_formats.Header) -> str:
    suffix = path.suffix.lower() if path else f".{header.format}"
    said = _SUFFIXES.get(suffix, suffix[1:])
    found = []
    if header.frames > 1:
        found.append(f"animated: first of {header.frames} frames")
    if said != header.format:
        found.append(f"{header.format} called {suffix or 'nothing'}")
    return "; ".join(found)


def _hash(image: np.ndarray) -> str:
    """Return the difference hash: is each pixel of a 9x8 copy darker than the next?"""
    small = np.asarray(
        Image.fromarray(image).convert("L").resize((9, 8), Image.Resampling.BOX),
        np.int16,
    )
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return bits.tobytes().hex()
