"""From words to pictures: files, folders, globs, lists, CSV, packed shards, URLs.

Nothing is kept in memory: a hundred million pictures are read off one after the other.
"""

import csv
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from tfpipeline.core import file_io, remote
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.inspect_file import DECODED
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import listing, tfrecord
from tfpipeline.data.sources.list_ids import Ids, digest

# Names of files that list pictures instead of being one.
_LIST, _TABLE = ".txt", ".csv"
_PATH = "path"


class Picture(NamedTuple):
    """Where the bytes of a picture are.

    Args:
        path: Of a file; local, or a URL.
        offset: Where it begins in its file.
        length: In bytes; 0 is the whole file.
        name: What it is called in results, where that is not its path.
    """

    path: str
    offset: int = 0
    length: int = 0
    name: str = ""

    @property
    def id(self) -> str:
        """What it is called in results."""
        return self.name or self.path

    @property
    def span(self) -> tuple[int, int]:
        """Offset and length in its file."""
        return self.offset, self.length

    def dump(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(self.path if self[1:] == (0, 0, "") else self)


def load(line: str) -> Picture:
    """Return the picture of a line that `dump` made."""
    content = json.loads(line)
    return Picture(content) if isinstance(content, str) else Picture(*content)


def walk(words: Sequence[str], flag: str = "--images") -> Iterator[Picture]:
    """Yield the pictures that words mean, in order.

    Args:
        words: Files, folders, globs; a `.txt` with a path in each line; a `.csv` with a
            column `path` and perhaps `id`; a folder of `pack`; any of them as a URL.
        flag: For messages.

    Raises:
        UserError: A word means nothing, or a list cannot be read.
    """
    for word in words:
        yield from _expand(word, flag)


def named(words: Sequence[str], flag: str = "--images") -> list[Picture]:
    """Return the pictures that the words of a flag mean, at least one."""
    pictures = list(walk(words, flag))
    if not pictures:
        raise nothing(flag)
    return pictures


def check(words: Sequence[str], flag: str = "--images") -> None:
    """Refuse words of which one means nothing here, before any work; URLs wait.

    Raises:
        UserError: A word is no file, folder, glob or list.
    """
    for word in words:
        if not remote.is_remote(word):
            next(_expand(word, flag), None)


def nothing(flag: str = "--images") -> UserError:
    """Return the error where words mean no picture."""
    return UserError(f"{flag}: expected files, folders, or globs like 'photos/*.jpg'.")


def _expand(word: str, flag: str) -> Iterator[Picture]:
    suffix = os.path.splitext(word)[1].lower()
    if remote.is_remote(word):
        if suffix in (_LIST, _TABLE) and not remote.is_glob(word):
            with remote.lines(word) as text:
                yield from _listed(word, suffix, text)
            return
        yield from map(_called, _remote(word, flag))
        return
    path = Path(word)
    if tfrecord.is_packed(path):
        yield from _packed(path)
    elif suffix in (_LIST, _TABLE) and path.is_file():
        with open(
            path, newline="", encoding="utf-8-sig", errors="surrogateescape"
        ) as text:
            yield from _listed(word, suffix, text)
    else:
        yield from (Picture(os.fspath(p)) for p in listing.walk_named([word], flag))


def _remote(word: str, flag: str) -> list[str]:
    """Return the pictures that a URL means: of a folder, those of a local one."""
    found = list(remote.walk(word))
    if remote.is_glob(word):
        urls = listing.meant(word, found)
    elif found == [remote.url(word)]:
        return found
    else:
        urls = listing.visible(word, found)
        names = {each[len(word.rstrip("/")) + 1 :] for each in found}
        if {tfrecord.DESCRIPTION, tfrecord.INDEX} <= names:
            raise UserError(
                f"{flag} {remote.shown(word)}: expected pictures, found what `pack` "
                "wrote, which is read from a local or mounted folder only. Mount the "
                "store, or name the pictures that were packed."
            )
    if not urls:
        raise UserError(
            f"{flag} {remote.shown(word)}: expected files. It has only hidden files, "
            "system files, and files that describe others."
        )
    return urls


def _called(path: str, name: str = "") -> Picture:
    """Return a picture that is called by its path, unless that has secrets."""
    if not name and remote.is_remote(path) and (plain := remote.shown(path)) != path:
        name = plain
    return Picture(path, name=name)


def _listed(word: str, suffix: str, text: IO[str]) -> Iterator[Picture]:
    """Yield what a list names; paths count from its folder on."""
    folder = word.rpartition("/")[0]
    pictures = _lines(text) if suffix == _LIST else _table(word, text)
    for path, name in pictures:
        if folder and not (os.path.isabs(path) or remote.is_remote(path)):
            path = f"{folder}/{path}"
        yield _called(path, name)


def _lines(text: IO[str]) -> Iterator[tuple[str, str]]:
    for line in text:
        if path := line.rstrip("\r\n"):
            yield path, ""


def _table(word: str, text: IO[str]) -> Iterator[tuple[str, str]]:
    word = remote.shown(word)
    with Ids() as ids:
        for number, path, name in _rows(word, text):
            if name and ids.add(name):
                raise _twice(word, number, name)
            yield path, name
        if doubtful := ids.doubtful():
            # Numbers that stand for ids may be equal by chance: the ids decide.
            text.seek(0)
            seen: set[str] = set()
            for number, _, name in _rows(word, text):
                if name and digest(name) in doubtful:
                    if name in seen:
                        raise _twice(word, number, name)
                    seen.add(name)


def _rows(word: str, text: IO[str]) -> Iterator[tuple[int, str, str]]:
    """Yield line, path and id of each row of a table."""
    for number, row in file_io.csv_rows(word, text):
        if _PATH not in row:
            raise UserError(
                f"{word}: expected a CSV with a column {_PATH!r}, and perhaps 'id'. "
                f"Received: {', '.join(row) or 'no line'}."
            )
        if not number:  # The header.
            continue
        if not row[_PATH]:
            raise UserError(f"{word}: line {number} has no {_PATH}.")
        yield number, row[_PATH], row.get("id", "")


def _twice(word: str, number: int, name: str) -> UserError:
    return UserError(
        f"{word}: line {number}: expected a new id. Received {name!r} a second time. "
        "Give each picture an id of its own, or none."
    )


def _packed(folder: Path) -> Iterator[Picture]:
    """Yield the records of a packed source, as its index has them."""
    try:
        file = folder / tfrecord.INDEX
        with file.open(newline="", encoding="utf-8", errors="surrogateescape") as text:
            for row in csv.DictReader(text):
                if not tfrecord.is_shard(row["shard"]):
                    raise ValueError(row["shard"])
                path = os.fspath(folder / row["shard"])
                place = int(row["offset"]), int(row["length"])
                yield Picture(path, *place, row["id"])
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{folder}: expected what `python -m tfpipeline.pack` wrote, but "
            f"{tfrecord.INDEX} cannot be read ({error!r}). Pack them again."
        ) from None


def audit(
    pictures: Sequence[Picture], max_pixels: int, look: str = DECODED
) -> list[Row]:
    """Open every picture once and tell what it is; nothing is kept.

    How closely they are looked at, `inspect_file.examine` says.
    """
    files, spans = [p.path for p in pictures], [p.span for p in pictures]
    return scan.audit(files, spans, cache=None, max_pixels=max_pixels, look=look)


def parts(pictures: Iterator[Picture], size: int) -> Iterator[list[Picture]]:
    """Yield pictures, so many at a time."""
    while part := list(itertools.islice(pictures, size)):
        yield part


def check_files(flag: str, words: Sequence[str]) -> None:
    """Refuse words for pictures that are no local files by their names.

    Raises:
        UserError: One is a record of a shard, a URL, or called otherwise than its file.
    """
    for picture in walk(words):
        if picture.length or picture.name or remote.is_remote(picture.path):
            raise UserError(
                f"{flag}: expected pictures that are local files, by their own names. "
                f"Received: {picture.id}. Write the predictions into a .csv instead."
            )
