"""What audits have found out about files, kept for those that come after.

Imports no TensorFlow: the files are read while it is still being imported.
"""

import contextlib
import errno
import itertools
import json
import os
import sqlite3
import time
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfpipeline.core import console, file_io
from tfpipeline.core.errors import UserError

# A path and an offset.
Place = tuple[str, int]

# The same as a part has it: a path need not be UTF-8.
Key = tuple[bytes, int]

# Of more parts than these, reading makes fewer.
MOST_PARTS = 32


@dataclass(frozen=True)
class Row:
    """What the audit found out about one file; what it cannot know is empty.

    Args:
        path: Of the file.
        size: In bytes.
        mtime_ns: When it was last changed, as its owner says.
        ctime_ns: When it was last changed, as the system says: a copy keeps the other.
        sha256: Digest of its content.
        format: By its content: `jpeg`, `png`, ...
        height: In pixels, as stored; so is the width.
        mode: Pillow's name for the kind of pixel.
        orientation: EXIF orientation, 1 to 8.
        reason: Why it cannot be used; an empty string where it can.
        warning: What the user may want to know though it can be used.
        thumbnail: A small copy, as text (`data.thumbnails`), to find near copies by.
        offset: Where the image begins in its file, in bytes.
        length: Of the image in bytes; 0 is the whole file.
        shadows: 5th percentile of the brightness, 0 to 255; -1 where not measured.
            `quality.measure` says what it and the following scores are.
        highlights: 99th percentile of the brightness, 0 to 255.
        contrast: Standard deviation of the brightness, 0 to 128.
        sharpness: In hundredths, about 120 for a photograph.
        colour: How far the strongest colour is from grey, 0 to 128.
        samples: Their type, as NumPy calls it, where there are more than 8 bits of
            which the file does not say what they reach.
        low: The smallest sample where there are more than 8 bits, but for a few.
        high: The largest one, but for a few.
        peak: The largest one of all.
        declared: What a tag says of them, as `--data.range` has it.
        fixed: What is black and white in them by what the file declares, whatever the
            data set; empty where `samples` has a type.
        converted: Whether its colours go through an embedded colour profile.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    sha256: str = ""
    format: str = ""
    height: int = 0
    width: int = 0
    mode: str = ""
    orientation: int = 1
    reason: str = ""
    warning: str = ""
    thumbnail: str = ""
    offset: int = 0
    length: int = 0
    shadows: int = -1
    highlights: int = -1
    contrast: int = -1
    sharpness: int = -1
    colour: int = -1
    samples: str = ""
    low: float = 0.0
    high: float = 0.0
    peak: float = 0.0
    declared: str = ""
    fixed: str = ""
    converted: bool = False

    @property
    def place(self) -> Place:
        """Which file it is, and where in it."""
        return self.path, self.offset

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits, or a sign."""
        return bool(self.samples or self.fixed)

    @property
    def is_plain(self) -> bool:
        """Whether it is a JPEG that TensorFlow decodes as Pillow does."""
        plain = self.mode in ("RGB", "L") and self.orientation == 1
        return self.format == "jpeg" and plain and not self.converted


# What a place is found by in a part, the row as JSON, and the check sum of that.
_TABLE = (
    "CREATE TABLE rows (path BLOB, start INTEGER, row TEXT, crc INTEGER, "
    "PRIMARY KEY (path, start)) WITHOUT ROWID"
)
_QUERY = "SELECT path, start, row, crc FROM rows"
_MAGIC = b"SQLite format 3\0"
_Record = tuple[bytes, int, str, int]

# Looking a row up costs as much as reading so many of them one after the other.
_LOOK_UP = 4

# A part is joined with later ones that have this share of its rows together.
_JOINED_SHARE = 4


@dataclass(frozen=True)
class Ledger:
    """Rows that audits have kept, in parts: files that are added and never changed.

    A part is a database of SQLite that is whole before it has its name, so that no lock
    is needed, on no network drive either. Any number of processes may add at the same
    time, and neither adding nor reading some rows depends on how many are there.
    """

    folder: Path

    def read(self, places: Iterable[Place], *, joins: bool = True) -> dict[Place, Row]:
        """Return what was kept of some places, the last of each.

        A damaged part is reported and removed: its files are looked at again.
        """
        keys = {(os.fsencode(path), start): (path, start) for path, start in places}
        rows, failed = self._rows(keys)
        if joins and len(rows) > MOST_PARTS and not failed:
            with contextlib.suppress(UserError, OSError, sqlite3.Error):
                self._join(sorted(rows))
        every = (item for part in sorted(rows) for item in rows[part].items())
        return {keys[key]: row for key, row in every}

    def _rows(self, keys: Collection[Key]) -> tuple[dict[Path, dict[Key, Row]], bool]:
        """Return what each part has of some places, and whether one cannot be read.

        Where parts vanish meanwhile, another process has made one of them, which is
        read as well.
        """
        rows: dict[Path, dict[Key, Row]] = {}
        gone: set[Path] = set()
        failed, again = False, True
        while again:
            again = False
            for part in set(self.folder.glob("[0-9]*.sqlite")) - set(rows) - gone:
                try:
                    rows[part] = dict(_wanted(part, keys))
                except (OSError, sqlite3.OperationalError) as error:
                    # The second is what a network drive says.
                    missing = (errno.ENOENT, errno.ESTALE)
                    if getattr(error, "errno", 0) in missing or not part.is_file():
                        gone.add(part)
                        again = True
                    else:
                        failed, rows[part] = True, {}
                except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                    console.warn(
                        f"warning: {part}: damaged ({error}); the files that it "
                        f"describes are inspected again."
                    )
                    gone.add(part)
                    with contextlib.suppress(OSError):
                        part.unlink()
        return rows, failed

    def _join(self, parts: Sequence[Path]) -> None:
        """Make one part of the last ones that are small beside each other.

        What is large stays, so that each row is written anew a few times only.
        """
        counts = []
        for part in parts:
            with _opened(part) as base:
                counts += base.execute("PRAGMA user_version").fetchone()
        while counts and counts[0] > _JOINED_SHARE * sum(counts[1:]):
            del counts[0]
        small = parts[len(parts) - len(counts) :]
        if not small:
            return
        # What was added since is found later, and read after it. On the disk before
        # those that it is made of are gone.
        stamp = small[-1].name.partition("-")[0]
        self._write(stamp, itertools.chain(*map(_records, small)), durable=True)
        for part in small:
            part.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Keep some more."""
        if rows:
            # Named by the time, so that what was found last is read last.
            self._write(f"{time.time_ns():020d}", map(_record, rows))

    def _write(
        self, stamp: str, records: Iterable[_Record], *, durable: bool = False
    ) -> None:
        name = f"{stamp}-{uuid.uuid4().hex[:8]}.sqlite"
        # One that a power cut has torn is reported, and as good as not there.
        with file_io.replacing(self.folder / name, durable=durable) as temporary:
            try:
                # Nobody else knows the file: no locks, which some drives do not have.
                with _opened(temporary, "vfs=unix-none") as base:
                    # A row with its thumbnail would take a page of 4 kB for itself.
                    base.execute("PRAGMA page_size = 16384")
                    base.execute("PRAGMA journal_mode = OFF")
                    base.execute("PRAGMA synchronous = OFF")
                    base.execute(_TABLE)
                    base.executemany(
                        "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", records
                    )
                    (count,) = base.execute("SELECT count(*) FROM rows").fetchone()
                    base.execute(f"PRAGMA user_version = {count}")
                    base.commit()
            except sqlite3.OperationalError as error:
                number = errno.ENOSPC if "full" in str(error) else errno.EIO
                raise OSError(number, str(error), str(temporary)) from None


def _opened(
    part: Path, how: str = "mode=ro&immutable=1"
) -> contextlib.closing[sqlite3.Connection]:
    uri = f"{part.absolute().as_uri()}?{how}"
    return contextlib.closing(sqlite3.connect(uri, uri=True))


def _record(row: Row) -> _Record:
    text = json.dumps(list(vars(row).values()))
    return os.fsencode(row.path), row.offset, text, zlib.crc32(text.encode())


def _records(part: Path) -> Iterator[_Record]:
    with _opened(part) as base:
        yield from base.execute(_QUERY)


def _wanted(part: Path, keys: Collection[Key]) -> Iterator[tuple[Key, Row]]:
    """Yield the rows of some places."""
    # SQLite would say of any file that it cannot be opened, and take an empty one.
    with part.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it is no database")
    with _opened(part) as base:
        (count,) = base.execute("PRAGMA user_version").fetchone()
        records: Iterable[_Record] = base.execute(_QUERY)
        if _LOOK_UP * len(keys) < count:
            single = f"{_QUERY} WHERE path = ? AND start = ?"
            records = (record for key in keys for record in base.execute(single, key))
        for path, start, text, crc in records:
            if zlib.crc32(text.encode()) != crc:
                raise ValueError("a check sum is wrong")
            if (path, start) in keys:
                yield (path, start), Row(*json.loads(text))
