"""Locks of files that processes share, where the drive or the store has any."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from tfpipeline.core import disk, staging
from tfpipeline.core.stores import Place

# What a drive says that knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Busy(Exception):
    """Another process holds a lock."""


def telling(
    folder: Path | Place, name: str = ""
) -> contextlib.AbstractContextManager[None]:
    """Tell of errors of writing into a folder; a place tells of its own."""
    if isinstance(folder, Place):
        return contextlib.nullcontext()
    return disk.telling(folder, folder / name)


@contextlib.contextmanager
def locked(file: Path | Place, *, waits: bool) -> Iterator[bool]:
    """Hold a lock as `staging.locked` does; on a drive without locks, hold none.

    Yields whether it is held.

    Raises:
        Busy: Another process holds it, and `waits` is not set.
    """
    with contextlib.ExitStack() as stack:
        is_held = isinstance(file, Path)
        try:
            if isinstance(file, Path):
                stack.enter_context(staging.locked(file, waits=waits))
        except BlockingIOError:
            raise Busy(file) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            is_held = False
        yield is_held
