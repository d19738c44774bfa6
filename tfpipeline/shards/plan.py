"""Which pictures each shard holds: settled once, by whichever process comes first."""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, staging
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import pictures
from tfpipeline.data.sources.pictures import Picture

PLAN, INDEX = "plan.json", "index.json"
# The last one is written first: what lies beside it is of a plan.
_LISTS, _LOCK, _BEGUN = "plan", ".plan.lock", ".plan.begun"

# What is of a plan where one was begun; all else is somebody's.
_FILE = re.compile(r"(plan|index)\.json|shard-\d{6,}\.(csv|npy|parquet|done\.json)")
_LIST = re.compile(r"\d{6,}\.txt")

# What a drive says that knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class Plan:
    """The work below a folder.

    Args:
        folder: Where the shards are written.
        shards: How many there are.
        images: In all of them.
        request: What is computed, of which pictures.
    """

    folder: Path
    shards: int
    images: int
    request: Mapping[str, Any]

    def pictures(self, number: int) -> list[Picture]:
        """Return the pictures of a shard."""
        lines = file_io.read_lines(_list(self.folder, number))
        return [pictures.load(line) for line in lines]

    def file(self, number: int, ending: str) -> Path:
        """Return a file of a shard, e.g. `shard-000003.csv`."""
        return self.folder / f"shard-{number:06d}.{ending}"

    def done(self, number: int) -> Path:
        """Return the file that says that a shard is whole."""
        return self.file(number, "done.json")


def check(folder: Path) -> None:
    """Refuse a folder that cannot be written into, or holds what is not a plan's."""
    file_io.check_writable(folder)
    entries = os.listdir(folder) if folder.is_dir() else []
    shown = sorted(name for name in entries if not name.startswith("."))
    if _BEGUN in entries:
        shown = [n for n in shown if n != _LISTS and not _FILE.fullmatch(n)]
    if other := shown:
        raise UserError(
            f"--output {folder}: expected a new or empty folder, or one with shards. "
            f"Received one that contains {other[0]!r}. Choose another folder."
        )


def settle(
    folder: Path,
    words: Sequence[str],
    shard_images: int,
    what: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Plan:
    """Return the plan in a folder; make it where there is none.

    Args:
        folder: Of the output; processes on several machines share it.
        words: That name pictures; see `data.sources.pictures`.
        shard_images: Pictures a shard.
        what: Everything that a row depends on, save the picture; plain JSON.
        overwrite: Whether to remove another plan, and its shards.

    Raises:
        UserError: The folder has a plan of other work, or no picture is named.
    """
    check(folder)
    request = {"images": list(words), "shard_images": shard_images, **what}
    with disk.telling(folder, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / _LOCK, waits=True):
            # Whoever came first may have put something else here.
            check(folder)
            if (folder / PLAN).is_file():
                plan = read(folder)
                if plan.request == request:
                    return plan
                if not overwrite:
                    raise _other(plan, request)
            file_io.write_text(folder / _BEGUN, "")
            _remove(folder)
            return _make(folder, words, shard_images, request)


@contextlib.contextmanager
def locked(file: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock as `staging.locked` does; on a drive without locks, hold none."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(staging.locked(file, waits=waits))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


def read(folder: Path) -> Plan:
    """Return the plan in a folder.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    file = folder / PLAN
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Plan(folder, content["shards"], content["count"], content["request"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: expected the plan that `embed` or `predict` writes beside its "
            f"shards, but it cannot be read ({error}). Name the folder of the shards."
        ) from None


def _make(
    folder: Path, words: Sequence[str], size: int, request: Mapping[str, Any]
) -> Plan:
    shards = images = 0
    for part in pictures.parts(pictures.walk(words), size):
        # As JSON: a name may have a line feed in it, or be no UTF-8.
        file_io.write_lines(_list(folder, shards), (each.dump() for each in part))
        shards, images = shards + 1, images + len(part)
    if not images:
        raise UserError(
            "--images: expected image files, folders, or globs like 'photos/*.jpg'. "
            f"Received: {' '.join(words) or 'nothing'}, with no file in it."
        )
    content = {"shards": shards, "count": images, "request": request}
    file_io.write_json(folder / PLAN, content)
    return Plan(folder, shards, images, request)


def _list(folder: Path, number: int) -> Path:
    """Return the file with the pictures of a shard; a thousand of them a folder."""
    return folder / _LISTS / f"{number // 1000:03d}" / f"{number:06d}.txt"


def _remove(folder: Path) -> None:
    """Remove a plan, first what says that there is one, its shards, and no more."""
    (folder / PLAN).unlink(missing_ok=True)
    own = [path for path in folder.iterdir() if _FILE.fullmatch(path.name)]
    own += [p for p in folder.glob(f"{_LISTS}/*/*") if _LIST.fullmatch(p.name)]
    for path in own:
        path.unlink()
    for path in (*folder.glob(f"{_LISTS}/*"), folder / _LISTS):
        with contextlib.suppress(OSError):  # There is something else in it, or nothing.
            path.rmdir()


def _other(plan: Plan, request: Mapping[str, Any]) -> UserError:
    old, new = plan.request, request
    name = next(n for n in {**old, **new} if old.get(n) != new.get(n))
    return UserError(
        f"--output {plan.folder}: expected a new folder, or one whose shards are of "
        f"the same work. It was begun with {name} {old.get(name)!r}. Received: "
        f"{new.get(name)!r}. Choose another folder, or give --overwrite true."
    )
