"""Which pictures each shard holds: settled once, by whichever process comes first."""

import contextlib
import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tfpipeline.core import disk, file_io, remote, stores
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place
from tfpipeline.data.sources import pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import locks

PLAN, INDEX = "plan.json", "index.json"
# The last one is written first: what lies beside it is of a plan.
_LISTS, _LOCK, _BEGUN = "plan", ".plan.lock", ".plan.begun"

# What is of a plan where one was begun; all else is somebody's.
_FILE = re.compile(r"(plan|index)\.json|shard-\d{6,}\.(csv|npy|parquet|done\.json)")
_LIST = re.compile(r"\d{6,}\.txt")

# What killed processes leave of a shard: its lock, and files that are not whole.
_LEFT = re.compile(
    r"\.([0-9a-f]{12}\.)?(shard-\d{6,})\.(lock|csv|npy|parquet|done\.json)"
)


class Listed(NamedTuple):
    """Words that mean pictures in another way than `data.sources.pictures` knows."""

    words: Sequence[str]
    walk: Callable[[], Iterator[Picture]]


@dataclass(frozen=True)
class Plan:
    """The work below a folder.

    Args:
        folder: Where the shards are written; local, or behind a URL.
        shards: How many there are.
        images: In all of them.
        request: What is computed, of which pictures.
        named: How the network was named, whose digest is in the request.
    """

    folder: Path | Place
    shards: int
    images: int
    request: Mapping[str, Any]
    named: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def digest(self) -> str:
        """What is computed, in 64 letters; each shard says so of itself."""
        text = json.dumps(self.request, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def pictures(self, number: int) -> list[Picture]:
        """Return the pictures of a shard.

        Raises:
            UserError: They are not as many as those of the plan.
        """
        file = _list(self.folder, number)
        lines = file_io.read_lines(file)
        size = int(self.request["shard_images"])
        expected = min(size, self.images - size * number)
        if len(lines) != expected:
            raise UserError(
                f"{file}: expected {expected} pictures, as {PLAN} says. Received "
                f"{len(lines)}: another process has planned other pictures. Choose "
                "another folder, or give --overwrite true."
            )
        return [pictures.load(line) for line in lines]

    def file(self, number: int, ending: str) -> Path | Place:
        """Return a file of a shard, e.g. `shard-000003.csv`."""
        return self.folder / f"shard-{number:06d}.{ending}"

    def done(self, number: int) -> Path | Place:
        """Return the file that says that a shard is whole."""
        return self.file(number, "done.json")

    def lock(self, number: int) -> Path | Place:
        """Return the file that whoever is at a shard locks."""
        return self.folder / f".shard-{number:06d}.lock"

    def finished(self, number: int) -> dict[str, Any] | None:
        """Return what a shard says of itself; None where it is missing.

        One that was computed for another plan is missing, and one that is torn.
        """
        return next(self.all_finished([number]))

    def all_finished(self, numbers: Sequence[int]) -> Iterator[dict[str, Any] | None]:
        """Yield what `finished` returns of each of some shards."""
        for data in stores.contents([self.done(number) for number in numbers]):
            done = _parsed(data)
            yield done if done.pop("request", None) == self.digest else None


def check(folder: Path | Place) -> None:
    """Refuse a folder that cannot be written into, or holds what is not a plan's."""
    if isinstance(folder, Path):
        remote.check_local("--output", folder)
        file_io.check_writable(folder)
    entries = stores.names(folder)
    there = sorted(name for name in entries if not name.startswith("."))
    if _BEGUN in entries:
        there = [n for n in there if n != _LISTS and not _FILE.fullmatch(n)]
    if other := there:
        raise UserError(
            f"--output {folder}: expected a new or empty folder, or one with shards. "
            f"Received one that contains {other[0]!r}. Choose another folder."
        )


def settle(
    folder: Path | Place,
    given: Sequence[str] | Listed,
    shard_images: int,
    what: Mapping[str, Any],
    *,
    overwrite: bool = False,
    named: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan in a folder; make it where there is none.

    Args:
        folder: Of the output; processes on several machines share it.
        given: Words that name pictures; see `data.sources.pictures`.
        shard_images: Pictures a shard.
        what: Everything that a row depends on, save the picture; plain JSON.
        overwrite: Whether to remove another plan, and its shards.
        named: How a network was named; it makes no other work.

    Raises:
        UserError: The folder has a plan of other work, or no picture is named.
    """
    check(folder)
    folder = folder.absolute()
    words, walk = given if isinstance(given, Listed) else (given, None)
    # What is secret in them is never written down.
    request = {"images": shown([*words]), "shard_images": shard_images, **what}
    if not all(remote.is_remote(word) or os.path.isabs(word) for word in words):
        # The same words mean other pictures elsewhere.
        request["working_folder"] = os.getcwd()
    with locks.telling(folder):
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
        with locks.locked(folder / _LOCK, waits=True) as is_held:
            # Whoever came first may have put something else here.
            check(folder)
            if (folder / PLAN).is_file():
                plan = read(folder)
                if plan.request == request:
                    return plan
                if not overwrite:
                    raise _other(plan, request)
                _remove(folder)
            # Where locks do nothing, others may be planning or computing the same:
            # nothing of theirs is removed.
            if is_held and isinstance(folder, Path):
                disk.sweep(folder / _LISTS)
                disk.sweep(folder, [PLAN])
            file_io.write_text(folder / _BEGUN, "")
            every = walk() if walk is not None else pictures.walk(words)
            return _make(folder, every, request, named or {})


def sweep(folder: Path | Place) -> None:
    """Remove what killed processes have left of shards that nobody is at.

    Behind URLs there are no locks to tell what that is.
    """
    if not isinstance(folder, Path):
        return
    left: dict[str, list[Path]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if match := _LEFT.fullmatch(entry.name):
                left.setdefault(match[2], []).append(Path(entry.path))
    for shard, files in left.items():
        with contextlib.suppress(locks.Busy):
            # The lock's own file ends with the lock.
            with locks.locked(folder / f".{shard}.lock", waits=False) as is_held:
                for file in files if is_held else ():
                    if disk.is_temporary(file):
                        file.unlink(missing_ok=True)


def read(folder: Path | Place) -> Plan:
    """Return the plan in a folder.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    file = folder / PLAN
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        own = content["request"], content.get("named", {})
        return Plan(folder, content["shards"], content["count"], *own)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: expected the plan that `embed`, `predict` or `audit` writes "
            f"beside its shards, but it cannot be read ({error}). Name the folder of "
            "the shards."
        ) from None


def _make(
    folder: Path | Place,
    every: Iterator[Picture],
    request: Mapping[str, Any],
    named: Mapping[str, Any],
) -> Plan:
    shards = images = 0
    for part in pictures.parts(every, request["shard_images"]):
        if (plan := _same(folder, request)) is not None:
            return plan
        _write_list(folder, shards, part)
        shards, images = shards + 1, images + len(part)
    if not images:
        flag = "--source" if request.get("command") == "audit" else "--images"
        raise UserError(
            f"{flag}: expected image files, folders, or globs like 'photos/*.jpg'. "
            f"Received: {' '.join(request['images']) or 'nothing'}, with no file in it."
        )
    if (plan := _same(folder, request)) is not None:
        return plan
    content = {"shards": shards, "count": images, "request": request}
    if named:
        content["named"] = named
    file_io.write_json(folder / PLAN, content)
    return Plan(folder, shards, images, request, named)


def _parsed(data: bytes | None) -> dict[str, Any]:
    """Return what a shard says of itself; nothing where its file is torn."""
    with contextlib.suppress(ValueError):
        content = json.loads(data or b"{}")
        return content if isinstance(content, dict) else {}
    return {}


def _write_list(folder: Path | Place, number: int, part: Sequence[Picture]) -> None:
    """Write the pictures of a shard; where their URLs are signed, for the owner."""
    signed = next((p.path for p in part if remote.shown(p.path) != p.path), None)
    if signed is not None and isinstance(folder, Place):
        raise UserError(
            f"--output {folder}: expected pictures whose URLs have no password and no "
            f"signature, which would be written there. Received: "
            f"{remote.shown(signed)}. Choose a local folder, or other URLs."
        )
    if signed is not None and isinstance(folder, Path):
        (folder / _LISTS).mkdir(exist_ok=True)
        (folder / _LISTS).chmod(0o700)
    # As JSON: a name may have a line feed in it, or be no UTF-8.
    file_io.write_lines(_list(folder, number), (_whole(p).dump() for p in part))


def _same(folder: Path | Place, request: Mapping[str, Any]) -> Plan | None:
    """Return the plan of the same work that another process has made meanwhile."""
    if not (folder / PLAN).is_file():
        return None
    plan = read(folder)
    return plan if plan.request == request else None


def _whole(picture: Picture) -> Picture:
    """Return a picture with its whole path; it is called what it was called."""
    if remote.is_remote(picture.path) or os.path.isabs(picture.path):
        return picture
    path = os.path.join(os.getcwd(), picture.path)
    return picture._replace(path=path, name=picture.id)


def _list(folder: Path | Place, number: int) -> Path | Place:
    """Return the file with the pictures of a shard; a thousand of them a folder."""
    return folder / _LISTS / f"{number // 1000:03d}" / f"{number:06d}.txt"


def _remove(folder: Path | Place) -> None:
    """Remove a plan, its shards, and no more; at any moment the rest can be used."""
    own = [name for name in stores.names(folder) if _FILE.fullmatch(name)]
    # What says that a shard is whole goes before it, and the plan before its lists.
    own.sort(key=lambda name: (name == PLAN, not name.endswith(".done.json")))
    stores.remove([folder / name for name in own])
    for part in stores.names(folder / _LISTS):
        inside = folder / _LISTS / part
        every = stores.names(inside)
        stores.remove([inside / n for n in every if _LIST.fullmatch(_final(n))])
    sweep(folder)
    if not isinstance(folder, Path):
        return
    for path in (*folder.glob(f"{_LISTS}/*"), folder / _LISTS):
        with contextlib.suppress(OSError):  # There is something else in it, or nothing.
            path.rmdir()


def _final(name: str) -> str:
    return disk.final_name(Path(name))


def shown(value: Any) -> Any:
    """Return a value of a request for people: URLs without what is secret."""
    return [remote.shown(word) for word in value] if isinstance(value, list) else value


def _other(plan: Plan, request: Mapping[str, Any]) -> UserError:
    old, new = plan.request, request
    name = next(n for n in {**old, **new} if old.get(n) != new.get(n))
    more = ""
    if name == "engine" and name not in old:
        more = " To continue it, give --engine tensorflow."
    return UserError(
        f"--output {plan.folder}: expected a new folder, or one whose shards are of "
        f"the same work. It was begun with {name} {shown(old.get(name))!r}. Received: "
        f"{shown(new.get(name))!r}. Choose another folder, or give --overwrite "
        f"true.{more}"
    )
