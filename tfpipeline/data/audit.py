"""Open every file once, before anything is trained: what is it, and is it whole?

Imports no TensorFlow: the files are read while it is still being imported.
"""

import dataclasses
import functools
import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from tfpipeline import formats, images, machine, progress
from tfpipeline.data.rows import Ledger, Row
from tfpipeline.errors import UserError

# Part of the cache's name, with the rules of `images`: raise it when one of this file
# changes.
_RULES = f"5.{images.RULES}-pillow{PIL.__version__}"

# Findings are kept at least so often, so that an interruption costs little.
KEEP_SECONDS = 30.0

# Files that a thread takes at a time: handing them out one by one costs as much as a
# tenth of looking at a small one.
TOGETHER = 8


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
    ledger = Ledger(cache / f"audit-{_RULES}-{max_pixels}") if cache else None
    known = ledger.read() if ledger else {}
    places = spans or [(0, 0)] * len(paths)
    # The images of a shard come one after the other: it is asked for its time once.
    state = functools.lru_cache(maxsize=16)(_state)
    rows = [
        _unchanged(known.get((os.path.abspath(path), at)), length, state)
        for path, (at, length) in zip(paths, places)
    ]
    open_ = [i for i, row in enumerate(rows) if row is None]
    if open_:
        _look(open_, lambda i: examine(paths[i], max_pixels, *places[i]), rows, ledger)
    return [row for row in rows if row is not None]


def _look(
    positions: Sequence[int],
    look: Callable[[int], Row],
    rows: list[Row | None],
    ledger: Ledger | None,
) -> None:
    """Fill in the rows of some files, and keep each of them before long."""

    fresh: deque[Row] = deque()

    def fill(some: Sequence[int]) -> int:
        for i in some:
            rows[i] = row = look(i)
            if row.sha256:
                fresh.append(row)
        return len(some)

    def keep() -> None:
        found = [fresh.popleft() for _ in range(len(fresh))]
        if ledger:
            ledger.add(found)

    each = [positions[i : i + TOGETHER] for i in range(0, len(positions), TOGETHER)]
    shown = progress.bar(len(positions), "audit", "file")
    with ThreadPoolExecutor(machine.cores()) as pool, shown as bar:
        since = time.monotonic()
        try:
            for done in pool.map(fill, each):
                bar.update(done)
                if time.monotonic() - since > KEEP_SECONDS:
                    keep()
                    since = time.monotonic()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            keep()


# What tells that a file is another one: its size, and the two times.
_State = tuple[int, int, int]


def _state(path: str) -> _State | None:
    try:
        now = os.stat(path)
    except OSError:
        return None
    return now.st_size, now.st_mtime_ns, now.st_ctime_ns


def _unchanged(
    row: Row | None, length: int, state: Callable[[str], _State | None]
) -> Row | None:
    """Return what is known of a file, where it is still the same one."""
    if row is None or row.length != length:
        return None
    same = state(row.path) == (row.size, row.mtime_ns, row.ctime_ns)
    return row if same else None


def changed(row: Row) -> bool:
    """Tell whether a file is another one than that which was looked at.

    Args:
        row: What was found then.
    """
    now = _state(row.path)
    # Reading says why there is none.
    return now is not None and now[:2] != (row.size, row.mtime_ns)


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
