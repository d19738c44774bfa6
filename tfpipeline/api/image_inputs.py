"""What a user gives as pictures: files, arrays, pictures of Pillow, or a sample."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets
from tfpipeline.core import image_io as images_
from tfpipeline.core.errors import UserError

# The tag of EXIF that says how a picture is to be turned.
_ORIENTATION = 0x0112

# At most so many on a sheet in a notebook.
_SHOWN = 32


@dataclass(frozen=True, repr=False)
class Sample:
    """Examples of a run, in memory, as its network is shown them.

    Args:
        images: float32 in [0, 1], shape (n, height, width, 3).
        labels: What is on them, one name each.
        ids: What the run calls them in `splits.csv`.
    """

    images: np.ndarray
    labels: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)

    def __getitem__(self, chosen: slice) -> "Sample":
        """Return some of them: `sample[:4]`."""
        return Sample(self.images[chosen], self.labels[chosen], self.ids[chosen])

    def __repr__(self) -> str:
        """Say what is in it."""
        return f"<{len(self)} images: {', '.join(dict.fromkeys(self.labels))}>"

    def _repr_png_(self) -> bytes | None:
        """Return a sheet of them, for notebooks."""
        if not len(self):
            return None
        some = self.images[:_SHOWN]
        return images_.to_png(contact_sheets.contact_sheet(list(some), self.labels, 8))


def are_files(given: Any) -> bool:
    """Tell whether pictures are given by names of files, folders, or globs alone.

    Args:
        given: What a user gave.
    """
    many = [given] if isinstance(given, (str, os.PathLike)) else given
    return isinstance(many, (list, tuple)) and all(
        isinstance(one, (str, os.PathLike)) for one in many
    )


def written(given: Any, folder: Path) -> list[str]:
    """Return the words of `--images` for what a user gave; pixels become PNG files.

    Args:
        given: Names of files, a `Sample`, or arrays or pictures of Pillow, one or many:
            uint8, or float in [0, 1], which are rounded to 8 bits (what lies outside by
            no more than `images.OVERSHOOT` is clipped, more is refused); shape (height,
            width, 3) or (n, height, width, 3).
        folder: Where to write; those of a sample below a folder of their class, from
            which an attack learns what is on them.

    Raises:
        UserError: Something else was given.
    """
    if are_files(given):
        many = [given] if isinstance(given, (str, os.PathLike)) else given
        return [os.fspath(one) for one in many]
    labels = given.labels if isinstance(given, Sample) else ()
    words = []
    for number, one in enumerate(_each(given)):
        if isinstance(one, (str, os.PathLike)):
            words.append(os.fspath(one))
            continue
        label = labels[number] if labels else ""
        inside = folder / label if _is_name(label) else folder
        file = inside / f"{number:04d}.png"
        images_.save_png(file, _pixels(one, number))
        words.append(str(file))
    return words


def _is_name(label: str) -> bool:
    """Tell whether a folder can be called so, and lies where it is made."""
    return label not in ("", ".", "..") and Path(label).name == label


def _each(given: Any) -> Iterator[Any]:
    """Yield single pictures, or the names of some."""
    if isinstance(given, Sample):
        yield from given.images
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        yield from given
    elif hasattr(given, "shape") and len(given.shape) == 4:
        yield from given
    else:
        yield given


def _pixels(one: Any, number: int) -> np.ndarray:
    """Return a picture as the contract of images wants it."""
    where = f"images: at number {number}"
    if hasattr(one, "getexif"):
        return _of_pillow(one, where)
    found = np.asarray(one)
    if found.ndim != 3 or found.shape[-1] != 3 or not found.size:
        raise UserError(
            f"{where}: expected names of files, or arrays of shape (height, width, 3), "
            f"RGB. Received: {type(one).__name__} of shape {found.shape}."
        )
    if found.dtype == np.uint8:
        return found
    if found.dtype.kind not in "biuf":
        raise UserError(
            f"{where}: expected uint8, or float in [0, 1]. Received: {found.dtype}."
        )
    if not np.isfinite(found).all():
        raise UserError(
            f"{where}: expected numbers in [0, 1]. Received: NaN or infinite."
        )
    least, most = float(found.min()), float(found.max())
    if least < -images_.OVERSHOOT or most > 1 + images_.OVERSHOOT:
        raise UserError(
            f"{where}: expected uint8, or numbers from 0 to 1. Received: {found.dtype} "
            f"from {least:g} to {most:g}. Divide those of 0 to 255 by 255."
        )
    return found.astype(np.float32)


def _of_pillow(picture: Any, where: str) -> np.ndarray:
    """Return what a file of a picture would be: turned, over white, of 8 bits."""
    try:
        picture.load()
        return images_.upright(picture, picture.getexif().get(_ORIENTATION, 1))
    except Exception as error:  # Broken files make the codecs raise anything.
        raise UserError(f"{where}: Pillow cannot read it: {error}.") from None
