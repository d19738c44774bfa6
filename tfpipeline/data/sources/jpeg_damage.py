"""Names the files of whose damage libjpeg says only that there is some.

TensorFlow's decoder writes such lines to the file descriptor of stderr, without a name
and from any thread: `Corrupt JPEG data: premature end of data segment`. The picture is
decoded as far as its data goes, by Pillow in the scan as well, which says nothing.
"""

import contextlib
import itertools
import os
import secrets
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from tfpipeline.core import console, image_io, progress, remote
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import stderr_filter

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

# What has been named by this process is not named again: file and offset.
_told: set[tuple[str, int]] = set()

# Filters through which a process that was started in a block goes on writing.
_lasting: list[subprocess.Popen[bytes]] = []

# How long files are looked for, and how long the filter may take to answer.
_SECONDS, _ANSWER_SECONDS = 30.0, 10.0


class Damage:
    """The warnings about some files, counted now and named later.

    Args:
        files: Those that are decoded, any number of times.
    """

    def __init__(self, files: Sequence[Row]) -> None:
        self._files, self._count = files, 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count libjpeg's warnings within the block instead of showing them.

        Everything else that C libraries write is shown at once.
        """
        if not _busy.acquire(blocking=False):
            yield
            return
        try:
            with _filtered() as count:
                yield
            self._count += sum(count)
        finally:
            _busy.release()

    def name(self) -> None:
        """Warn of the files, where there were warnings.

        The JPEG files are decoded once more, one by one, for half a minute at most. A
        file that was named before is not named again.
        """
        count, self._count = min(self._count, len(self._files)), 0
        if not count or not _busy.acquire(timeout=_SECONDS):
            return
        try:
            until = time.monotonic() + _SECONDS
            damaged = list(itertools.islice(_damaged(self._files, until), count))
        finally:
            _busy.release()
        stopped = len(damaged) < count and time.monotonic() >= until
        _warn(damaged, len(self._files), count, stopped)


@contextlib.contextmanager
def named(files: Sequence[Row]) -> Iterator[None]:
    """Replace libjpeg's warnings within the block by one with names of the files.

    Args:
        files: Those that are decoded in the block, any number of times.
    """
    damage = Damage(files)
    with damage.counted():
        yield
    damage.name()


@contextlib.contextmanager
def _filtered() -> Iterator[list[int]]:
    """Put a filter before stderr; append the number of warnings at the end.

    The filter is another process, which outlives an abort of this one by as long as it
    takes to show why. Python's own stream goes on past it where it is the same
    descriptor.
    """
    own, count = sys.stderr, list[int]()
    own.flush()
    _lasting[:] = [child for child in _lasting if child.poll() is None]
    asks = f"tfpipeline {secrets.token_hex(8)}"
    words = [asks, *(start.decode() for start in _WARNINGS)]
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", stderr_filter.__file__, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process alone.
        )
    except OSError:  # There can be no more processes.
        yield count
        return
    assert child.stdin and child.stdout
    with contextlib.ExitStack() as stack:
        stack.enter_context(child.stdout)
        kept = os.dup(2)
        stack.callback(os.close, kept)
        if _descriptor(own) == 2:
            shown = open(os.dup(2), "w", 1, own.encoding, own.errors)
            sys.stderr = stack.enter_context(shown)
        os.dup2(child.stdin.fileno(), 2)
        try:
            yield count
        finally:
            os.dup2(kept, 2)
            sys.stderr = own
            # A process that was started in the block may go on writing to the filter.
            with contextlib.suppress(OSError), child.stdin as stdin:
                stdin.write(asks.encode() + b"\n")
            if select.select([child.stdout], [], [], _ANSWER_SECONDS)[0]:
                count.append(int(child.stdout.readline() or 0))
            try:
                child.wait(1)
            except subprocess.TimeoutExpired:
                _lasting.append(child)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError, ValueError):  # Of a notebook or a test.
        return None


def _warn(damaged: Sequence[Row], of: int, count: int, stopped: bool) -> None:
    """Name damaged files, but for those that were named before."""
    new = [row for row in damaged if (row.path, row.offset) not in _told]
    _told.update((row.path, row.offset) for row in new)
    if damaged and not new:
        return
    names = ", ".join(_name(row) for row in new[:_NAMED])
    more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    found = f"at least {max(1, len(damaged))}" if stopped else len(damaged) or count
    console.warn(
        f"Damaged JPEG data in {found} of {of} files, decoded as far as it goes: "
        f"{names or 'not found again'}{more}. Look at them, or replace them."
    )


def _name(row: Row) -> str:
    path = remote.shown(row.path)
    return f"{path} @ {row.offset}" if row.length else path


def _damaged(files: Sequence[Row], until: float) -> Iterator[Row]:
    """Yield the files of which libjpeg warns, until some time."""
    import tensorflow as tf

    jpegs = [row for row in files if row.format == "jpeg"]
    with progress.bar(len(jpegs), "find damaged files", "file") as bar:
        for row in jpegs:
            if time.monotonic() >= until:
                return
            # An undecodable file is no concern of this.
            with contextlib.suppress(tf.errors.OpError, ImageError, OSError):
                content = image_io.content(row.path, row.offset, row.length)
                with _captured() as lines, contextlib.suppress(tf.errors.OpError):
                    tf.io.decode_jpeg(content)
                if any(line.startswith(_WARNINGS) for line in lines):
                    yield row
            bar.update(1)


@contextlib.contextmanager
def _captured() -> Iterator[list[bytes]]:
    """Fill what is yielded with what is written to stderr, and show but warnings."""
    lines, kept = list[bytes](), os.dup(2)
    with tempfile.TemporaryFile(buffering=0) as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            file.seek(0)
            lines += file.read().splitlines(True)
            others = [line for line in lines if not line.startswith(_WARNINGS)]
            stderr_filter.write(2, b"".join(others))
            os.close(kept)
