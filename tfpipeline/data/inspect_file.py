"""Open one file: what is it, and is it whole?

Imports no TensorFlow: processes that look at files start with this.
"""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import (
    brightness,
    colour_profile,
    deep_samples,
    image_formats,
    image_io,
    remote,
)
from tfpipeline.core.brightness import Samples
from tfpipeline.data import quality, thumbnails
from tfpipeline.data.scan_cache import Row

# How closely a file is looked at; see `examine`.
MEASURED, DECODED, OPENED = "measured", "decoded", "opened"

# A JPEG without its end near that of its file is cut off, more often than not.
_JPEG_END, _TAIL = b"\xff\xd9", 64


def examine(
    path: Path | str,
    max_pixels: int = image_formats.MAX_PIXELS,
    offset: int = 0,
    length: int = 0,
    look: str = MEASURED,
) -> Row:
    """Open a file, or a part of one; the `reason` of its row says what is wrong.

    Args:
        path: Of the file.
        max_pixels: Height times width, at most.
        offset: Where the image begins, in bytes.
        length: Of the image in bytes; 0 is the whole file.
        look: `MEASURED`; `DECODED`, without scores and thumbnail, and without a word
            where it has one colour; or `OPENED`: an ordinary JPEG that has an end is
            not decoded either, and whoever decodes it sees whether it is damaged.
    """
    row = Row(remote.absolute(path), offset=offset, length=length)
    try:
        # First: a file of another kind (a pipe, a folder) must not be waited for.
        if not remote.is_remote(path) and not Path(path).is_file():
            reason = "no such file" if not Path(path).exists() else "not a file"
            return dataclasses.replace(row, reason=reason)
        state = None if remote.is_remote(path) else os.stat(path)
        data = image_io.content(path, offset, length)
        row = dataclasses.replace(
            row,
            size=len(data) if state is None else state.st_size,
            mtime_ns=0 if state is None else state.st_mtime_ns,
            ctime_ns=0 if state is None else state.st_ctime_ns,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        picture = image_formats.open_image(data, max_pixels)
    except OSError as error:
        remote.check_reachable(path, error)
        return dataclasses.replace(row, reason=error.strerror or "cannot be read")
    except image_formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))
    try:
        kind = image_formats.sniff(data) or ""
        height, width, mode = picture.height, picture.width, picture.mode
        # A JPEG is transformed to a part of its sides below.
        smaller = max(image_io.JPEG_RATIOS) if kind == "jpeg" else 1
        with image_io.in_turn(picture, smaller):
            orientation = image_formats.read_orientation(picture)
        good = dataclasses.replace(
            row,
            format=kind,
            height=height,
            width=width,
            mode=mode,
            orientation=orientation,
            # A record in a shard has no name that could be wrong.
            warning=_warning(
                None if length else Path(path).suffix.lower(), kind, picture
            ),
            converted=colour_profile.judge(picture)[0],
        )
        if look == OPENED and good.is_plain and _JPEG_END in data[-_TAIL:]:
            return good
        # What is converted is looked at as it is seen.
        channels = "RGB" if good.converted else _channels(picture)
        least = quality.least(picture.size) if look == MEASURED else (1, 1)
        box = thumbnails.draft(picture, channels, least)
        with image_io.in_turn(picture):
            picture.load()
            samples = deep_samples.of(picture, data)
            if samples is not None:
                return _of_samples(good, samples)
            seen = _visible(picture)
            if look != MEASURED:
                return good
            scores = quality.measure(_copy(seen, orientation))
            if not scores.contrast:
                # A small copy is flat: that the picture is, only its pixels tell.
                whole = image_io.decode(data, max_pixels=max_pixels)
                words = [_flat(data, whole, max_pixels)] if _is_flat(whole) else []
                words += [good.warning] if good.warning else []
                good = dataclasses.replace(good, warning="; ".join(words))
            return dataclasses.replace(
                good,
                thumbnail=thumbnails.encode(seen, box, orientation),
                **scores._asdict(),
            )
    except image_formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))
    except Exception as error:  # Broken files make the codecs raise anything.
        return dataclasses.replace(row, reason=str(image_io.damaged(data, error)))


def _of_samples(row: Row, samples: Samples) -> Row:
    """Return what is known of a picture of more than 8 bits."""
    low, high = brightness.extremes(samples.values)
    # Copies are found whatever the range of the data set: by the picture's own.
    own = samples._replace(declared=(low, max(high, low + 1e-6 * max(1, abs(low)))))
    seen = image_io.rounded(brightness.shown(own, brightness.WHOLE))
    small, box = Image.fromarray(seen), (0, 0, seen.shape[1], seen.shape[0])
    warning = row.warning
    if _is_flat(seen) and samples.values.min() == samples.values.max():
        words = f"{FLAT}: {samples.values.min():g} everywhere"
        warning = "; ".join(filter(None, (words, warning)))
    return dataclasses.replace(
        row,
        samples=samples.kind,
        low=low,
        high=high,
        peak=brightness.peak(samples.values),
        declared="" if samples.hint is None else brightness.span(*samples.hint),
        fixed="" if samples.declared is None else brightness.span(*samples.declared),
        warning=warning,
        thumbnail=thumbnails.encode(small, box, row.orientation),
    )


FLAT = quality.FLAT

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


def _visible(picture: Image.Image) -> Image.Image:
    """Return a loaded picture in sRGB or grey, over white, not turned yet."""
    picture = picture if picture.mode == "YCbCr" else colour_profile.to_srgb(picture)
    if picture.mode in ("RGB", "YCbCr", "L") and not picture.has_transparency_data:
        return picture
    return Image.fromarray(image_io.upright(picture, 1))


def _copy(seen: Image.Image, orientation: int) -> list[Image.Image]:
    """Return the channels of a small copy, upright: brightness, and colours if any."""
    if (factor := max(seen.size) // quality.SIDE) > 1:
        seen = seen.reduce(factor)
    channels = (seen.convert("YCbCr") if seen.mode == "RGB" else seen).split()
    if orientation == 1:
        return list(channels)
    return [
        Image.fromarray(image_io.turned(np.asarray(channel), orientation))
        for channel in channels
    ]


def _channels(picture: Image.Image) -> str:
    """Return how a JPEG keeps its colours, where they can be read as they are."""
    # One that keeps red, green and blue says so by its marker, or by its letters.
    letters = "".join(chr(layer[0]) for layer in getattr(picture, "layer", ()))
    is_rgb = picture.info.get("adobe_transform") == 0 or letters == "RGB"
    return "RGB" if is_rgb else "YCbCr"


def _is_flat(image: np.ndarray) -> bool:
    """Tell whether all pixels are equal; most pictures show in a row that not."""
    first = image[0, 0]
    return bool((image[0] == first).all() and (image == first).all())


def _flat(data: bytes, image: np.ndarray, max_pixels: int) -> str:
    """Return in words that a picture has one colour, and where it is known, why."""
    picture, why = image_formats.open_image(data, max_pixels), ""
    if picture.has_transparency_data:
        with image_io.in_turn(picture):
            alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < alpha.max() and (image == 255).all():
            why = ", drawn in white on transparent"
        elif not alpha.any() and picture.format not in image_io.OPAQUE:
            why = ", transparent everywhere"
    return f"{FLAT}: #{bytes(image[0, 0]).hex()}{why}"
