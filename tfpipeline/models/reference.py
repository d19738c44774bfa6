"""The reference of a run: features of its own images, kept with it."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import disk, file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import sampling, splits

SPLITS = ("train", "validation", "test")

# Rows that are kept, at most, and bytes of them: of a million images, or of features as
# wide as a flattened map, a random part has to do.
MOST_ROWS, MOST_BYTES = 50_000, 2**28

# Of those, validation images, at most, and as many test images.
_HELD_OUT_SHARE = 0.2

_FEATURES, _ROWS, _ABOUT = "features.npy", "rows.csv", "about.json"


@dataclass(frozen=True)
class Reference:
    """Features of a run's own images, by the final network.

    What it learned from, what chose its epoch, and what it never saw.

    Args:
        features: What its head is fed with, float32, shape (n, width).
        id: Of each image, as in `splits.csv`; so are the following, of length n.
        path: Its file.
        label: Name of its class.
        split: `train`, `validation` or `test`, an array of str.
        digest: SHA-256 of its file's content.
        of: How many images each split has, of which these were drawn.
    """

    features: np.ndarray
    id: Sequence[str]
    path: Sequence[str]
    label: Sequence[str]
    split: np.ndarray
    digest: Sequence[str]
    of: dict[str, int]

    def rows(self, split: str) -> np.ndarray:
        """Return the positions of the rows of a split, ascending, int64."""
        return np.flatnonzero(self.split == split)


def most_rows(width: int) -> dict[str, int]:
    """Return how many images of each split are kept, at most, of features so wide."""
    rows = max(3, min(MOST_ROWS, MOST_BYTES // (4 * width)))
    held_out = max(1, int(_HELD_OUT_SHARE * rows))
    train = max(1, rows - 2 * held_out)
    return {"train": train, "validation": held_out, "test": held_out}


def draw(
    chosen: np.ndarray, label: np.ndarray, most: int, seed: int, *, balanced: bool
) -> np.ndarray:
    """Return at most `most` of some examples, drawn at random, in ascending order.

    Balanced, each class has the same number of them, or all that it has. Otherwise they
    are a plain sample, as like new images as all of them.

    Args:
        chosen: Indices of the examples, shape (k,).
        label: Index of the class of every example.
    """
    if len(chosen) <= most:
        return np.sort(chosen)
    order = np.random.default_rng([seed, 2]).permutation(chosen)
    if balanced:
        # The first image of each class, then the second of each, and so on.
        rank = sampling.occurrences(label[order])
        order = order[np.argsort(rank, kind="stable")]
    return np.sort(order[:most])


def write(run: RunFolder, reference: Reference) -> None:
    """Write `reference/` into a run folder, `about.json` with a checksum last."""
    folder, array = run.reference, np.ascontiguousarray(reference.features, np.float32)
    content = array.data.cast("B") if array.size else memoryview(b"")
    file = folder / _FEATURES
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        # By Python's own file: where the disk is full, its error has a number.
        with open(temporary, "wb") as npy:
            header = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(npy, header)
            npy.write(content)
    columns = reference.id, reference.path, reference.label, reference.split
    rows = zip(*columns, reference.digest)
    file_io.write_csv(folder / _ROWS, splits.HEADER, rows)
    about: dict[str, Any] = {"rows": len(array), "width": array.shape[1]}
    about |= {"of": reference.of, "crc32": zlib.crc32(content)}
    file_io.write_json(folder / _ABOUT, about)


def read(run: RunFolder) -> Reference | None:
    """Return the reference of a run; None where it keeps none.

    Raises:
        UserError: A file is missing, damaged, or belongs to another reference.
    """
    return read_folder(run.reference)


def read_folder(folder: Path) -> Reference | None:
    """Return the reference in a folder, which may be a copy of a run's; see `read`."""
    if not folder.is_dir():
        return None
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        features = np.load(folder / _FEATURES, allow_pickle=False)
        rows = file_io.read_csv(folder / _ROWS)
        table = {name: [row[name] for row in rows] for name in splits.HEADER}
        shape = int(about["rows"]), int(about["width"])
        of = {name: int(about["of"][name]) for name in SPLITS}
        checksum = int(about["crc32"])
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise _damaged(folder, reason) from None
    if features.dtype != np.float32 or features.shape != shape:
        found = f"{features.dtype} of shape {features.shape}"
        raise _damaged(folder, f"expected float32 of shape {shape}, found {found}")
    if len(rows) != len(features):
        raise _damaged(folder, f"{len(features)} features, but {len(rows)} rows")
    if zlib.crc32(np.ascontiguousarray(features).data) != checksum:
        raise _damaged(folder, f"{_FEATURES} has another checksum than {_ABOUT} says")
    columns = table["id"], table["path"], table["label"], np.array(table["split"], str)
    return Reference(features, *columns, table["sha256"], of)


def _damaged(folder: Path, reason: str) -> UserError:
    return UserError(
        f"{folder}: expected the features that `train` kept, but they cannot be used: "
        f"{reason}. Copy the folder from where it is whole, or train again."
    )
