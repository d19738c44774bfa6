"""What a user gives as images: files, arrays, images of Pillow, or a sample."""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tfpipeline.core import contact_sheets, file_io, image_io
from tfpipeline.core.errors import UserError

# The tag of EXIF that says how an image is to be turned.
_ORIENTATION = 0x0112

# Formats whose whole numbers have 16 bits where they have more than 8.
_OF_16_BITS = ("PNG", "PPM", "JPEG2000")

# At most so many on a sheet in a notebook.
_SHOWN = 32


@dataclass(frozen=True, repr=False)
class Sample:
    """Examples of a run, in memory, as its network is shown them.

    Args:
        images: float32 in [0, 1], shape (n, height, width, 3).
        labels: A class name each.
        ids: Their names in `splits.csv`.
    """

    images: np.ndarray
    labels: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> "Sample":
        return Sample(self.images[part], self.labels[part], self.ids[part])

    def __repr__(self) -> str:
        return f"<{len(self)} images: {', '.join(dict.fromkeys(self.labels))}>"

    def _repr_png_(self) -> bytes | None:
        if not len(self):
            return None
        images = list(self.images[:_SHOWN])
        return image_io.to_png(contact_sheets.contact_sheet(images, self.labels, 8))


def _is_name(item: Any) -> bool:
    return isinstance(item, (str, os.PathLike))


def are_files(given: Any) -> bool:
    """Tell whether images are given by names of files, folders, or globs alone."""
    return _is_name(given) or (
        isinstance(given, (list, tuple)) and all(map(_is_name, given))
    )


def write(given: Any, folder: Path) -> list[str]:
    """Return the words of `--images` for what a user gave; pixels become files.

    Args:
        given: Names of files, a `Sample`, or arrays or images of Pillow, one or many:
            uint8, or float in [0, 1], which are rounded to 8 bits (what lies outside by
            no more than `image_io.OVERSHOOT` is clipped, more is refused); shape
            (height, width, 3) or (n, height, width, 3).
        folder: Where to write; those of a sample below a folder of their class, from
            which an attack learns what is on them.
    """
    images: Any = given
    labels: tuple[str, ...] = ()
    if isinstance(given, Sample):
        images, labels = given.images, given.labels
    elif isinstance(given, (str, bytes)) or not (
        isinstance(given, Sequence) or len(getattr(given, "shape", ())) == 4
    ):
        images = [given]
    words = []
    for number, image in enumerate(images):
        if _is_name(image):
            words.append(os.fspath(image))
            continue
        label = labels[number] if labels else ""
        # Only where a folder can be called so, and lies where it is made.
        plain = label not in ("", ".", "..") and Path(label).name == label
        file = (folder / label if plain else folder) / f"{number:04d}.png"
        pixels = _pixels(image, number)
        if pixels.ndim == 2:
            file = file.with_suffix(".tiff")
            with io.BytesIO() as content:
                Image.fromarray(pixels).save(content, "TIFF")
                file_io.write_bytes(file, content.getvalue())
        else:
            image_io.save_png(file, pixels)
        words.append(str(file))
    return words


def _pixels(image: Any, number: int) -> np.ndarray:
    """Return an image as the contract of images wants it; deep samples as they are."""
    where = f"images: at number {number}"
    if hasattr(image, "getexif"):
        image = _of_pillow(image, where)
        if image.ndim == 2:
            return image
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or not pixels.size:
        raise UserError(
            f"{where}: expected names of files, or arrays of shape (height, width, 3), "
            f"RGB. Received: {type(image).__name__} of shape {pixels.shape}."
        )
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "biuf":
        raise UserError(
            f"{where}: expected uint8, or float in [0, 1]. Received: {pixels.dtype}."
        )
    if not np.isfinite(pixels).all():
        raise UserError(
            f"{where}: expected numbers in [0, 1]. Received: NaN or infinite."
        )
    least, most = float(pixels.min()), float(pixels.max())
    if least < -image_io.OVERSHOOT or most > 1 + image_io.OVERSHOOT:
        raise UserError(
            f"{where}: expected uint8, or numbers from 0 to 1. Received: "
            f"{pixels.dtype} from {least:g} to {most:g}. Divide those of 0 to 255 by "
            "255."
        )
    return pixels.astype(np.float32)


def _of_pillow(image: Any, where: str) -> np.ndarray:
    """Return what a file of an image would be: upright, over white, of 8 bits.

    Samples of more bits come as they are, of shape (height, width).
    """
    try:
        if _loses_bits(image):
            raise UserError(
                f"{where}: expected a picture whose samples Pillow keeps. Received: "
                f"{image.format} of 16 bits in {image.mode}, of which it has 8. Give "
                "the name of the file instead."
            )
        image.load()
        turn = image.getexif().get(_ORIENTATION, 1)
        if image.mode == "F" or image.mode.startswith("I"):
            values = np.asarray(image)
            # Pillow has 32 bits for the 16 of such files.
            if image.mode == "I" and image.format in _OF_16_BITS:
                values = values.astype(np.uint16)
            return image_io.turned(values, turn)
        return image_io.upright(image, turn)
    except UserError:
        raise
    except Exception as error:  # Broken files make the codecs raise anything.
        raise UserError(f"{where}: Pillow cannot read it: {error}.") from None


def _loses_bits(image: Any) -> bool:
    """Tell whether colours have 16 bits in their file, of which Pillow has 8."""
    # Of other formats the package has no more bits either.
    deep = image.mode == "F" or image.mode.startswith("I")
    if deep or image.format not in ("PNG", "TIFF"):
        return False
    parts, name = getattr(image, "tile", ()), getattr(image, "filename", "")
    if not parts and name:
        # Once it is loaded, only its file tells.
        with contextlib.suppress(OSError), Image.open(name) as again:
            parts = again.tile
    return any(";16" in str(part[3]) for part in parts)
