"""Objects by their numbers, for what can carry numbers alone."""

import itertools
import weakref
from typing import Generic, SupportsInt, TypeVar

_T = TypeVar("_T")


class Numbered(Generic[_T]):
    """Gives objects numbers, by which they are found as long as anything keeps them.

    TensorFlow keeps every function of every pipeline until the process ends, and what
    such a function calls: a number keeps nothing, and one function does for all.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._found: weakref.WeakValueDictionary[int, _T] = (
            weakref.WeakValueDictionary()
        )

    def add(self, one: _T) -> int:
        """Return the number of an object from now on."""
        number = next(self._numbers)
        self._found[number] = one
        return number

    def of(self, number: SupportsInt) -> _T:
        """Return the object of a number.

        Raises:
            ReferenceError: Nothing has kept it.
        """
        if (one := self._found.get(int(number))) is None:
            raise ReferenceError("the pipeline has ended")
        return one
