"""Ids of a list of any length, of which none may be there twice."""

import hashlib
import os
import tempfile
from typing import IO

import numpy as np

# So many are kept in memory, 80 MB of it, and told at once when they come again.
FIRST = 1_000_000

# Of those that may be there twice, so many are looked for.
_MOST = 1000

# What an id is beyond the first: 8 bytes on the disk.
_DTYPE = np.dtype("<u8")


class Ids:
    """Notes ids; a context, at whose end the file of those beyond the first is gone."""

    def __init__(self) -> None:
        self._first: set[bytes] = set()
        self._rest: IO[bytes] | None = None

    def __enter__(self) -> "Ids":
        return self

    def __exit__(self, *error: object) -> None:
        if self._rest is not None:
            self._rest.close()

    def add(self, name: str) -> bool:
        """Note an id; tell whether it was seen, as far as the first ones tell."""
        key = _key(name)
        if key in self._first:
            return True
        if len(self._first) < FIRST:
            self._first.add(key)
        else:
            if self._rest is None:
                self._rest = tempfile.TemporaryFile()
            self._rest.write(key[: _DTYPE.itemsize])
        return False

    def doubtful(self) -> set[int]:
        """Return the digests of ids that are there twice, or look so, some of them."""
        if self._rest is None:
            return set()
        self._rest.flush()
        # Sorted where it lies: the memory that it takes is the system's to take back.
        every = np.memmap(self._rest, _DTYPE, "r+")
        every.sort()
        found: set[int] = set()
        for start in range(0, len(every) - 1, FIRST):
            part = every[start : start + FIRST + 1]
            found.update(part[1:][part[1:] == part[:-1]][:_MOST].tolist())
            if len(found) >= _MOST:
                break
        return found


def digest(name: str) -> int:
    """Return a number of 64 bits for an id."""
    return int.from_bytes(_key(name)[: _DTYPE.itemsize], "little")


def _key(name: str) -> bytes:
    return hashlib.blake2b(os.fsencode(name), digest_size=12).digest()
