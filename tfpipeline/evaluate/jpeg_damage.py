"""Names the files of whose damage libjpeg says only that there is some.

TensorFlow's decoder writes such lines to the file descriptor of stderr, without a name
and from any thread: `Corrupt JPEG data: premature end of data segment`. The picture is
decoded as far as its data goes, by Pillow in the scan as well, which says nothing.
"""

import contextlib
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tfpipeline.core import console, image_io
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data.scan_cache import Row

# How the warnings of libjpeg begin, a line for each picture that has some.
# Source: jerror.h of libjpeg-turbo.
_WARNINGS = (
    *(b"Corrupt JPEG data", b"Premature end of JPEG", b"Inconsistent progression"),
    *(b"Invalid SOS parameters", b"Unknown Adobe color", b"Warning: unknown JFIF"),
)

# Files that are named; the others are counted.
_NAMED = 5

# One block at a time: each restores the descriptor that it has found.
_busy = threading.Lock()


@contextlib.contextmanager
def named(files: Sequence[Row]) -> Iterator[None]:
    """Replace libjpeg's warnings within the block by one with names of the files.

    Everything else that C libraries write is shown at the end of the block. Where there
    were warnings, the JPEG files are decoded once more, one by one, until as many are
    found.

    Args:
        files: Those that are decoded in the block, each once.
    """
    if not _busy.acquire(blocking=False):
        yield
        return
    try:
        with _captured() as written:
            yield
        if count := _warnings(written):
            _warn(files, count)
    finally:
        _busy.release()


@contextlib.contextmanager
def _captured() -> Iterator[bytearray]:
    """Fill what is yielded, in the end, with what C libraries write to stderr.

    What is no warning of libjpeg is written there in the end as well. Python's own
    stream goes on where it is the same descriptor.
    """
    own, written = sys.stderr, bytearray()
    own.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file, contextlib.ExitStack() as stack:
        if _descriptor(own) == 2:
            shown = open(os.dup(2), "w", 1, own.encoding, own.errors)
            sys.stderr = stack.enter_context(shown)
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            os.dup2(kept, 2)
            sys.stderr = own
            file.seek(0)
            written += file.read()
            lines = written.splitlines(keepends=True)
            others = [line for line in lines if not line.startswith(_WARNINGS)]
            os.write(kept, b"".join(others))
            os.close(kept)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError, ValueError):  # Of a notebook or a test.
        return None


def _warn(files: Sequence[Row], count: int) -> None:
    """Name as many files as gave a warning."""
    damaged = list(itertools.islice(_damaged(files), count))
    names = ", ".join(row.path for row in damaged[:_NAMED])
    more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
    console.warn(
        f"Damaged JPEG data in {count} of {len(files)} files, decoded as far as it "
        f"goes: {names or 'not found again'}{more}. Look at them, or replace them."
    )


def _damaged(files: Sequence[Row]) -> Iterator[Row]:
    """Yield the files of which libjpeg warns."""
    import tensorflow as tf

    for row in files:
        if row.format != "jpeg":
            continue
        with _captured() as written, contextlib.suppress(tf.errors.OpError, ImageError):
            tf.io.decode_jpeg(image_io.content(Path(row.path), row.offset, row.length))
        if _warnings(written):
            yield row


def _warnings(written: bytearray) -> int:
    return sum(line.startswith(_WARNINGS) for line in written.splitlines())
