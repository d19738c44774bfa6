"""How far a loop is, shown in a terminal, a notebook or a log file."""

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from tfpipeline.core import console

Item = TypeVar("Item")

# In a log file, a loop reports how far it is so often.
EVERY_SECONDS = 30.0


class _Lines:
    """A file for tqdm in which each state of a bar is a line of its own."""

    def write(self, text: str) -> None:
        # Of a bar within a bar, tqdm moves the cursor.
        if line := text.replace("\x1b[A", "").strip():
            console.note(line)


class _LogBar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # No thread: it would have nothing to do here.


def bar(total: int | None, title: str | None, unit: str, *, initial: int = 0) -> Any:
    """Return a bar of tqdm: `n`, `update(n)`, `set_postfix(values)`, and a context.

    In a terminal it is a bar; in a notebook a widget, or a bar of text where there are
    none; in a pipe or file a plain line every half a minute.

    Args:
        total: How many there are; None where nobody knows.
        title: Of the loop; None shows nothing.
        unit: What is counted, e.g. `image`.
        initial: How many were done before.
    """
    if title is None or console.is_quiet():
        return tqdm(disable=True)
    options: dict[str, Any] = {"desc": title, "unit": unit, "initial": initial}
    if in_notebook():
        if importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm as widget

            return widget(total=total, **options)
        # There, stderr is shown on red.
        return tqdm(total=total, **options, file=sys.stdout)
    if sys.stderr.isatty():
        # A terminal that does not know its size, as in many a CI, says 0.
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
        options |= {"ncols": None if columns else 80, "nrows": None if lines else 24}
        return tqdm(total=total, **options)
    count = "{n_fmt}/{total_fmt} ({percentage:.0f}%)" if total else "{n_fmt}"
    return _LogBar(
        total=total,
        **options,
        file=_Lines(),
        bar_format="{desc}: " + count + ", {rate_noinv:.3g} {unit}/s{postfix}",
        delay=EVERY_SECONDS,  # None in a short loop.
        mininterval=EVERY_SECONDS,
        miniters=1,
        smoothing=0,
        leave=False,
    )


def over(
    items: Iterable[Item], title: str | None, unit: str, total: int | None = None
) -> Iterator[Item]:
    """Yield some items, and show how far that is; for the arguments see `bar`."""
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
