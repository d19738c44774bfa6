"""What audits have found out about files, kept for those that come after.

Imports no TensorFlow: the files are read while it is still being imported.
"""

import contextlib
import errno
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfpipeline import atomic
from tfpipeline.errors import UserError

# A path and an offset.
Place = tuple[str, int]

# Of more files than these, reading makes one.
MOST_PARTS = 32


@dataclass(frozen=True)
class Row:
    """What the audit found out about one file.

    Args:
        path: Of the file.
        size: In bytes.
        mtime_ns: When it was last changed, as its owner says.
        ctime_ns: When it was last changed, as the system says: a copy keeps the other.
        sha256: Digest of its content; an empty string where it cannot be read.
        format: By its content: `jpeg`, `png`, ...; an empty string for no image.
        height: In pixels, as stored.
        width: In pixels, as stored.
        mode: Pillow's name for the kind of pixel.
        orientation: EXIF orientation, 1 to 8.
        reason: Why it cannot be used; an empty string where it can.
        warning: What the user may want to know though it can be used.
        perceptual_hash: Difference hash of 64 bits, as 16 hexadecimal digits.
        offset: Where the image begins in its file, in bytes.
        length: Of the image in bytes; 0 is the whole file.
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
    perceptual_hash: str = ""
    offset: int = 0
    length: int = 0

    @property
    def place(self) -> Place:
        """Which file it is, and where in it."""
        return self.path, self.offset


@dataclass(frozen=True)
class Ledger:
    """Rows that audits have kept, in files that are only added.

    Any number of processes may add to it at the same time, and what that costs does not
    depend on how much is there.

    Args:
        folder: Of the files. It need not exist yet.
    """

    folder: Path

    def read(self, *, joins: bool = True) -> dict[Place, Row]:
        """Return what was kept, the last of each place; damage is as good as nothing.

        Args:
            joins: Whether many files become one; what others add meanwhile stays as it
                is.
        """
        rows, failed = self._rows()
        found = {row.place: row for part in sorted(rows) for row in rows[part]}
        if joins and len(rows) > MOST_PARTS and not failed:
            with contextlib.suppress(UserError, OSError):
                # What was added since is found later, and read after it.
                # On the disk, before those that it was made of are gone.
                stamp = max(rows).name.partition("-")[0]
                self._write(stamp, list(found.values()), durable=True)
                for part in rows:
                    part.unlink(missing_ok=True)
        return found

    def _rows(self) -> tuple[dict[Path, list[Row]], bool]:
        """Return the rows of each file, and whether one is there that cannot be read.

        Where files vanish meanwhile, another process has made one of them, which is
        read as well.
        """
        rows: dict[Path, list[Row]] = {}
        gone: set[Path] = set()
        failed, again = False, True
        while again:
            again = False
            for part in set(self.folder.glob("[0-9]*.json")) - set(rows) - gone:
                try:
                    data = part.read_bytes()
                except OSError as error:
                    # The second is what a network drive says.
                    if error.errno in (errno.ENOENT, errno.ESTALE):
                        gone.add(part)
                        again = True
                        continue
                    failed, data = True, b""
                rows[part] = []
                with contextlib.suppress(ValueError, TypeError):
                    rows[part] = [Row(*values) for values in json.loads(data)]
        return rows, failed

    def add(self, rows: Sequence[Row]) -> None:
        """Keep some more.

        Args:
            rows: Of files that could be read.
        """
        if rows:
            # Named by the time, so that what was found last is read last.
            self._write(f"{time.time_ns():020d}", rows)

    def _write(self, stamp: str, rows: Sequence[Row], *, durable: bool = False) -> None:
        values = [list(vars(row).values()) for row in rows]
        name = f"{stamp}-{uuid.uuid4().hex[:8]}.json"
        # One that a power cut has torn is no JSON, and as good as not there.
        atomic.write_text(self.folder / name, json.dumps(values), durable=durable)
