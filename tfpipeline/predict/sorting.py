"""Pictures copied into one folder a class, over nothing and as often as one likes."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, progress, result_dir
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import listing

# Where those are that are unlike all that was learned, and of the others those that are
# not accepted.
UNKNOWN, UNSURE = "unknown", "unsure"

# Of a class, at most: names of folders may have 255 bytes.
_MOST_LETTERS = 60


@dataclass
class Sorted:
    """How many pictures were copied, and which were not.

    Args:
        copied: Written now.
        kept: There already.
        removed: Copies of the same pictures in folders that they are no longer in.
        unknown: Of those copied or kept, in the folder `unknown`.
        unsure: The same of the folder `unsure`.
        failed: Name and reason of those that cannot be read any more.
    """

    copied: int = 0
    kept: int = 0
    removed: int = 0
    unknown: int = 0
    unsure: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def check(sort_into: str | None, words: Sequence[str]) -> Path | None:
    """Return the folder of `--sort_into`, if the pictures lie elsewhere.

    Raises:
        UserError: A picture would be found, and sorted, again by the next command; or
            nothing can be written there.
    """
    if sort_into is None:
        return None
    folder = Path(sort_into)
    if not sort_into.strip() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"--sort_into {sort_into}: expected a folder, existing or new.")
    real = folder.resolve()
    above = (Path(word) for word in words if os.path.isdir(word))
    inside = next((w for w in above if real.is_relative_to(w.resolve())), None)
    if inside is None:
        inside = next((f for f in listing.named_files(words) if _is_in(f, real)), None)
    if inside is not None:
        raise UserError(
            f"--sort_into {sort_into}: expected a folder outside those of the "
            "pictures, or the copies would be sorted as well. Received: --images "
            f"{inside}. Name a folder elsewhere."
        )
    file_io.check_writable(folder)
    return folder


def _is_in(file: Path, folder: Path) -> bool:
    return Path(os.path.realpath(file.parent)).is_relative_to(folder)


def sort(rows: Iterable[Mapping[str, Any]], folder: Path) -> Sorted:
    """Copy each picture that has an answer into the folder of its class.

    What is unknown goes to `unknown`, whatever its class and however sure that is; of
    the others, what is not accepted goes to `unsure`.

    A copy has the name of its picture, and a number behind that where another file has
    it already; nothing is ever replaced. A picture that is there already, byte by byte,
    is not copied again. Where an earlier command had put it into another folder, that
    copy is removed, unless somebody has changed it. One process at a time sorts into a
    folder: what a killed one left half-written is removed first.

    Args:
        rows: As `answers.rows` returns them.
        folder: Made where it is missing.
    """
    output, result = result_dir.Output(folder, "predict"), Sorted()
    earlier = _by_digest(output.digests())
    answered = [row for row in rows if not row["error"]]
    taken: set[Path] = set()
    disk.sweep(folder)
    with output.recording(adding=True), progress.bar(
        len(answered), "sort", "image"
    ) as bar:
        for row in answered:
            source = Path(row["id"])
            try:
                data, times = source.read_bytes(), source.stat()
            except OSError as error:
                result.failed.append((str(source), error.strerror or str(error)))
                continue
            is_unknown = row.get("known") is False
            is_unsure = row["accepted"] is False and not is_unknown
            apart = UNKNOWN if is_unknown else UNSURE if is_unsure else ""
            target = folder / (apart or folder_name(row["label"]))
            digest = hashlib.sha256(data).hexdigest()
            place = _place(target / source.name, digest, taken)
            taken.add(place)
            if place.exists():
                result.kept += 1
            else:
                with file_io.replacing(place) as temporary:
                    temporary.write_bytes(data)
                    os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))
                result.copied += 1
            result.unknown += is_unknown
            result.unsure += is_unsure
            for name in earlier.get(digest, ()):
                old = folder / name
                if old.parent != target and _is_named(old, source):
                    result.removed += output.remove(old)
            bar.update(1)
    return result


def folder_name(label: str) -> str:
    """Return what the folder of a class is called: its name, where that will do.

    Otherwise a digest stands behind what will do of it, so that no two classes share a
    folder, none leads out of it, and none is taken for `unknown` or `unsure`.
    """
    safe = re.sub(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]|^[. ]+|[. ]+$', "_", label)
    safe = safe[:_MOST_LETTERS] or "_"
    if safe == label and safe.casefold() not in (UNKNOWN, UNSURE):
        return safe
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe}-{digest[:8]}"


def _by_digest(owned: result_dir.Owned) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, digests in owned.items():
        for digest in digests:
            names.setdefault(digest, []).append(name)
    return names


def _place(path: Path, digest: str, taken: set[Path]) -> Path:
    """Return the first of `1.jpg`, `1_2.jpg`, ... that is free, or the picture itself.

    Equal pictures of one name are copied as often as there are of them.
    """
    return next(
        place
        for place in _names(path)
        if place not in taken and (not os.path.lexists(place) or _has(place, digest))
    )


def _names(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1


def _has(path: Path, digest: str) -> bool:
    """Tell whether a regular file has a content."""
    regular = path.is_file() and not path.is_symlink()
    return regular and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _is_named(copy: Path, source: Path) -> bool:
    pattern = rf"{re.escape(source.stem)}(_\d+)?{re.escape(source.suffix)}"
    return re.fullmatch(pattern, copy.name) is not None
