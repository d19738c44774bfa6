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
from typing import TextIO

from tfpipeline.core import console, image_io, progress, remote
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

# What has been named by this process is not named again.
_told: set[str] = set()

# How long what other libraries write may wait until it is shown.
_SECONDS = 0.5


@contextlib.contextmanager
def named(files: Sequence[Row]) -> Iterator[None]:
    """Replace libjpeg's warnings within the block by one with names of the files.

    Everything else that C libraries write is shown half a second later. Where there
    were warnings, the JPEG files are decoded once more, one by one, until as many are
    found. A file that an earlier block has named is not named again.

    Args:
        files: Those that are decoded in the block, any number of times.
    """
    if not _busy.acquire(blocking=False):
        yield
        return
    try:
        with _captured() as warnings:
            yield
        if warnings:
            _warn(files, len(warnings))
    finally:
        _busy.release()


@contextlib.contextmanager
def _captured() -> Iterator[list[bytes]]:
    """Fill what is yielded with the warnings that libjpeg writes to stderr.

    What else C libraries write there is shown a little later. It goes through a file,
    which is never full, so that no decoder waits for Python. Python's own stream goes
    on where it is the same descriptor.
    """
    own, warnings = sys.stderr, list[bytes]()
    own.flush()
    kept, ended = os.dup(2), threading.Event()
    with tempfile.TemporaryFile(buffering=0) as file, contextlib.ExitStack() as stack:
        if _descriptor(own) == 2:
            shown = open(os.dup(2), "w", 1, own.encoding, own.errors)
            sys.stderr = stack.enter_context(shown)

        def pass_on() -> None:
            place, rest, last = 0, b"", False
            while not last:
                last = ended.wait(_SECONDS)
                while more := os.pread(file.fileno(), 1 << 20, place):
                    place += len(more)
                    *lines, rest = (rest + more).split(b"\n")
                    _divide([line + b"\n" for line in lines], warnings, kept)
            _divide([rest] if rest else [], warnings, kept)

        thread = threading.Thread(target=pass_on, daemon=True)
        os.dup2(file.fileno(), 2)
        thread.start()
        try:
            yield warnings
        finally:
            os.dup2(kept, 2)
            sys.stderr = own
            ended.set()
            thread.join()
            os.close(kept)


def _divide(lines: Sequence[bytes], warnings: list[bytes], shown: int) -> None:
    """Keep the warnings among some lines, and write the others to a descriptor."""
    warnings += [line for line in lines if line.startswith(_WARNINGS)]
    others = [line for line in lines if not line.startswith(_WARNINGS)]
    if others:
        os.write(shown, b"".join(others))


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError, ValueError):  # Of a notebook or a test.
        return None


def _warn(files: Sequence[Row], count: int) -> None:
    """Name as many files as gave a warning, but for those that were named before."""
    damaged = list(itertools.islice(_damaged(files), count))
    new = [row.path for row in damaged if row.path not in _told]
    _told.update(new)
    if damaged and not new:
        return
    names = ", ".join(map(remote.shown, new[:_NAMED]))
    more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    console.warn(
        f"Damaged JPEG data in {len(damaged) or count} of {len(files)} files, decoded "
        f"as far as it goes: {names or 'not found again'}{more}. Look at them, or "
        "replace them."
    )


def _damaged(files: Sequence[Row]) -> Iterator[Row]:
    """Yield the files of which libjpeg warns."""
    import tensorflow as tf

    jpegs = [row for row in files if row.format == "jpeg"]
    with progress.bar(len(jpegs), "find damaged files", "file") as bar:
        for row in jpegs:
            # An undecodable file is no concern of this.
            ignored = contextlib.suppress(tf.errors.OpError, ImageError)
            with _captured() as warnings, ignored:
                content = image_io.content(row.path, row.offset, row.length)
                tf.io.decode_jpeg(content)
            bar.update(1)
            if warnings:
                yield row
