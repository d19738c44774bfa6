"""How far a loop is, told to a terminal, a notebook or a log file."""

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from tfpipeline.core import console

Item = TypeVar("Item")

# In a log file, a loop tells where it stands so often.
EVERY_SECONDS = 30.0


class Lines:
    """Progress for a pipe: a plain line now and then, and none in a short loop.

    Args:
        total: How many there are.
        title: Of the loop.
        unit: What is counted.
        initial: How many were done before.
        clock: Returns seconds.
    """

    def __init__(
        self,
        total: int | None,
        title: str,
        unit: str,
        initial: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n: float = initial
        self._total, self._title, self._unit = total, title, unit
        self._values = ""
        self._clock = clock
        self._began = self._told = clock()
        self._first = initial

    def update(self, n: float | None = 1) -> None:
        """Count some more, and say so where that is due.

        Args:
            n: How many.
        """
        self.n += n or 0
        now = self._clock()
        if now - self._told >= EVERY_SECONDS:
            self._told = now
            console.note(self._line(now))

    def _line(self, now: float) -> str:
        rate = (self.n - self._first) / (now - self._began)
        share = f"/{self._total} ({self.n / self._total:.0%})" if self._total else ""
        return (
            f"{self._title}: {self.n:g}{share}, {rate:.3g} {self._unit}/s{self._values}"
        )

    def set_postfix(self, ordered_dict: Any = None) -> None:
        """Show some values behind the count.

        Args:
            ordered_dict: Of text or numbers by name.
        """
        pairs = (ordered_dict or {}).items()
        self._values = "".join(f", {name} {value}" for name, value in pairs)

    def __enter__(self) -> "Lines":
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """End; how far it came is for those to say who asked for it."""


def bar(total: int | None, title: str | None, unit: str, *, initial: int = 0) -> Any:
    """Return what tells how far a loop is.

    In a terminal it is a bar; in a notebook a widget, or a bar of text where there are
    none; in a pipe or file a plain line every half a minute.

    Args:
        total: How many there are; None where nobody knows.
        title: Of the loop; None tells nothing.
        unit: What is counted, e.g. `image`.
        initial: How many were done before.

    Returns:
        A context as of tqdm: `n`, `update(n)` and `set_postfix(values)`.
    """
    if title is None or console.is_quiet():
        return tqdm(disable=True)
    told: dict[str, Any] = {
        "total": total,
        "desc": title,
        "unit": unit,
        "initial": initial,
    }
    if in_notebook():
        if importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm as widget

            return widget(**told)
        # There, stderr is shown on red.
        return tqdm(**told, file=sys.stdout)
    if sys.stderr.isatty():
        # A terminal that does not know its size, as in many a CI, says 0.
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
        size: dict[str, Any] = {
            "ncols": None if columns else 80,
            "nrows": None if lines else 24,
        }
        return tqdm(**told, **size)
    return Lines(total, title, unit, initial)


def over(
    items: Iterable[Item], title: str | None, unit: str, total: int | None = None
) -> Iterator[Item]:
    """Yield some items, and tell how far that is.

    Args:
        items: Any.
        title: As for `bar`.
        unit: Likewise.
        total: Likewise; the length of `items` where None, if they have one.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar(total, title, unit) as shown:
        for item in items:
            yield item
            shown.update()


def in_notebook() -> bool:
    """Tell whether this is the kernel of a notebook, of Jupyter, Colab or another."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
