"""Features computed once, on disk, found again by the content of the image."""

import functools
import hashlib
import io
import mmap
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tfpipeline import atomic

# A shard is written when it has this many rows or this many seconds have gone by, so
# that a machine that dies costs little; Ctrl-C costs nothing.
SHARD_ROWS = 512
SHARD_SECONDS = 30.0

# Shards that are mapped into memory at a time.
MAPS = 128


def fingerprint(*parts: object) -> str:
    """Return a short name for everything that the features depend on, save the image.

    Args:
        parts: Digest of the weights, sizes, names: anything with a faithful `repr`.

    Returns:
        24 hexadecimal digits.
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


class FeatureCache:
    """Rows of features below one folder, each under the digest of its image.

    Shards are only ever added: a shard is a `.npy` array, and a `.keys` file that is
    renamed into place after it and so marks it as whole. What an interruption leaves
    behind is ignored; runs side by side may at worst compute a row twice. Rows are
    memory-mapped: memory does not grow with the number of images.

    Args:
        folder: Of one extractor; see `fingerprint`. Made when the first row comes.
        width: Length of a feature vector.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width
        self._shards: list[Path] = []
        # Each map holds a file open, and the system limits how many those are.
        self._map = functools.lru_cache(maxsize=MAPS)(self._map_shard)
        self._place: dict[str, tuple[int, int]] = {}
        for file in sorted(folder.glob("[!.]*.keys")):
            self._open(file)

    def _open(self, file: Path) -> None:
        """Map one shard; one that is damaged is left aside, to be computed again."""
        try:
            keys = file.read_text(encoding="ascii").split()
            rows = self._map_shard(file.with_suffix(".npy"))
        except (FileNotFoundError, ValueError, EOFError):
            return
        if rows.shape != (len(keys), self.width) or rows.dtype != np.float32:
            return
        for row, key in enumerate(keys):
            self._place.setdefault(key, (len(self._shards), row))
        self._shards.append(file.with_suffix(".npy"))

    @staticmethod
    def _map_shard(file: Path) -> np.ndarray:
        rows: np.ndarray = np.load(file, mmap_mode="r")
        return rows

    def missing(self, keys: Sequence[str]) -> np.ndarray:
        """Return where in `keys` a row has yet to be computed, each key once.

        Args:
            keys: Digests of images.

        Returns:
            Positions in `keys`, ascending, int64.
        """
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        wanted = [i for key, i in first.items() if key not in self._place]
        return np.array(sorted(wanted), np.int64)

    def fill(
        self,
        keys: Sequence[str],
        extract: Callable[[np.ndarray], Iterator[np.ndarray]],
    ) -> int:
        """Compute and keep the rows that are missing, shard by shard.

        Args:
            keys: Digests of images.
            extract: Takes positions in `keys` and yields their features in that order,
                in arrays of shape (any, width).

        Returns:
            How many rows were computed.
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
        with atomic.replacing(file.with_suffix(".npy")) as temporary:
            # Through memory: NumPy writes to files past Python, and where the disk is
            # full it raises an error without its number.
            buffer = io.BytesIO()
            np.save(buffer, rows)
            temporary.write_bytes(buffer.getbuffer())
        names = [keys[position] for position in positions[: len(rows)]]
        atomic.write_text(file, "\n".join(names) + "\n")
        self._open(file)

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Return the features of some images.

        Args:
            keys: Digests of images whose rows are there.

        Returns:
            float32, shape (len(keys), width).

        Raises:
            KeyError: A row is missing; call `fill` first.
        """
        places = np.array([self._place[key] for key in keys], np.int64).reshape(-1, 2)
        out = np.empty((len(keys), self.width), np.float32)
        for shard in np.unique(places[:, 0]):
            chosen = places[:, 0] == shard
            rows = self._map(self._shards[shard])
            out[chosen] = rows[places[chosen, 1]]
            if (pages := getattr(rows, "_mmap", None)) is not None:
                # They stay in the system's cache, but count as this process' no more.
                pages.madvise(mmap.MADV_DONTNEED)
        return out

    def batches(
        self, keys: Sequence[str], indices: np.ndarray, per_call: int
    ) -> Iterator[tuple[np.ndarray, slice]]:
        """Yield the features of whole batches, several at once.

        Args:
            keys: Digests of images.
            indices: Positions in `keys`, shape (batches, batch).
            per_call: Batches at once, at most.

        Yields:
            float32 of shape (some, batch, width), and which rows of `indices` they are.
        """
        for start in range(0, len(indices), per_call):
            part = slice(start, start + per_call)
            chosen = indices[part]
            rows = self.rows([keys[i] for i in chosen.ravel()])
            yield rows.reshape(*chosen.shape, self.width), part
