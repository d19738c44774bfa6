"""The folder of a result that is no run, and which files in it are its own.

A result owns the files that it wrote and that nobody has changed since. A hidden file
beside its JSON holds the digest of each, noted before the file takes its name, so that
a command that was killed knows what it left. Nothing else is ever replaced or removed.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError

# By name, the digests of what was written there.
Owned = dict[str, set[str]]
PAGE = "report.html"
# The last line of a page, by which one is known that nobody has changed.
_STAMP = "<!-- tfpipeline, sha256 of the lines above: {} -->\n"


class Output:
    """The folder of a result, before and while it is made anew.

    The JSON file `name` shows that a result is there. The `flag` names the folder.
    """

    def __init__(self, folder: Path, name: str, flag: str = "--output") -> None:
        self.folder, self.name, self.flag = folder, name, flag
        self._ledger = folder / f".{name}.files"
        self._inputs: set[tuple[int, int]] = set()
        # By this process, with the digest of each.
        self.written: list[tuple[Path, str]] = []
        self._withdrawn = False
        # What `digests` found, while files are written.
        self._known: Owned | None = None

    def check(self, names: Iterable[str], inputs: Iterable[Path] = ()) -> None:
        """Refuse, before the work, to replace what the result does not own.

        Args:
            names: Of all files that may be written besides the JSON, relative to the
                folder; one with a slash at its end is a folder for nothing else.
            inputs: Files that are read; none is ever replaced or removed.
        """
        owned = self.digests()
        there = [path for name in (self.name, *names) for path in self._there(name)]
        if there or owned:
            # A million files of a source are only looked at where it matters.
            for path in dict.fromkeys(inputs):
                with contextlib.suppress(OSError):
                    self._inputs.add(_identity(path))
        for path in there:
            self._check(path, owned)

    def _there(self, name: str) -> Iterator[Path]:
        """Yield what lies at a name, or in its way; of a folder, all that is inside."""
        path = self.folder
        for part in Path(name).parts:
            path /= part
            if not path.is_dir():
                break
        if path.is_dir() and name.endswith("/"):
            for folder, _, files in os.walk(path):
                # Hidden ones are no results: what a killed command left, perhaps.
                yield from (Path(folder, f) for f in files if f[0] != ".")
        elif os.path.lexists(path):
            yield path

    def _check(self, path: Path, owned: Owned) -> None:
        whose = "this command did not write it, or it was changed since"
        if self._owns(path, owned):
            if _identity(path) not in self._inputs:
                return
            whose = "it is one of the files that are read"
        raise UserError(
            f"{self.flag} {self.folder}: {path} would be replaced, but {whose}. Name "
            f"another {self.flag}, or move that file away."
        )

    @contextlib.contextmanager
    def recording(self, *, adding: bool = False) -> Iterator[None]:
        """Own what is written into the folder inside the block.

        An earlier result is removed just before the first file takes its name, unless
        `adding` to it.
        """
        self._withdrawn = self._withdrawn or adding
        token = file_io.guard.set(self._own)
        try:
            yield
        finally:
            file_io.guard.reset(token)

    def _own(self, temporary: Path, path: Path) -> None:
        """Note a file that is about to take its name, if it may."""
        if not path.is_relative_to(self.folder) or path == self._ledger:
            return
        if not self._withdrawn:
            self._withdrawn = True
            self._withdraw()
        if os.path.lexists(path):
            self._check(path, self._owned())
        digest = _digest(temporary)
        name = str(path.relative_to(self.folder))
        # On the disk before the file has its name.
        self._note(name, digest)
        if self._known is not None:
            self._known.setdefault(name, set()).add(digest)
        self.written.append((path, digest))

    def _owned(self) -> Owned:
        """Return what `digests` found, read once while files are written."""
        if self._known is None:
            self._known = self.digests()
        return self._known

    def _note(self, name: str, digest: str | None) -> None:
        """Add a line on a file to the list; without a digest, it is no longer owned."""
        with open(self._ledger, "a", encoding="ascii") as ledger:
            ledger.write(f"{json.dumps([name, digest])}\n")
            ledger.flush()
            os.fsync(ledger.fileno())

    def _withdraw(self) -> None:
        """Remove an earlier result, but for what is read and what was changed."""
        owned, kept = self.digests(), []
        for name in sorted(owned, key=lambda name: name != self.name):
            path = self.folder / name
            if not self._owns(path, owned):
                continue
            if _identity(path) in self._inputs:
                kept += [json.dumps([name, digest]) for digest in owned[name]]
            else:
                path.unlink()
        if owned:
            file_io.write_lines(self._ledger, kept)

    def discard(self, since: int) -> None:
        """Remove unchanged files behind the first `since` of `written`."""
        for path, digest in self.written[since:]:
            if path.is_file() and _digest(path) == digest:
                path.unlink()
        del self.written[since:]

    def remove(self, path: Path) -> bool:
        """Remove a file that is still what was written there; tell whether it was.

        What somebody puts there afterwards is theirs, whatever it holds.
        """
        owned, name = self._owned(), str(path.relative_to(self.folder))
        if not self._owns(path, owned):
            return False
        path.unlink()
        self._note(name, None)
        del owned[name]
        return True

    def digests(self) -> Owned:
        """Return what was written under each name, here or by an earlier command."""
        digests: Owned = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self._ledger.read_text("ascii").splitlines():
                # The last one may be cut off; and nobody is sent out of the folder.
                with contextlib.suppress(ValueError, TypeError):
                    name, digest = json.loads(line)
                    if Path(name).is_absolute() or ".." in Path(name).parts:
                        continue
                    if digest is None:  # It was removed.
                        digests.pop(name, None)
                    else:
                        digests.setdefault(name, set()).add(digest)
        return digests

    def _owns(self, path: Path, owned: Owned) -> bool:
        if path.is_symlink() or not path.is_file():
            return False
        known = owned.get(str(path.relative_to(self.folder)), set())
        # Its page may have been made again.
        return bool(known) and (_digest(path) in known or is_stamped(path))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _identity(path: Path) -> tuple[int, int]:
    """Return what a file is, by whatever name."""
    about = path.stat()
    return about.st_dev, about.st_ino


def new_result(output: str, name: str, *, overwrite: bool) -> Output:
    """Return the folder for the result of a command, if it may be written there."""
    if not output.strip():
        raise UserError("--output: expected a folder. Received nothing.")
    folder = Path(output)
    file_io.check_writable(folder)
    if os.path.lexists(folder / name) and not overwrite:
        raise UserError(
            f"{folder} already contains {name}. Choose another --output, or replace it "
            "with --overwrite true."
        )
    return Output(folder, name)


def check_file(flag: str, file: Path, is_own: Callable[[Path], bool]) -> None:
    """Refuse to replace a file, named by a flag, that the command did not write."""
    regular = file.is_file() and not file.is_symlink()
    if os.path.lexists(file) and not (regular and is_own(file)):
        raise UserError(
            f"{flag} {file}: would be replaced, but another command wrote it, or it "
            f"has changed since. Name another file, or move that one away."
        )


def stamped(page: str) -> str:
    """Return the text of a page with a last line by which it is known again."""
    ended = f"{page.rstrip()}\n"
    content = ended.encode("utf-8", "surrogateescape")
    return ended + _STAMP.format(hashlib.sha256(content).hexdigest())


def is_stamped(file: Path) -> bool:
    """Tell whether a file is a page that `stamped` ended, and nobody has changed."""
    if file.suffix.lower() not in (".html", ".htm"):
        return False
    content = file.read_bytes()
    lines, end = content[: content.rfind(b"\n", 0, -1) + 1], _STAMP
    return content == lines + end.format(hashlib.sha256(lines).hexdigest()).encode()


def own_name(path: Path, taken: set[str]) -> str:
    """Return a name for what is made of a photograph, and add it to those taken."""
    # A stem of dots alone would be another folder.
    first = stem = path.stem.strip(".") or "image"
    number = 2
    while stem in taken:
        stem, number = f"{first}_{number}", number + 1
    taken.add(stem)
    return stem
