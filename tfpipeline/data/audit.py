"""Open every file once, before anything is trained: what is it, and is it whole?

Imports no TensorFlow: the files are read while it is still being imported.
"""

import dataclasses
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from tfpipeline import atomic, formats, images, machine, progress
from tfpipeline.errors import UserError

# Part of the cache's name, with the rules of `images`: raise it when one of this file
# changes.
_RULES = f"4.{images.RULES}-pillow{PIL.__version__}"

# Findings are kept at least so often, so that an interruption costs little.
KEEP_SECONDS = 30.0


@dataclass(frozen=True)
class Row:
    """What the audit found out about one file.

    Args:
        path: Of the file.
        size: In bytes.
        mtime_ns: When it was last changed, as its owner says.
        ctime_ns: When it was last changed, as the system says: a copy keeps the other.
        sha256: Digest of its content; an empty string where it cannot be read.
        format: By its content: `jpeg`, `png`, ...; an empty string for no image.
        height: In pixels, as stored.
        width: In pixels, as stored.
        mode: Pillow's name for the kind of pixel.
        orientation: EXIF orientation, 1 to 8.
        reason: Why it cannot be used; an empty string where it can.
        warning: What the user may want to know though it can be used.
        perceptual_hash: Difference hash of 64 bits, as 16 hexadecimal digits.
        offset: Where the image begins in its file, in bytes.
        length: Of the image in bytes; 0 is the whole file.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    sha256: str = ""
    format: str = ""
    height: int = 0
    width: int = 0
    mode: str = ""
    orientation: int = 1
    reason: str = ""
    warning: str = ""
    perceptual_hash: str = ""
    offset: int = 0
    length: int = 0


def audit(
    paths: Sequence[Path],
    spans: Sequence[tuple[int, int]] = (),
    *,
    cache: Path | None,
    max_pixels: int = formats.MAX_PIXELS,
) -> list[Row]:
    """Open every file once, in parallel, and tell what it is.

    Args:
        paths: The files.
        spans: Offset and length of each image in its file; empty for whole files.
        cache: Folder where findings are kept; a file of the same path, size and time
            is not opened again. None keeps nothing.
        max_pixels: Height times width of a picture, at most.

    Returns:
        One row a file, in the order of `paths`; nothing is raised for a bad one.
    """
    store = cache / f"audit-{_RULES}-{max_pixels}.json" if cache else None
    known = _read_store(store)
    places = spans or [(0, 0)] * len(paths)
    rows = [_unchanged(path, *at, known) for path, at in zip(paths, places)]
    open_ = [i for i, row in enumerate(rows) if row is None]
    if open_:
        shown = progress.bar(len(open_), "audit", "file")
        with ThreadPoolExecutor(machine.cores()) as pool, shown as bar:
            found = pool.map(lambda i: examine(paths[i], max_pixels, *places[i]), open_)
            since = time.monotonic()
            try:
                for i, row in zip(open_, found):
                    rows[i] = row
                    bar.update()
                    if time.monotonic() - since > KEEP_SECONDS:
                        _keep(store, rows)
                        since = time.monotonic()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                _keep(store, rows)
    return [row for row in rows if row is not None]


# A path and an offset.
_Place = tuple[str, int]


def _place(row: Row) -> _Place:
    return row.path, row.offset


def _unchanged(
    path: Path, offset: int, length: int, known: dict[_Place, Row]
) -> Row | None:
    row = known.get((os.path.abspath(path), offset))
    if row is None:
        return None
    try:
        now = os.stat(path)
    except OSError:
        return None
    stands = (now.st_size, now.st_mtime_ns, now.st_ctime_ns, length)
    return row if stands == (row.size, row.mtime_ns, row.ctime_ns, row.length) else None


def changed(row: Row) -> bool:
    """Tell whether a file is another one than that which was looked at.

    Args:
        row: What was found then.
    """
    try:
        now = os.stat(row.path)
    except OSError:
        # Reading it says why.
        return False
    return (now.st_size, now.st_mtime_ns) != (row.size, row.mtime_ns)


def _read_store(store: Path | None) -> dict[_Place, Row]:
    """Return what earlier audits found; a damaged store is as good as none."""
    if store is None or not store.is_file():
        return {}
    try:
        rows = [Row(*values) for values in json.loads(store.read_bytes())]
        return {_place(row): row for row in rows}
    except (ValueError, TypeError, OSError):
        return {}


def _keep(store: Path | None, rows: Sequence[Row | None]) -> None:
    """Add what was found to what others have found meanwhile."""
    if store is not None:
        fresh = {_place(row): row for row in rows if row and row.sha256}
        _write_store(store, {**_read_store(store), **fresh})


def _write_store(store: Path, rows: dict[_Place, Row]) -> None:
    values = [list(vars(row).values()) for row in rows.values()]
    atomic.write_text(store, json.dumps(values))


def examine(
    path: Path,
    max_pixels: int = formats.MAX_PIXELS,
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
        data = images.content(path, offset, length)
    except OSError as error:
        return dataclasses.replace(row, reason=error.strerror or "cannot be read")
    except formats.ImageError as error:
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
    except formats.ImageError as error:
        return dataclasses.replace(row, reason=str(error))


def _looked_into(row: Row, data: bytes, max_pixels: int) -> Row:
    picture = formats.open_image(data, max_pixels)
    try:
        header = formats.read_header(data, picture)
    except Exception as error:  # Broken files make the codecs raise anything.
        raise images.damaged(data, error) from None
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
        seen = images.upright(picture, header.orientation)
        return dataclasses.replace(row, perceptual_hash=_hash(seen))
    except Exception as error:  # Broken files make the codecs raise anything.
        raise images.damaged(data, error) from None


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


def _warning(path: Path | None, header: formats.Header) -> str:
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


def quarantine(
    rows: Sequence[Row], ids: Sequence[str], max_bad_fraction: float
) -> tuple[np.ndarray, list[tuple[str, Row]]]:
    """Divide files into those that can be used and those that cannot.

    Args:
        rows: One a file.
        ids: One a file.
        max_bad_fraction: Largest share of unusable files that is put up with.

    Returns:
        Indices of the good ones, int64; and id and row of each bad one.

    Raises:
        UserError: More files are bad, or none is good.
    """
    bad = [(name, row) for name, row in zip(ids, rows) if row.reason]
    good = np.array([i for i, row in enumerate(rows) if not row.reason], np.int64)
    if len(bad) > max_bad_fraction * len(rows) or not len(good):
        reasons = Counter(row.reason.split(":")[0] for _, row in bad)
        counts = ", ".join(f"{count} x {why}" for why, count in reasons.most_common(5))
        first = "; ".join(f"{row.path}: {row.reason}" for _, row in bad[:3])
        raise UserError(
            f"{len(bad)} of {len(rows)} files cannot be used ({counts}), more than "
            f"--data.max_bad_fraction {max_bad_fraction:g}. First: {first}. Mend or "
            "remove them, or raise the fraction."
        )
    return good, bad
