"""What one process makes, untouched by others, and ended by them if it died."""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfpipeline.core import disk

# Where a drive knows no locks on folders, what is older was left by a killed process.
_STALE_SECONDS = 24 * 3600


@contextlib.contextmanager
def locked(file: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock until the block ends; its file is removed then.

    Raises:
        BlockingIOError: Another process holds it, and `waits` is not set.
        OSError: The drive knows no locks, or the file cannot be made.
    """
    while True:
        with open(file, "a", encoding="ascii") as lock:
            with disk.naming(file):
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            # Who held it may have removed it since it was opened: then others do not
            # see what is locked here.
            if not _is_at(lock.fileno(), file):
                continue
            try:
                yield
                return
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(file)


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether an open file or folder is the one that has a name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Make a folder that `sweep` leaves alone until the block ends; remove it then.

    Its name is new. Renamed in the block, it stays.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            # Not locked yet, it was swept.
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, folder):
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _left(folder: Path, *, gone: bool) -> Iterator[bool]:
    """Tell whether the process that held a folder was killed; nobody does meanwhile.

    Of one that is not there, `gone` is the answer.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield gone
        return
    try:
        # Another may have swept it since it was opened, and its maker made it anew.
        yield _was_left(descriptor) and _is_at(descriptor, folder)
    finally:
        os.close(descriptor)


def _was_left(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > _STALE_SECONDS
    return True


def sweep(folders: Iterable[Path]) -> None:
    """Remove those folders that `held` has made and whose process was killed."""
    for folder in folders:
        # One that is gone may come back, and be somebody's, at any moment.
        with _left(folder, gone=False) as left:
            if left:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Give a new folder beside another, to be renamed to it when it is whole."""
    recover(folder)
    temporary = disk.temporary_name(folder)
    with disk.telling(folder, temporary), held(temporary) as staged:
        yield staged


def replace(staged: Path, folder: Path) -> None:
    """Put what `beside` gave, now whole, in the place of a folder, if there is one."""
    disk.sync_all(staged)
    old = staged.with_name(f"{staged.name}.old")
    if there := folder.is_dir():
        os.replace(folder, old)
    os.replace(staged, folder)
    disk.sync(folder.parent)
    if there:
        # Under this name nobody takes it for one that has to come back.
        with contextlib.suppress(FileNotFoundError):
            os.replace(old, staged)
        shutil.rmtree(staged, ignore_errors=True)


def recover(folder: Path) -> None:
    """End what killed processes have begun beside a folder: all of it or nothing.

    A folder that they had put aside comes back.
    """
    if not folder.parent.is_dir():
        return
    name = re.compile(rf"(\.[0-9a-f]{{12}}\.{re.escape(folder.name)})(\.old)?")
    for path in sorted(folder.parent.iterdir(), reverse=True):
        match = name.fullmatch(path.name)
        if match is None:
            continue
        with _left(path.with_name(match[1]), gone=bool(match[2])) as left:
            if left and match[2] and not folder.exists():
                os.replace(path, folder)
            elif left:
                shutil.rmtree(path, ignore_errors=True)
