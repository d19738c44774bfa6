"""Folders of images as a source: a folder a class, or the class in the file's name."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tfpipeline.core import console, image_formats
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources import listing, split_folders
from tfpipeline.data.sources.base import (
    SPLITS,
    Source,
    check_labels,
    from_rows,
    splits_of,
)
from tfpipeline.data.sources.class_map import ClassMap
from tfpipeline.data.sources.split_folders import SURE

# Names, without what parts their words, of folders that stand beside pictures, of parts
# of a data set, and of repetitions; where there is little else, none is a class.
_MASKS = re.compile(
    "((segmentation|xml)?(mask|annotation|label|trimap|bbox)|segmentation(class|object)"
    "|segmentation|groundtruth|gt|imageset)s?",
    re.IGNORECASE,
)
# A mask beside its picture, as `1_mask.png` or `1_mask_2.png` beside `1.jpg`.
_MASK_FILE = re.compile(
    rf"(.+?)[\s_.-]+(?:{_MASKS.pattern}|seg)(?:[\W_]*\d+)?", re.IGNORECASE
)
_PARTS = re.compile(
    f"{_MASKS.pattern}|(jpeg|png)?(image|img|pic|picture|photo)s?|(fold|cv)[0-9]+",
    re.IGNORECASE,
)


def open_folder(
    root: Path, class_map: ClassMap | None = None, *, is_sure: bool = False
) -> Source:
    """Return the examples of a folder of class folders.

    Who is sure that they are is not told of splits, folds or versions of classes. By
    the map of classes, splits may have folders that the training images lack.
    """
    class_map = class_map or ClassMap()
    split_roots = split_folders.roots(root, is_sure)
    first = split_roots.get("train", root)
    folders = listing.folders(first)
    labels = tuple(entry.name for entry in folders if listing.has_files(entry))
    check_labels(str(root), labels, lambda: _describe_folder(first))
    if not is_sure:
        _check_classes(first, labels)
    if empty := [entry.name for entry in folders if entry.name not in labels]:
        console.warn_once(f"{first}: no class, because empty: {', '.join(empty[:5])}")
    rows, masks = list[tuple[Path, str, int, str]](), list[Path]()
    trained = {None, *map(class_map.name, labels)}
    for split in ("", *SPLITS):
        if split not in split_roots:
            continue
        folder, known = split_roots[split], set(labels)
        others = (e for e in listing.folders(folder) if e.name not in known)
        more = [entry.name for entry in others if listing.has_files(entry)]
        if extra := [name for name in more if class_map.name(name) not in trained]:
            raise UserError(
                f"{folder}: classes that {first} does not have: {', '.join(extra)}."
                f"{suggest(extra[0], labels)} Give them training images, move them "
                "away, or join or drop them by --data.classes."
            )
        labels += tuple(more)
        for index, label in enumerate(labels):
            mine = listing.files(folder / label)
            if not is_sure:
                mine, found = _part_masks(mine)
                masks += found
            rows += [
                (f, name, index, split)
                for f, name in zip(mine, listing.ids(mine, root))
            ]
    _note_masks(root, masks, " Where they are pictures, say --data.label_from top.")
    for folder in dict.fromkeys((root, *split_roots.values())):
        _note_loose(folder)
    return from_rows(str(root), labels, rows)


def is_special(name: str) -> bool:
    """Tell whether a file is called as a mask, or as what a listing passes over."""
    stem, suffix = os.path.splitext(name)
    return listing.is_special(name, suffix) or _MASK_FILE.fullmatch(stem) is not None


def _part_masks(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return files without masks that stand beside their pictures, and those masks."""
    named = [(file, _MASK_FILE.fullmatch(file.stem)) for file in files]
    if not any(match for _, match in named):
        return list(files), []
    pictures = {file.with_suffix("") for file in files}
    masks = [f for f, match in named if match and f.parent / match[1] in pictures]
    out = set(masks)
    return [file for file in files if file not in out], masks


def _note_masks(root: Path, masks: Sequence[Path], more: str = "") -> None:
    if masks:
        console.warn_once(
            f"{root}: passed over {len(masks)} masks, each beside a picture of its "
            f"name, e.g. {listing.ids(masks[:1], root)[0]}.{more}"
        )


def _note_loose(folder: Path) -> None:
    """Say which pictures stand beside the folders of classes, in none of them."""
    beside = listing.beside(folder)
    endings = {file.suffix.lower() for file in beside[:100] if _is_picture(file)}
    if loose := [file.name for file in beside if file.suffix.lower() in endings]:
        console.warn_once(
            f"{folder}: passed over {len(loose)} pictures beside the folders of "
            f"classes, for they are in none, e.g. {loose[0]}"
        )


def _is_picture(file: Path) -> bool:
    with contextlib.suppress(OSError), open(file, "rb") as content:
        return image_formats.sniff(content.read(64)) is not None
    return False


def inside(root: Path, label: str) -> str:
    """Return what a message says of the folders in the only one that there is."""
    folder, names = root / label, [""]
    while len(names) == 1:
        folder /= names[0]
        below = listing.folders(folder)
        names = [entry.name for entry in below if listing.has_files(entry)]
    if len(names) < 2:
        return ""
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f" It holds the folders {shown}: --data.source {folder} takes those."


def _describe_folder(root: Path) -> str:
    if empty := [folder.name for folder in listing.folders(root)]:
        return f"the folders {', '.join(empty[:5])} hold no file"
    names = [entry.name for entry in sorted(root.iterdir())][:5]
    return f"found {', '.join(names)}" if names else "it is empty"


def _check_classes(root: Path, labels: Sequence[str]) -> None:
    """Refuse folders that are splits, folds or versions of classes, or hold masks."""
    shown = f"{root}: expected a folder a class. {', '.join(labels[:5])}"
    parts = [label for label in labels if _is_part(label)]
    few = len(labels) - 1  # One folder more may be of another kind.
    splits = splits_of(labels)
    if all(splits[label] or label in parts for label in labels) or (
        len(parts) > 1 and len(parts) >= few
    ):
        raise UserError(
            f"{shown} look like splits or parts that hold pictures of all classes. "
            "Make a folder a class in each, list path, label and split in a CSV, or "
            f"say --data.label_from file_name. {SURE}"
            + (inside(root, labels[0]) if len(labels) == 1 else "")
        )
    below = {
        label: {
            folder.name
            for folder in listing.folders(root / label)
            if listing.has_files(folder)
        }
        for label in labels
    }
    for label, names in below.items():
        masks = [name for name in names if _MASKS.fullmatch(_plain(name))]
        if masks and len(names) > 1:
            raise UserError(
                f"{root}: {label} holds {masks[0]} beside other folders. "
                f"Masks are no pictures of a class: move them away. {SURE}"
            )
        if len(copies := names & set(labels)) > 1:
            raise UserError(
                f"{root}: {label} holds folders called like the classes beside it: "
                f"{', '.join(sorted(copies)[:5])}. Move it away. {SURE}"
            )
    sets = [names for names in below.values() if names]
    same = set.intersection(*sets) if len(sets) >= max(2, few) else set()
    # Of one class may be less in a fold; of what differs more, the top is the class.
    if len(same) > 1 and 2 * len(same) >= len(set.union(*sets)):
        raise UserError(
            f"{shown} hold the same folders ({', '.join(sorted(same)[:5])}): they look "
            "like folds or versions of the same classes. Point --data.source at one of "
            "them, call them train, validation and test, or list path and label in a "
            f"CSV. {SURE}"
        )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name)


def _is_part(name: str) -> bool:
    return _PARTS.fullmatch(_plain(name)) is not None


def open_named(root: Path) -> Source:
    """Return the examples of a folder whose file names begin with the class.

    As in the raw Oxford-IIIT Pet set: `Great_Pyrenees_12.jpg` is a `great_pyrenees`,
    that is, the name in lower case up to its last underscore.
    """
    # Beside its images the Oxford set has annotations: files, and folders of masks.
    files = [
        file
        for file in listing.files(root)
        if file.suffix.lower() not in (".mat", ".txt")
        and not any(
            _MASKS.fullmatch(_plain(part)) for part in file.relative_to(root).parts[:-1]
        )
    ]
    files, masks = _part_masks(files)
    _note_masks(root, masks)
    for file in files:
        if "_" not in file.stem:
            raise UserError(
                f"{file}: expected a name like great_pyrenees_12.jpg, the class up to "
                "the last underscore. Rename or remove it, or say --data.label_from "
                "folder."
            )
    spelled = [file.stem.rpartition("_")[0] for file in files]
    names = [name.lower() for name in spelled]
    counts = Counter(map(str.lower, set(spelled)))
    if twice := sorted(name for name, count in counts.items() if count > 1):
        first = sorted(name for name in set(spelled) if name.lower() == twice[0])
        console.warn_once(
            f"{root}: {len(twice)} classes are spelled in more than one letter case "
            f"and count as one each, e.g. {' and '.join(map(repr, first))}"
        )
    labels = tuple(sorted(set(names)))
    check_labels(str(root), labels, lambda: _describe_folder(root))
    index = {name: i for i, name in enumerate(labels)}
    rows = [
        (file, identity, index[name], "")
        for file, identity, name in zip(files, listing.ids(files, root), names)
    ]
    return from_rows(str(root), labels, rows)
