"""Features computed once, on disk, found again by the content of the image."""

import contextlib
import hashlib
import io
import itertools
import operator
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import console, file_io
from tfpipeline.core.errors import UserError

# A shard is written when it has this many rows or this many seconds have gone by, so
# that a machine that dies costs little; Ctrl-C costs nothing.
SHARD_ROWS = 512
SHARD_SECONDS = 30.0

# Bytes of a shard that are in memory while its checksum is made.
_CHUNK_BYTES = 2**20


def fingerprint(*parts: object) -> str:
    """Return a short name for everything that features depend on, save the image."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _is_whole(file: Path) -> bool | None:
    """Return whether a shard has the checksum of its `.keys`; None if unreadable."""
    actual = 0
    try:
        checksum, text = file.read_bytes().split(b"\n", 1)
        with open(file.with_suffix(".npy"), "rb", buffering=0) as array:
            while part := array.read(_CHUNK_BYTES):
                actual = zlib.crc32(part, actual)
    except (FileNotFoundError, ValueError):
        return False
    except OSError:
        return None
    return checksum == b"%08x" % zlib.crc32(text, actual)


class FeatureCache:
    """Rows of features below one folder, each under the digest of its image.

    Shards are only ever added: a shard is a `.npy` array, and a `.keys` file that is
    renamed into place after it and so marks it as whole. Its first line is a checksum
    of both: a shard that a power cut has torn is removed and computed again. What an
    interruption leaves behind is ignored; runs side by side may at worst compute a row
    twice. Rows are read from their places in the files when they are asked for: memory
    holds the places alone, and no file stays open.

    Args:
        folder: Of one extractor; see `fingerprint`. Made when the first row comes.
        width: Length of a feature vector.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        # Files whose checksum is right, and those that are not what was written.
        self._proven: set[Path] = set()
        self._damaged: set[Path] = set()
        self._reported: set[Path] = set()
        self._find()

    def _find(self) -> None:
        """Find the rows of all shards."""
        # Each file, and where in it the first row begins.
        self._shards: list[tuple[Path, int]] = []
        self._place: dict[str, tuple[int, int]] = {}
        for file in sorted(self.folder.glob("[!.]*.keys")):
            if file not in self._damaged:
                self._open(file)

    def _open(self, file: Path) -> None:
        """Find the rows of a shard; a damaged one is skipped and computed again."""
        try:
            _, *keys = file.read_text(encoding="ascii").split()
            rows = np.load(file.with_suffix(".npy"), mmap_mode="r")
        except OSError:
            return
        except (ValueError, EOFError):
            self._damaged.add(file)
            return
        whole = rows.shape == (len(keys), self.width) and rows.dtype == np.float32
        if not (whole and isinstance(rows, np.memmap) and rows.flags.c_contiguous):
            self._damaged.add(file)
            return
        for row, key in enumerate(keys):
            self._place.setdefault(key, (len(self._shards), row))
        self._shards.append((file.with_suffix(".npy"), rows.offset))

    def _prove(self, keys: Sequence[str]) -> None:
        """Remove damaged shards; those of some rows are read for it, once."""
        unread: set[Path] = set()
        while True:
            shards = {self._place[key][0] for key in keys if key in self._place}
            files = {self._shards[shard][0].with_suffix(".keys") for shard in shards}
            whole = {file: _is_whole(file) for file in files - self._proven}
            torn = {file for file, fine in whole.items() if not fine}
            unread |= {file for file, fine in whole.items() if fine is None}
            self._proven |= files - torn
            self._damaged |= torn
            if not torn:
                break
            # Another shard may have the same rows.
            self._find()
        if not (new := self._damaged - self._reported):
            return
        console.warn(
            f"{self.folder}: {len(new)} shards of features are damaged, or of an "
            "earlier version; their features are computed again."
        )
        self._reported |= new
        # One that cannot be read now may be sound, and another user's stays.
        for file in new - unread:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
                file.with_suffix(".npy").unlink(missing_ok=True)

    def missing(self, keys: Sequence[str]) -> np.ndarray:
        """Return the positions in `keys` that have no row yet, each key once."""
        self._prove(keys)
        return self.lacking(keys)

    def lacking(self, keys: Sequence[str]) -> np.ndarray:
        """Do what `missing` does, damage not looked for."""
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        new = [i for key, i in first.items() if key not in self._place]
        return np.array(sorted(new), np.int64)

    def fill(
        self,
        keys: Sequence[str],
        extract: Callable[[np.ndarray], Iterator[np.ndarray]],
    ) -> int:
        """Compute and keep the rows that are missing; return how many those are.

        Args:
            keys: Digests of images.
            extract: Takes positions in `keys` and yields their features in that order,
                in arrays of shape (any, width).
        """
        positions = self.missing(keys)
        if not len(positions):
            return 0
        waiting: list[np.ndarray] = []
        done, since = 0, time.monotonic()
        try:
            for rows in extract(positions):
                waiting.append(np.asarray(rows, np.float32))
                late = time.monotonic() - since > SHARD_SECONDS
                if late or sum(map(len, waiting)) >= SHARD_ROWS:
                    # Taken out before they are written: Ctrl-C may come between any
                    # two steps, and no row may be written under another's key.
                    ready, first = waiting, done
                    waiting, since = [], time.monotonic()
                    done = first + sum(map(len, ready))
                    self._add(keys, positions[first:done], ready)
        finally:
            if waiting:
                self._add(keys, positions[done:], waiting)
                done += sum(map(len, waiting))
        return done

    def _add(
        self, keys: Sequence[str], positions: np.ndarray, parts: list[np.ndarray]
    ) -> None:
        """Write rows as one shard, under the keys at the positions."""
        rows = np.concatenate(parts)
        file = self.folder / f"{uuid.uuid4().hex}.keys"
        # Through memory: NumPy writes to files past Python, and where the disk is full
        # it raises an error without its number.
        buffer = io.BytesIO()
        np.save(buffer, rows)
        array = buffer.getbuffer()
        names = [keys[position] for position in positions[: len(rows)]]
        text = "".join(f"{name}\n" for name in names)
        checksum = zlib.crc32(text.encode("ascii"), zlib.crc32(array))
        file_io.write_bytes(file.with_suffix(".npy"), array, durable=False)
        file_io.write_text(file, f"{checksum:08x}\n{text}", durable=False)
        self._proven.add(file)
        self._open(file)

    def visit(self, keys: Sequence[Any]) -> np.ndarray:
        """Return the places of keys in the order in which rows are read best."""
        return np.arange(len(keys))

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Return the features of images, float32, shape (len(keys), width).

        Raises:
            KeyError: A row is missing; call `fill` first.
            UserError: A file has been removed or cut since it was found.
        """
        places: list[tuple[int, int, int]] = sorted(
            (*self._place[key], i) for i, key in enumerate(keys)
        )
        out = np.empty((len(keys), self.width), np.float32)
        for shard, own in itertools.groupby(places, operator.itemgetter(0)):
            file, start = self._shards[shard]
            self._read(file, start, out, own)
        return out

    def _read(
        self,
        file: Path,
        start: int,
        out: np.ndarray,
        places: Iterable[tuple[int, int, int]],
    ) -> None:
        """Read rows of one shard, by their places in it, into their places in `out`."""
        size = out.itemsize * self.width
        try:
            with open(file, "rb", buffering=0) as shard:
                for _, row, i in places:
                    shard.seek(start + size * row)
                    rest = memoryview(out[i]).cast("B")
                    # A network drive may give less at a time.
                    while rest:
                        if not (count := shard.readinto(rest)):
                            raise EOFError
                        rest = rest[count:]
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or "it is shorter than it was"
            raise UserError(
                f"{file}: features cannot be read any more: {reason}. Run the same "
                f"command again: missing features are computed again."
            ) from None

    def batches(
        self, keys: Sequence[str], indices: np.ndarray, per_call: int
    ) -> Iterator[tuple[np.ndarray, slice]]:
        """Yield the features of whole batches, `per_call` of them at once at most.

        Args:
            keys: Digests of images.
            indices: Positions in `keys`, shape (batches, batch).

        Yields:
            float32 of shape (any, batch, width), and which rows of `indices` they are.
        """
        for start in range(0, len(indices), per_call):
            part = slice(start, start + per_call)
            chosen = indices[part]
            rows = self.rows([keys[i] for i in chosen.ravel()])
            yield rows.reshape(*chosen.shape, self.width), part


class SplitCache(FeatureCache):
    """Rows of two caches of one width: each image is in one of them.

    Args:
        first: Of all images but those that are held out.
        second: Of those.
        held: Their digests.
    """

    def __init__(
        self, first: FeatureCache, second: FeatureCache, held: set[str]
    ) -> None:
        self.folder, self.width = first.folder, first.width
        self._parts, self._held = (first, second), held

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Return the features of images, float32, shape (len(keys), width)."""
        out = np.empty((len(keys), self.width), np.float32)
        is_held = np.array([key in self._held for key in keys], bool)
        for cache, here in zip(self._parts, (~is_held, is_held)):
            places = np.flatnonzero(here).tolist()
            out[places] = cache.rows([keys[i] for i in places])
        return out
