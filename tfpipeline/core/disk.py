"""Temporary names, and what is on the disk for good."""

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfpipeline.core.errors import UserError

# How the name of a file begins that is not whole yet.
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.")

# The errors of a full disk. Writing to an open file raises them without its name.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Files that are synced at a time: one by one it takes six times as long (n = 2,000).
_TOGETHER = 8


def temporary_name(path: Path) -> Path:
    """Return a new name beside a path, for what is not whole yet."""
    return path.with_name(f".{uuid.uuid4().hex[:12]}.{path.name}")


def final_name(path: Path) -> str:
    """Return the name of a path, without what `temporary_name` puts before it."""
    return _TEMPORARY.sub("", path.name, 1) if is_temporary(path) else path.name


def is_temporary(path: Path) -> bool:
    """Tell whether `temporary_name` made the name of a path."""
    return _TEMPORARY.match(path.name) is not None


@contextlib.contextmanager
def telling(path: Path, temporary: Path) -> Iterator[None]:
    """Turn errors of writing into a `UserError`, and none of reading something else.

    The block writes `path`, which is at `temporary` until it is whole.
    """
    try:
        yield
    except OSError as error:
        named = [Path(name) for name in (error.filename, error.filename2) if name]
        places = (path, temporary)
        ours = any(
            n.is_relative_to(p) or p.is_relative_to(n) for n in named for p in places
        )
        if not ours and (named or error.errno not in _FULL):
            raise
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}. Free some space, "
            f"or name another folder, and run the same command again."
        ) from error


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Let an `OSError` of a block that only writes `file` carry its name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(file)
        raise


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network drives sync no folders.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.EBADF):
            error.filename = str(path)
            raise
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Wait until all that lies below a folder, to be renamed next, is on the disk."""
    _sync_each([p for p in folder.rglob("*") if not p.is_symlink()] + [folder])


def sync_together(files: Collection[Path]) -> None:
    """Wait until files that were written one after the other are on the disk."""
    _sync_each([*files, *{file.parent for file in files}])


def _sync_each(paths: Collection[Path]) -> None:
    with ThreadPoolExecutor(_TOGETHER) as pool:
        list(pool.map(sync, paths))


def sweep(folder: Path, names: Collection[str] | None = None) -> None:
    """Remove the temporary files below a folder that killed processes have left.

    No other process may write what they were to become: any file, or those `names`.
    """
    for file in folder.rglob(".*"):
        ours = is_temporary(file) and (names is None or final_name(file) in names)
        if ours and file.is_file():
            file.unlink(missing_ok=True)
