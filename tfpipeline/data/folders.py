"""Folders of images as a source: a folder a class, or the class in the file's name."""

from pathlib import Path

from tfpipeline.data.sources import (
    SPLIT_NAMES,
    SPLITS,
    Source,
    check_labels,
    from_rows,
)
from tfpipeline.errors import UserError, suggest


def open_folder(root: Path) -> Source:
    """Return the examples of a folder of class folders.

    Args:
        root: Holds one folder a class; or `train/` and perhaps `validation/` and
            `test/`, each of which does.

    Returns:
        The examples, ordered by split, class and path; classes in order of code points.

    Raises:
        UserError: No two classes, or a split with classes that `train/` lacks.
    """
    split_roots = {
        SPLIT_NAMES[entry.name.lower()]: entry
        for entry in _folders(root)
        if entry.name.lower() in SPLIT_NAMES
    }
    if "train" not in split_roots:
        split_roots = {"": root}
    first = split_roots.get("train", root)
    labels = tuple(entry.name for entry in _folders(first) if _files(entry))
    check_labels(str(root), labels, _describe_folder(first))
    rows = []
    for split, folder in sorted(split_roots.items(), key=_split_order):
        extra = [e.name for e in _folders(folder) if e.name not in labels and _files(e)]
        if extra:
            raise UserError(
                f"{folder}: classes that {first} does not have: {', '.join(extra)}."
                f"{suggest(extra[0], labels)} Give them training images, or move them "
                "away."
            )
        for index, label in enumerate(labels):
            for file in _files(folder / label):
                rows.append((file, str(file.relative_to(root)), index, split))
    return from_rows(str(root), labels, rows)


def _split_order(item: tuple[str, Path]) -> int:
    return SPLITS.index(item[0]) if item[0] else 0


def _folders(root: Path) -> list[Path]:
    return sorted(
        entry
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))
    )


def _files(folder: Path) -> list[Path]:
    """Return every visible file below a folder; what is no image the audit tells."""
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _describe_folder(root: Path) -> str:
    names = [entry.name for entry in sorted(root.iterdir())][:5]
    return f"found {', '.join(names)}" if names else "it is empty"


def open_named(root: Path) -> Source:
    """Return the examples of a folder whose file names begin with the class.

    As in the raw Oxford-IIIT Pet set: `Great_Pyrenees_12.jpg` is a `great_pyrenees`,
    that is, the name in lower case up to its last underscore.

    Args:
        root: Holds the images, at any depth.

    Returns:
        The examples in the order of their paths; classes in order of code points.

    Raises:
        UserError: A name has no underscore, or there are no two classes.
    """
    found = [file for file in _files(root) if not _is_hidden_twin(file)]
    for file in found:
        if "_" not in file.stem:
            raise UserError(
                f"{file}: expected a name like great_pyrenees_12.jpg, the class up to "
                "the last underscore. Rename or remove it, or say --data.label_from "
                "folder."
            )
    names = [file.stem.rpartition("_")[0].lower() for file in found]
    labels = tuple(sorted(set(names)))
    check_labels(str(root), labels, _describe_folder(root))
    index = {name: i for i, name in enumerate(labels)}
    rows = [
        (file, str(file.relative_to(root)), index[name], "")
        for file, name in zip(found, names)
    ]
    return from_rows(str(root), labels, rows)


def _is_hidden_twin(file: Path) -> bool:
    """Tell the `._name` files of an archive and the `.mat` files of the Oxford set."""
    return file.name.startswith("._") or file.suffix.lower() in (".mat", ".txt")
