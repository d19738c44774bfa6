"""Columns of many rows without a Python object for each value."""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np

_T = TypeVar("_T")

# If the longest text has more letters than so many usual ones, an array that has room
# for it in each row would be larger than the texts themselves.
_USUAL = 3


class Column(Sequence[_T], Generic[_T]):
    """Values that are made when they are asked for, of rows of other sequences.

    Args:
        make: From a value of each of the others to the own one.
        others: Of one length.
    """

    def __init__(
        self, make: Callable[..., _T], *others: Sequence[Any] | np.ndarray
    ) -> None:
        self._make, self.others = make, others

    def __len__(self) -> int:
        return len(self.others[0])

    @overload
    def __getitem__(self, index: int) -> _T: ...

    @overload
    def __getitem__(self, index: slice) -> "Column[_T]": ...

    def __getitem__(self, index: int | slice) -> "_T | Column[_T]":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self._make(*(other[index] for other in self.others))

    def __iter__(self) -> Iterator[_T]:
        return map(self._make, *self.others)

    def __eq__(self, other: object) -> bool:
        """Tell whether another column has the same values."""
        if not isinstance(other, Column):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return all values: what is told apart by its text has the same one again."""
        return f"Column({list(self)!r})"

    def take(self, indices: np.ndarray) -> "Column[_T]":
        """Return the values at some places, in their order."""
        others = (
            other[indices] if isinstance(other, np.ndarray) else taken(other, indices)
            for other in self.others
        )
        return Column(self._make, *others)


def texts(values: Sequence[str]) -> Sequence[str]:
    """Return the same texts, in one array if they are of about one length."""
    return joined([encoded(values)])


def encoded(values: Sequence[str]) -> np.ndarray:
    """Return texts as bytes in one array, as wide as the longest."""
    return np.array([v.encode("utf-8", "surrogateescape") for v in values], "S")


def joined(parts: Sequence[np.ndarray]) -> Sequence[str]:
    """Return the texts of several arrays of bytes, in their order."""
    count = sum(map(len, parts))
    widest = max((part.itemsize for part in parts), default=1)
    # Each array has its own width, which stands for what its texts have.
    if widest * count > _USUAL * sum(part.nbytes for part in parts):
        return [_decoded(value) for part in parts for value in part.tolist()]
    return _Texts(np.concatenate(parts))


class _Texts(Column[str]):
    """Texts in one array of bytes."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(_decoded, array)
        self._array = array

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 4096):
            yield from map(_decoded, self._array[start : start + 4096].tolist())

    def take(self, indices: np.ndarray) -> Column[str]:
        """Return the texts at some places, in their order."""
        return _Texts(self._array[indices])


def _decoded(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def taken(values: Sequence[_T], indices: np.ndarray) -> Sequence[_T]:
    """Return the values at some places, in their order: of a column as a column."""
    if isinstance(values, Column):
        return values.take(indices)
    return tuple(values[i] for i in indices)
