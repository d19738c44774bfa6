"""Where examples come from: every source becomes a list of files with class names."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline import runs
from tfpipeline.config import DataSettings
from tfpipeline.errors import UserError, suggest

SPLITS = ("train", "validation", "test")

# Names of the folders that hold a split, in any letter case.
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Source:
    """Examples: files, their classes, and the split that the source gives them.

    Args:
        name: What the user wrote, for messages.
        labels: Class names, in the order of the logits.
        paths: One file an example.
        ids: A stable name of each example, unique within the source.
        label: Index into `labels` of each example, int32, shape (n,).
        split: `train`, `validation`, `test`, or an empty string where the source does
            not say, one an example.
    """

    name: str
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    ids: tuple[str, ...]
    label: np.ndarray
    split: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: np.ndarray) -> "Source":
        """Return the same source with only the examples at `indices`, in their order.

        Args:
            indices: Integers, shape (k,).
        """
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[i] for i in indices),
            ids=tuple(self.ids[i] for i in indices),
            label=self.label[indices],
            split=tuple(self.split[i] for i in indices),
        )


def open_source(
    settings: DataSettings, cache: Path, draw: Callable[[Path], Path]
) -> Source:
    """Return the examples of a source, by the name that the user wrote.

    Args:
        settings: The section `data`; its field `source` names the source.
        cache: Folder where sources that are no files yet are written once.
        draw: Writes the drawn world of `demo` below a folder and returns its folder.

    Returns:
        The examples, unchecked: the audit opens the files.

    Raises:
        UserError: There is no such source, or it holds no two classes of images.
    """
    name = settings.source
    if name == "demo":
        return dataclasses.replace(open_folder(draw(cache)), name="demo")
    if name.startswith("tfds:"):
        # Imported here: TensorFlow Datasets takes a second that few runs need.
        from tfpipeline.data.tfds import open_tfds

        return open_tfds(name, cache, settings.tfds_dir)
    path = Path(name)
    if path.is_dir():
        return open_folder(path)
    if path.is_file():
        return open_csv(path, settings.path_column, settings.label_column)
    kinds = "demo, tfds:NAME, a folder of class folders, or a CSV file"
    raise UserError(
        f"--data.source {name}: no such file or folder. Expected: {kinds}."
        + _nearest_entry(path)
    )


def _nearest_entry(path: Path) -> str:
    """Suggest what stands beside a path that does not exist."""
    parent = path.parent
    beside = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    return suggest(path.name, [*beside, "demo"])


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
        _SPLIT_FOLDERS[entry.name.lower()]: entry
        for entry in _folders(root)
        if entry.name.lower() in _SPLIT_FOLDERS
    }
    if "train" not in split_roots:
        split_roots = {"": root}
    first = split_roots.get("train", root)
    labels = tuple(entry.name for entry in _folders(first) if _files(entry))
    _check_labels(str(root), labels, _describe_folder(first))
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


def _check_labels(where: str, labels: Sequence[str], found: str) -> None:
    if not labels:
        raise UserError(
            f"{where}: expected one folder of images a class, but {found}. Put the "
            "images of each class into a folder that has the class's name."
        )
    if len(labels) == 1:
        raise UserError(
            f"{where}: expected at least two classes, but there is only "
            f"{labels[0]!r}. A classifier needs something to tell it from."
        )


def open_csv(
    file: Path,
    path_column: str = "path",
    label_column: str = "label",
    labels: Sequence[str] | None = None,
) -> Source:
    """Return the examples of a CSV file.

    Args:
        file: Has a header with the columns below, and perhaps `split` and `id`.
        path_column: The column of image paths, relative to the CSV file's folder.
        label_column: The column of class names.
        labels: Class names in the order of the logits; sorted where None.

    Returns:
        The examples, in the order of the file.

    Raises:
        UserError: A column is missing, a cell is empty, or a split has another name.
    """
    try:
        rows = runs.read_csv(file)
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{file}: expected a CSV file, but {error}.") from None
    if not rows:
        raise UserError(f"{file}: expected a header and rows, found no row.")
    for flag, column in (("path", path_column), ("label", label_column)):
        if column not in rows[0]:
            raise UserError(
                f"{file}: expected a column {column!r}, found "
                f"{', '.join(rows[0])}.{suggest(column, rows[0])} Rename it, or say "
                f"--data.{flag}_column NAME."
            )
    found = sorted({row[label_column] for row in rows})
    if "" in found:
        line = next(i for i, row in enumerate(rows, 2) if not row[label_column])
        raise UserError(f"{file}: line {line} has no {label_column}.")
    names = tuple(labels) if labels is not None else tuple(found)
    _check_labels(str(file), names, "no label")
    index = {name: i for i, name in enumerate(names)}
    return from_rows(
        str(file),
        names,
        [
            (
                file.parent / row[path_column],
                row.get("id") or row[path_column],
                index[row[label_column]],
                _split_name(file, line, row.get("split", "")),
            )
            for line, row in enumerate(rows, 2)
        ],
    )


def _split_name(file: Path, line: int, name: str) -> str:
    if name == "":
        return ""
    if name.lower() not in _SPLIT_FOLDERS:
        raise UserError(
            f"{file}: line {line}: expected a split of {', '.join(SPLITS)}, or none. "
            f"Received: {name!r}."
        )
    return _SPLIT_FOLDERS[name.lower()]


def from_rows(
    name: str, labels: Sequence[str], rows: Sequence[tuple[Path, str, int, str]]
) -> Source:
    """Return a source from rows of path, id, label index and split.

    Args:
        name: What the user wrote, for messages.
        labels: Class names, in the order of the logits.
        rows: One an example.

    Raises:
        UserError: An id stands twice, or a class has no example.
    """
    paths, ids, label, split = zip(*rows)
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise UserError(f"{name}: {twice!r} stands there more than once.")
    _check_names(name, labels)
    return Source(
        name, tuple(labels), paths, ids, np.asarray(label, np.int32), tuple(split)
    )


def _check_names(name: str, labels: Sequence[str]) -> None:
    """Refuse class names that one line of labels.txt cannot hold."""
    for label in labels:
        if re.search(r"[\r\n]", label) or label != label.strip() or not label:
            raise UserError(
                f"{name}: {label!r} cannot be a class name: expected one line without "
                "spaces at its ends."
            )
