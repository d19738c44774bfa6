"""Folders of images as a source: a folder a class, or the class in the file's name."""

import contextlib
import errno
import glob
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from tfpipeline.core import console
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources.base import (
    SPLITS,
    Source,
    check_labels,
    from_rows,
    split_of,
)

# What desktops, disks, storage devices and notebooks leave in every folder.
_DEBRIS = {
    *("thumbs.db", "desktop.ini", "lost+found", "@eadir", "#recycle", "$recycle.bin"),
    *("system volume information", "__macosx"),
}
# Parts of a data set, none of which is a class where there is nothing else.
_PARTS = {"images", "annotations", "masks", "labels", "segmentations", "bboxes"}
# What stands beside a picture of the same name and describes it.
_SIDECARS = (".json", ".xml", ".txt")


def open_folder(root: Path, *, is_sure: bool = False) -> Source:
    """Return the examples of a folder of class folders.

    Who is sure that they are is not told of splits, folds or versions of classes.
    """
    split_roots = _split_roots(root)
    first = split_roots.get("train", root)
    folders = _folders(first)
    labels = tuple(entry.name for entry in folders if _has_files(entry))
    check_labels(str(root), labels, lambda: _describe_folder(first))
    if not is_sure:
        _check_classes(first, labels)
    if empty := [entry.name for entry in folders if entry.name not in labels]:
        console.warn(f"{first}: no class, because empty: {', '.join(empty[:5])}")
    rows = []
    known = set(labels)
    for split in ("", *SPLITS):
        if split not in split_roots:
            continue
        folder = split_roots[split]
        others = (e for e in _folders(folder) if e.name not in known)
        if extra := [entry.name for entry in others if _has_files(entry)]:
            raise UserError(
                f"{folder}: classes that {first} does not have: {', '.join(extra)}."
                f"{suggest(extra[0], labels)} Give them training images, or move them "
                "away."
            )
        for index, label in enumerate(labels):
            mine = _files(folder / label)
            rows += [(f, name, index, split) for f, name in zip(mine, _ids(mine, root))]
    return from_rows(str(root), labels, rows)


def _split_roots(root: Path) -> dict[str, Path]:
    """Return the folder of each split; the root itself, as '', where there are none.

    A folder that is called like a split but holds images is a class.
    """
    roots: dict[str, Path] = {}
    other = []
    for entry in _folders(root):
        split = split_of(entry.name)
        # As in seg_train/seg_train.
        while split and [split_of(f.name) for f in _folders(entry)] == [split]:
            (entry,) = _folders(entry)
        holds_classes = any(_has_files(folder) for folder in _folders(entry))
        if split is None or not holds_classes:
            other += [entry.name] if _has_files(entry) else []
        elif split in roots:
            raise UserError(
                f"{root}: {roots[split].name} and {entry.name} both mean the split "
                f"{split}. Put their images together, or move one away."
            )
        else:
            roots[split] = entry
    if not roots:
        return {"": root}
    if "train" not in roots:
        names = ", ".join(folder.name for folder in roots.values())
        raise UserError(
            f"{root}: found {names}, but no train folder beside it. Call the folder of "
            "the training images train."
        )
    if other:
        raise UserError(
            f"{root}: expected splits only (train, validation, test), found images in "
            f"{', '.join(other[:5])} as well. Rename what is a split, and move away "
            "what is none."
        )
    return roots


def _folders(root: Path) -> list[Path]:
    return sorted(
        Path(entry.path) for entry in _entries(str(root)) if _is(entry.is_dir)
    )


def _files(folder: Path) -> list[Path]:
    """Return every visible file below a folder; what is no image the audit tells."""
    # As paths are ordered themselves, but split once each.
    return sorted(map(Path, _walk(str(folder), set())), key=lambda path: path.parts)


def _has_files(folder: Path) -> bool:
    with contextlib.closing(_walk(str(folder), set())) as files:
        return next(files, None) is not None


def _ids(files: Sequence[Path], root: Path) -> list[str]:
    above = len(str(root / "x")) - 1
    return [str(file)[above:] for file in files]


def _walk(folder: str, seen: set[str]) -> Generator[str, None, None]:
    # A link may lead back to a folder above it.
    here = os.path.realpath(folder)
    if here in seen:
        return
    seen.add(here)
    files = []
    for entry in _entries(folder):
        if _is(entry.is_dir):
            yield from _walk(entry.path, seen)
        elif _is(entry.is_file):
            files.append(entry.path)
    parts = [os.path.splitext(file) for file in files]
    # `1.jpg` is described by `1.json` and by `1.jpg.json`.
    pictures = {
        name
        for file, (stem, suffix) in zip(files, parts)
        for name in (file, stem)
        if suffix.lower() not in _SIDECARS
    }
    for file, (stem, suffix) in zip(files, parts):
        if suffix.lower() not in _SIDECARS or stem not in pictures:
            yield file


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield what stands in a folder, but what desktops and disks leave everywhere."""
    # One that has gone meanwhile is empty; one that may not be read is an error.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _is_debris(entry.name):
                    yield entry


def _is_debris(name: str) -> bool:
    return name.startswith(".") or name.lower() in _DEBRIS


def _is(kind: Callable[[], bool]) -> bool:
    """Ask an entry what it is; a link to nothing, or in circles, is nothing."""
    try:
        return kind()
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOENT, errno.ENOTDIR):
            raise
        return False


def _describe_folder(root: Path) -> str:
    if empty := [folder.name for folder in _folders(root)]:
        return f"the folders {', '.join(empty[:5])} hold no file"
    names = [entry.name for entry in sorted(root.iterdir())][:5]
    return f"found {', '.join(names)}" if names else "it is empty"


def _check_classes(root: Path, labels: Sequence[str]) -> None:
    """Refuse folders that are splits, folds or versions of the same classes."""
    sure = "Where they are the classes, say --data.label_from top."
    shown = f"{root}: expected a folder a class. {', '.join(labels[:5])}"
    if all(split_of(label) or label.lower() in _PARTS for label in labels):
        raise UserError(
            f"{shown} look like splits or parts that hold pictures of all classes. "
            "Make a folder a class in each, list path, label and split in a CSV, or "
            f"say --data.label_from file_name. {sure}"
        )
    below = [
        {folder.name for folder in _folders(root / label) if _has_files(folder)}
        for label in labels
    ]
    same = set.intersection(*below)
    # Of one class may be less in a fold; of what differs more, the top is the class.
    if len(same) > 1 and 2 * len(same) >= len(set.union(*below)):
        raise UserError(
            f"{shown} hold the same folders ({', '.join(sorted(same)[:5])}): they look "
            "like folds or versions of the same classes, or like pictures beside their "
            "masks. Point --data.source at one of them, call them train, validation "
            f"and test, or list path and label in a CSV. {sure}"
        )


def open_named(root: Path) -> Source:
    """Return the examples of a folder whose file names begin with the class.

    As in the raw Oxford-IIIT Pet set: `Great_Pyrenees_12.jpg` is a `great_pyrenees`,
    that is, the name in lower case up to its last underscore.
    """
    # Beside its images the Oxford set has annotations.
    files = [f for f in _files(root) if f.suffix.lower() not in (".mat", ".txt")]
    for file in files:
        if "_" not in file.stem:
            raise UserError(
                f"{file}: expected a name like great_pyrenees_12.jpg, the class up to "
                "the last underscore. Rename or remove it, or say --data.label_from "
                "folder."
            )
    spelled = {file.stem.rpartition("_")[0] for file in files}
    names = [file.stem.rpartition("_")[0].lower() for file in files]
    joined = [name for name in sorted(spelled) if name != name.lower() in spelled]
    if joined:
        console.warn(
            f"{root}: {len(joined)} names of classes that differ in letter case alone "
            f"count as one class each, e.g. {joined[0]!r} and {joined[0].lower()!r}"
        )
    labels = tuple(sorted(set(names)))
    check_labels(str(root), labels, lambda: _describe_folder(root))
    index = {name: i for i, name in enumerate(labels)}
    rows = [
        (file, identity, index[name], "")
        for file, identity, name in zip(files, _ids(files, root), names)
    ]
    return from_rows(str(root), labels, rows)


def named_files(words: Sequence[str]) -> list[Path]:
    """Return the files that the words of `--images` mean, in order."""
    paths = [path for word in words for path in _expand(word)]
    if not paths:
        raise UserError(
            "--images: expected image files, folders, or globs like 'photos/*.jpg'."
        )
    return paths


def _expand(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        return _files(path)
    if path.exists():
        return [path]
    matches = sorted(Path(name) for name in glob.glob(word, recursive=True))
    if not matches:
        raise UserError(f"--images {word}: no such file, folder, or match of a glob.")
    given = set(Path(word).parts)
    return [
        file
        for file in matches
        if file.is_file() and not any(map(_is_debris, set(file.parts) - given - {".."}))
    ]
