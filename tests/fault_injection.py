"""What lies on the disk after a process was killed, at every moment it could be.

Python tells of each operation on files before it is done. Whatever a folder holds at
that moment is what SIGKILL would leave: no handler, `finally` or exit function of the
process has a part in it, and nothing comes after it. So all moments are had from one
run of a block; each of them is then put back in its place, to see what comes of it.
"""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Audit events that change what a folder holds, and how many paths each names. Opening a
# file is one of them where it is opened to be written.
_CHANGES = {
    **{"os.rename": 2, "os.link": 2, "os.symlink": 2},
    **{"os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1},
    **{"os.chmod": 1, "os.utime": 1},
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass
class Moments:
    """The moments at which a process that works in a folder could be killed.

    Args:
        folder: Where it works; what it does elsewhere is not looked at.
        kept: Where copies of the folder are kept.
        power_cut: Whether the machine dies, and not the process alone: then files that
            were written and not synced have their length and zeros for their content.
    """

    folder: Path
    kept: Path
    power_cut: bool = False
    operations: list[str] = field(default_factory=list)
    states: list[tuple[str, Path]] = field(default_factory=list)
    _digests: set[str] = field(default_factory=set)
    _synced: set[tuple[int, int]] = field(default_factory=set)

    def before(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep what lies there before an operation is done, if that is new."""
        paths = _changed(event, arguments)
        if not any(self._is_inside(path) for path in paths):
            return
        what = f"{len(self.operations)} {event} {' '.join(map(str, paths))}"
        self.operations.append(what)
        self.keep(what)
        if event == "open" and not os.path.exists(paths[0]):
            # Killed right after it: the file is there and has no content.
            self.keep(f"{what}, done", empty=Path(paths[0]))

    def keep(self, what: str, empty: Path | None = None) -> None:
        """Keep a copy of the folder as it is, or with one empty file more."""
        lost = self._unsynced() if self.power_cut else []
        digest = _digest(self.folder, empty) + repr([_plain(name) for name in lost])
        if digest in self._digests:
            return
        self._digests.add(digest)
        copy = self.kept / f"{len(self.states):04d}"
        copy.mkdir(parents=True)
        if self.folder.exists():
            shutil.copytree(self.folder, copy, symlinks=True, dirs_exist_ok=True)
        if empty is not None:
            (copy / empty.absolute().relative_to(self.folder.absolute())).touch()
        for name in lost:
            (copy / name).write_bytes(bytes((copy / name).stat().st_size))
        self.states.append((what, copy))

    def _sync(self, status: os.stat_result) -> None:
        self._synced.add((status.st_ino, status.st_mtime_ns))

    def _unsynced(self) -> list[str]:
        """Return the files whose content is in memory alone."""
        found = []
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            status = path.stat()
            if (status.st_ino, status.st_mtime_ns) not in self._synced:
                found.append(str(path.relative_to(self.folder)))
        return found

    def _is_inside(self, path: str) -> bool:
        return Path(path).absolute().is_relative_to(self.folder.absolute())

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Note the moments of a block."""
        global _watching
        _install()
        for path in self.folder.rglob("*"):
            self._sync(path.stat())
        fsync = os.fsync

        def noted(descriptor: int) -> None:
            fsync(descriptor)
            self._sync(os.fstat(descriptor))

        _watching, os.fsync = self, noted
        try:
            yield
        finally:
            _watching, os.fsync = None, fsync
        # Killed after the last operation.
        self.keep("the end")

    def __iter__(self) -> Iterator[str]:
        """Put back what lay there at each of the moments, one after the other.

        Where what is done then is `watched` too, its own moments follow: so all are
        seen to which any number of interruptions can lead.
        """
        for what, copy in self.states:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(copy, self.folder, symlinks=True)
            yield what


def _changed(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """Return the paths that an operation changes; none for one that reads."""
    if event == "open":
        path, mode, flags = arguments
        writes = flags & _WRITING if mode is None else set(mode) & set("wax+")
        count = 1 if writes and not isinstance(path, int) else 0
    else:
        count = _CHANGES.get(event, 0)
    found = []
    for path in arguments[:count]:
        with contextlib.suppress(TypeError):
            found.append(os.fsdecode(path))
    return _resolved(event, found, arguments)


def _resolved(event: str, paths: list[str], arguments: tuple[Any, ...]) -> list[str]:
    """Return paths with the folder before them that `shutil.rmtree` names by number."""
    number = arguments[-1] if event in ("os.remove", "os.rmdir") else -1
    if isinstance(number, int) and number >= 0:
        folder = os.readlink(f"/proc/self/fd/{number}")
        return [os.path.join(folder, path) for path in paths]
    return paths


def _digest(folder: Path, empty: Path | None) -> str:
    """Return a digest of names and contents; one random name is as good as another."""
    entries = [] if empty is None else [(_plain(os.path.relpath(empty, folder)), "")]
    for root, folders, files in os.walk(folder):
        place = os.path.relpath(root, folder)
        entries += [(_plain(os.path.join(place, name)), "a folder") for name in folders]
        for name in files:
            with open(os.path.join(root, name), "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            entries.append((_plain(os.path.join(place, name)), content))
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()


def _plain(name: str) -> str:
    return re.sub(r"[0-9a-f]{12}", "x", os.path.normpath(name))


_watching: Moments | None = None
_own = threading.local()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is None or getattr(_own, "busy", False):
        return
    if event != "open" and event not in _CHANGES:
        return
    _own.busy = True
    try:
        with _lock:
            _watching.before(event, arguments)
    finally:
        _own.busy = False


_lock = threading.Lock()


@functools.cache
def _install() -> None:
    # There is no way to take it away again; it does nothing unless a block is watched.
    sys.addaudithook(_hook)


@contextlib.contextmanager
def watched(folder: Path, kept: Path, *, power_cut: bool = False) -> Iterator[Moments]:
    """Yield what will know every moment of the block at which it could be killed.

    Args:
        folder: Where the block works.
        kept: A folder elsewhere, for copies.
        power_cut: See `Moments`.
    """
    moments = Moments(folder, kept, power_cut)
    with moments.watched():
        yield moments
