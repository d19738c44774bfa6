"""What stands in folders: files and folders, but for what desktops leave everywhere."""

import contextlib
import contextvars
import errno
import glob
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from tfpipeline.core.errors import UserError

# What desktops, disks, storage devices and notebooks leave in every folder.
_DEBRIS = re.compile(
    r"\..*|__macosx.*|(eh)?thumbs\.db.*|desktop\.ini|lost\+found|found\.\d+"
    r"|@(eadir|recycle|recently-snapshot|tmp)|#(recycle|snapshot)|\$recycle\.bin"
    r"|recycler|system volume information|__pycache__|icon\r",
    re.IGNORECASE | re.DOTALL,
)
# What stands beside a picture of the same name and describes it; of a film, its still.
_SIDECARS = (
    *(".json", ".xml", ".txt", ".xmp", ".aae", ".yaml", ".yml", ".csv", ".md"),
    *(".caption", ".npy", ".npz", ".pp3", ".thm"),
)

# What was passed over, by why, while somebody wants to know.
_HIDDEN, _BESIDE = "hidden or of the system", "beside a picture of that name"
_passed: contextvars.ContextVar[dict[str, set[str]] | None] = contextvars.ContextVar(
    "passed", default=None
)


@contextlib.contextmanager
def noting() -> Iterator[dict[str, set[str]]]:
    """Note the paths of what is passed over inside the block, by why."""
    passed: dict[str, set[str]] = {_HIDDEN: set(), _BESIDE: set()}
    token = _passed.set(passed)
    try:
        yield passed
    finally:
        _passed.reset(token)


class _Named(NamedTuple):
    """An entry of a folder that is known by its name alone."""

    name: str
    above: str
    holds: bool

    @property
    def path(self) -> str:
        """Where it is."""
        return os.path.join(self.above, self.name)

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return self.holds

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return not self.holds


# What each folder holds, where names stand for a disk.
_tree: contextvars.ContextVar[dict[str, dict[str, _Named]] | None] = (
    contextvars.ContextVar("tree", default=None)
)


@contextlib.contextmanager
def of_names(root: Path, names: Iterable[str]) -> Iterator[None]:
    """Have `root` hold files of these names inside the block, whatever the disk has.

    Names are relative to it, with slashes. Nothing else is there.
    """
    tree: dict[str, dict[str, _Named]] = {str(root): {}}
    for name in names:
        folder = str(root)
        *above, last = name.split("/")
        for part in above:
            path = os.path.join(folder, part)
            if path not in tree:
                tree[folder][part], tree[path] = _Named(part, folder, True), {}
            folder = path
        tree[folder][last] = _Named(last, folder, False)
    token = _tree.set(tree)
    try:
        yield
    finally:
        _tree.reset(token)


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, on the disk or of `of_names`."""
    tree = _tree.get()
    return path.is_dir() if tree is None else str(path) in tree


def _note(kind: str, paths: Iterable[str]) -> None:
    if (passed := _passed.get()) is not None:
        passed[kind].update(paths)


def folders(root: Path) -> list[Path]:
    """Return the visible folders in a folder, by name."""
    return sorted(
        Path(entry.path) for entry in _entries(str(root)) if _is(entry.is_dir)
    )


def files(folder: Path) -> list[Path]:
    """Return every visible file below a folder; what is no image the audit tells."""
    return list(walk(folder))


def beside(folder: Path) -> list[Path]:
    """Return the visible files that stand in a folder itself, by name."""
    paths = [e.path for e in _entries(str(folder)) if _is(e.is_file)]
    return [Path(path) for path in sorted(_without_sidecars(paths))]


def walk(folder: Path) -> Iterator[Path]:
    """Yield every visible file below a folder in the order of `Path.parts`.

    Of files, memory holds those of one folder and of the folders above it.
    """
    return map(Path, _walk(str(folder), set()))


def has_files(folder: Path) -> bool:
    """Tell whether there is a visible file below a folder."""
    # Where something describes a picture, there is the picture as well.
    with contextlib.closing(_walk(str(folder), set())) as every:
        return next(every, None) is not None


def ids(paths: Sequence[Path], root: Path) -> list[str]:
    """Return the paths as they are from a folder on."""
    above = len(str(root / "x")) - 1
    return [str(path)[above:] for path in paths]


def _walk(folder: str, seen: set[str]) -> Generator[str, None, None]:
    # A link may lead back to a folder above it.
    here = os.path.realpath(folder)
    if here in seen:
        return
    seen.add(here)
    entries = sorted(_entries(folder), key=lambda entry: entry.name)
    folders = {entry.path for entry in entries if _is(entry.is_dir)}
    others = (entry for entry in entries if entry.path not in folders)
    here_files = {*_without_sidecars([e.path for e in others if _is(e.is_file)])}
    for entry in entries:
        if entry.path in folders:
            yield from _walk(entry.path, seen)
        elif entry.path in here_files:
            yield entry.path


def _without_sidecars(paths: Sequence[str]) -> list[str]:
    """Return all but what describes another: `1.json`, `1.jpg.json` beside `1.jpg`.

    Or, as Google Takeout has it, `1.jpg.supplemental-metadata.json`, `1.jpg(1).json`.
    """
    parts = [os.path.splitext(file) for file in paths]
    pictures = {
        name
        for file, (stem, suffix) in zip(paths, parts)
        for name in (file, stem)
        if suffix.lower() not in _SIDECARS
    }
    others = {
        file
        for file, (stem, suffix) in zip(paths, parts)
        if suffix.lower() in _SIDECARS
        and not pictures.isdisjoint(
            (stem, os.path.splitext(stem)[0], re.sub(r"\(\d+\)$", "", stem))
        )
    }
    _note(_BESIDE, others)
    return [file for file in paths if file not in others] if others else list(paths)


def _entries(folder: str) -> Iterator["os.DirEntry[str] | _Named"]:
    """Yield what stands in a folder, but what desktops and disks leave everywhere."""
    for entry in _every(folder):
        if not _is_debris(entry.name):
            yield entry
        else:
            _note(_HIDDEN, [entry.path])


def _every(folder: str) -> Iterator["os.DirEntry[str] | _Named"]:
    if (tree := _tree.get()) is not None:
        yield from tree.get(folder, {}).values()
        return
    # One that has gone meanwhile is empty; one that may not be read is an error.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with os.scandir(folder) as entries:
            yield from entries


def is_special(name: str, suffix: str) -> bool:
    """Tell whether a file may be passed over: it is hidden, or describes another."""
    return _is_debris(name) or suffix.lower() in _SIDECARS


def _is_debris(name: str) -> bool:
    return _DEBRIS.fullmatch(name) is not None


def _is(kind: Callable[[], bool]) -> bool:
    """Ask an entry what it is; a link to nothing, or in circles, is nothing."""
    try:
        return kind()
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOENT, errno.ENOTDIR):
            raise
        return False


def named_files(words: Sequence[str], flag: str = "--images") -> list[Path]:
    """Return the files that the words of a flag mean, in order."""
    paths = list(walk_named(words, flag))
    if not paths:
        raise UserError(
            f"{flag}: expected files, folders, or globs like 'photos/*.jpg'."
        )
    return paths


def walk_named(words: Sequence[str], flag: str = "--images") -> Iterator[Path]:
    """Yield the files that words mean, in order; of folders none is kept in memory.

    Raises:
        UserError: A word means nothing.
    """
    for word in words:
        yield from _expand(word, flag)


def _expand(word: str, flag: str) -> Iterable[Path]:
    path = Path(word)
    if path.is_dir():
        return walk(path)
    if path.exists():
        return [path]
    matches = sorted(Path(name) for name in glob.glob(word, recursive=True))
    if not matches:
        raise UserError(f"{flag} {word}: no such file or folder, and no glob match.")
    files = [os.fspath(file) for file in matches if file.is_file()]
    found = [Path(file) for file in meant(word, files)]
    if not found:
        raise UserError(
            f"{flag} {word}: expected files. It matches only folders, hidden files "
            f"and system files."
        )
    return found


def meant(word: str, files: Sequence[str]) -> list[str]:
    """Return the matches of a glob, without hidden ones that it does not name."""
    # What the word names, in part perhaps, is meant.
    given = {part for part in Path(word).parts if part[0] not in "*?["}

    def is_meant(part: str) -> bool:
        return not _is_debris(part) or any(fnmatch(part, each) for each in given)

    return [file for file in files if all(map(is_meant, Path(file).parts))]


def visible(folder: str, files: Sequence[str]) -> list[str]:
    """Return those files below a folder, which may be a URL, that `walk` would find."""
    above = len(folder.rstrip("/")) + 1
    shown = [
        file for file in files if not any(map(_is_debris, file[above:].split("/")))
    ]
    return _without_sidecars(shown)
