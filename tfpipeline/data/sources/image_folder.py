"""Folders of images as a source: a folder a class, or the class in the file's name."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tfpipeline.core import console
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources import listing
from tfpipeline.data.sources.base import (
    SPLITS,
    Source,
    check_labels,
    from_rows,
    split_of,
)
from tfpipeline.data.sources.class_map import ClassMap

# Of a folder beside splits whose pictures wait for an answer.
_UNLABELED = re.compile(
    r"(?<![a-z])(pred|predict|prediction|unlabell?ed)(?![a-z])", re.I
)
# How a message ends that only the user can decide.
_SURE = "Where they are the classes, say --data.label_from top."

# Names, without what parts their words, of folders that stand beside pictures, of parts
# of a data set, and of repetitions; where there is little else, none is a class.
_MASKS = re.compile(
    "((segmentation|xml)?(mask|annotation|label|trimap|bbox)|segmentation(class|object)"
    "|segmentation|groundtruth|gt|imageset)s?",
    re.IGNORECASE,
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
    split_roots = _split_roots(root, is_sure)
    first = split_roots.get("train", root)
    folders = listing.folders(first)
    labels = tuple(entry.name for entry in folders if listing.has_files(entry))
    check_labels(str(root), labels, lambda: _describe_folder(first))
    if not is_sure:
        _check_classes(first, labels)
    if empty := [entry.name for entry in folders if entry.name not in labels]:
        console.warn_once(f"{first}: no class, because empty: {', '.join(empty[:5])}")
    rows = []
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
            rows += [
                (f, name, index, split)
                for f, name in zip(mine, listing.ids(mine, root))
            ]
    return from_rows(str(root), labels, rows)


def _split_roots(root: Path, is_sure: bool) -> dict[str, Path]:
    """Return the folder of each split; the root itself, as '', where there are none.

    What is called like a split but holds images is a class, also one with folders where
    other classes stand beside it and the user is sure.
    """
    roots: dict[str, Path] = {}
    other: list[str] = []
    unlabeled: list[str] = []
    for entry in listing.folders(root):
        split = split_of(entry.name)
        # As in seg_train/seg_train.
        while split and [split_of(f.name) for f in listing.folders(entry)] == [split]:
            (entry,) = listing.folders(entry)
        holds_classes = any(
            listing.has_files(folder) for folder in listing.folders(entry)
        )
        if split is None and _UNLABELED.search(entry.name):
            unlabeled.append(entry.name)
        elif split is None or not holds_classes:
            other += [entry.name] if listing.has_files(entry) else []
        elif split in roots:
            raise UserError(
                f"{root}: {roots[split].name} and {entry.name} both mean the split "
                f"{split}. Put their images together, or move one away."
            )
        else:
            roots[split] = entry
    if not roots:
        return {"": root}
    if unlabeled:
        names = ", ".join(unlabeled)
        console.warn_once(f"{root}: passed over, for it has no labels: {names}")
    if is_sure and (other or "train" not in roots):
        return {"": root}
    if "train" not in roots:
        names = ", ".join(folder.name for folder in roots.values())
        raise UserError(
            f"{root}: found {names}, but no train folder beside it. Call the folder of "
            f"the training images train. {_SURE}"
        )
    if bare := [name for name in other if split_of(name)]:
        raise UserError(
            f"{root}: {', '.join(bare)} holds pictures without a folder a class, so "
            "nothing says what they show. Move them away, or list path, label and "
            f"split in a CSV. {_SURE}"
        )
    if other:
        raise UserError(
            f"{root}: expected splits only (train, validation, test), found images in "
            f"{', '.join(other[:5])} as well. Rename what is a split, and move away "
            f"what is none. {_SURE}"
        )
    return roots


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
    if all(split_of(label) or label in parts for label in labels) or (
        len(parts) > 1 and len(parts) >= few
    ):
        raise UserError(
            f"{shown} look like splits or parts that hold pictures of all classes. "
            "Make a folder a class in each, list path, label and split in a CSV, or "
            f"say --data.label_from file_name. {_SURE}"
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
                f"Masks are no pictures of a class: move them away. {_SURE}"
            )
        if len(copies := names & set(labels)) > 1:
            raise UserError(
                f"{root}: {label} holds folders called like the classes beside it: "
                f"{', '.join(sorted(copies)[:5])}. Move it away. {_SURE}"
            )
    sets = [names for names in below.values() if names]
    same = set.intersection(*sets) if len(sets) >= max(2, few) else set()
    # Of one class may be less in a fold; of what differs more, the top is the class.
    if len(same) > 1 and 2 * len(same) >= len(set.union(*sets)):
        raise UserError(
            f"{shown} hold the same folders ({', '.join(sorted(same)[:5])}): they look "
            "like folds or versions of the same classes. Point --data.source at one of "
            "them, call them train, validation and test, or list path and label in a "
            f"CSV. {_SURE}"
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
