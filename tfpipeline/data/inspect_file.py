"""Open one file: what is it, and is it whole?

Imports no TensorFlow: processes that look at files start with this.
"""

import dataclasses
import hashlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import colour_profile, image_formats, image_io
from tfpipeline.data.scan_cache import Row


def examine(
    path: Path,
    max_pixels: int = image_formats.MAX_PIXELS,
    offset: int = 0,
    length: int = 0,
) -> Row:
    """Open a file, or a part of one; the `reason` of its row says what is wrong."""
    row = Row(os.path.abspath(path), offset=offset, length=length)
    try:
        # First: a file of another kind (a pipe, a folder) must not be waited for.
        if not path.is_file():
            reason = "no such file" if not path.exists() else "not a file"
            return dataclasses.replace(row, reason=reason)
        state = os.stat(path)
        data = image_io.content(path, offset, length)
        row = dataclasses.replace(
            row,
            size=state.st_size,
            mtime_ns=state.st_mtime_ns,
            ctime_ns=state.st_ctime_ns,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        picture = image_formats.open_image(data, max_pixels)
    except OSError as error:
        return dataclasses.replace(row, reason=error.strerror or "cannot be read")
    except image_formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))
    try:
        kind = image_formats.sniff(data) or ""
        # A JPEG is transformed to an eighth of its sides below.
        smaller = max(image_io.JPEG_RATIOS) if kind == "jpeg" else 1
        with image_io.in_turn(picture, smaller):
            orientation = image_formats.read_orientation(picture)
        good = dataclasses.replace(
            row,
            format=kind,
            height=picture.height,
            width=picture.width,
            mode=picture.mode,
            orientation=orientation,
            # A record in a shard has no name that could be wrong.
            warning=_warning(None if length else path.suffix.lower(), kind, picture),
            converted=colour_profile.judge(picture)[0],
        )
        # Reads a JPEG to its end all the same.
        picture.draft("L", (16, 16))
        with image_io.in_turn(picture):
            picture.load()
            seen = image_io.upright(picture, good.orientation)
        if _is_flat(seen):
            # A small grey copy is: that the picture itself is, only its pixels tell.
            whole = image_io.decode(data, max_pixels=max_pixels)
            words = [_flat(data, whole)] if _is_flat(whole) else []
            words += [good.warning] if good.warning else []
            good = dataclasses.replace(good, warning="; ".join(words))
        return dataclasses.replace(good, perceptual_hash=_hash(seen))
    except Exception as error:  # Broken files make the codecs raise anything.
        return dataclasses.replace(row, reason=str(image_io.damaged(data, error)))


# How the warning of a picture without content begins.
FLAT = "one colour"

_KINDS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (".tif", ".tiff"),
    "pnm": (".pgm", ".ppm", ".pbm", ".pnm"),
    "jp2": (".j2k", ".jpx", ".jp2", ".j2c", ".jpc"),
    "sgi": (".sgi", ".rgb", ".rgba", ".bw"),
    "tga": (".tga", ".icb", ".vda", ".vst"),
}


def _warning(suffix: str | None, kind: str, picture: Image.Image) -> str:
    """Return what is odd about a file that can be used."""
    warnings = []
    try:
        frames = int(getattr(picture, "n_frames", 1))
    except Exception:  # Damage behind the first frame, which is all that is used.
        frames = 1
    # A JPEG of several pictures (MPO) has another view, a preview or a depth map.
    if frames > 1 and kind != "jpeg":
        warnings.append(f"animated: first of {frames} frames")
    if suffix is not None and suffix not in _KINDS.get(kind, (f".{kind}",)):
        warnings.append(f"{kind} called {suffix or 'nothing'}")
    problem = colour_profile.judge(picture)[1]
    warnings += [problem] if problem else []
    return "; ".join(warnings)


def _is_flat(image: np.ndarray) -> bool:
    """Tell whether all pixels are equal; most pictures show in a row that not."""
    first = image[0, 0]
    return bool((image[0] == first).all() and (image == first).all())


def _flat(data: bytes, image: np.ndarray) -> str:
    """Return in words that a picture has one colour, and where it is known, why."""
    picture, why = Image.open(io.BytesIO(data)), ""
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < alpha.max() and (image == 255).all():
            why = ", drawn in white on transparent"
        elif not alpha.any() and picture.format not in image_io.OPAQUE:
            why = ", transparent everywhere"
    return f"{FLAT}: #{bytes(image[0, 0]).hex()}{why}"


def _hash(image: np.ndarray) -> str:
    """Return the difference hash: is each pixel of a 9x8 copy darker than the next?"""
    grey = Image.fromarray(image).convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
