"""Which folders of a source are its splits: train, validation and test."""

import re
from pathlib import Path

from tfpipeline.core import console
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import listing
from tfpipeline.data.sources.base import split_of, splits_of

# Of a folder beside splits whose pictures wait for an answer.
_UNLABELED = re.compile(
    r"(?<![a-z])(pred|predict|prediction|unlabell?ed)(?![a-z])", re.I
)
# Of the only folder in a split, which has the folders of the classes.
_INNER = re.compile(r"data|(jpeg|png)?(image|img|pic|picture|photo)s?", re.I)
# How a message ends that only the user can decide.
SURE = "Where they are the classes, say --data.label_from top."


def roots(root: Path, is_sure: bool) -> dict[str, Path]:
    """Return the folder of each split; the root itself, as '', where there are none.

    What is called like a split but holds images is a class, also one with folders where
    other classes stand beside it and the user is sure.
    """
    found: dict[str, Path] = {}
    names: dict[str, str] = {}
    other: list[str] = []
    unlabeled: list[str] = []
    entries = listing.folders(root)
    known = splits_of([entry.name for entry in entries])
    for entry in entries:
        split, name = known[entry.name], entry.name
        entry = _descend(entry, split) if split else entry
        holds_classes = any(
            listing.has_files(folder) for folder in listing.folders(entry)
        )
        if split is None and _UNLABELED.search(entry.name):
            unlabeled.append(name)
        elif split is None or not holds_classes:
            other += [name] if listing.has_files(entry) else []
        elif split in found:
            raise UserError(
                f"{root}: {names[split]} and {name} both mean the split {split}. Put "
                "their images together, or move one away."
            )
        else:
            found[split], names[split] = entry, name
    if not found:
        return {"": root}
    if is_sure and (other or "train" not in found):
        return {"": root}
    if unlabeled:
        console.warn_once(
            f"{root}: passed over, for it has no labels: {', '.join(unlabeled)}"
        )
    if "train" not in found:
        raise UserError(
            f"{root}: found {', '.join(names.values())}, but no train folder beside "
            f"it. Call the folder of the training images train. {SURE}"
        )
    if bare := [name for name in other if known[name]]:
        raise UserError(
            f"{root}: {', '.join(bare)} holds pictures without a folder a class, so "
            "nothing says what they show. Move them away, or list path, label and "
            f"split in a CSV. {SURE}"
        )
    if other:
        raise UserError(
            f"{root}: expected splits only (train, validation, test), found images in "
            f"{', '.join(other[:5])} as well. Rename what is a split, and move away "
            f"what is none. {SURE}"
        )
    return found


def _descend(folder: Path, split: str) -> Path:
    """Return where the classes of a split are, as in seg_train/seg_train/images."""
    name = folder.name
    while len(inner := listing.folders(folder)) == 1:
        (below,) = inner
        is_again = below.name == name or split_of(below.name) == split
        if not is_again and not (
            _INNER.fullmatch(below.name)
            and any(map(listing.has_files, listing.folders(below)))
        ):
            break
        folder = below
    return folder
