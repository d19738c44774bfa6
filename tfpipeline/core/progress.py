"""How far a loop is, shown in a terminal, a notebook or a log file."""

import contextlib
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from tfpipeline.core import console

Item = TypeVar("Item")

# What takes longer, without a bar of its own, is shown with a clock.
PATIENCE_SECONDS = 3.0

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
        return tqdm(total=total, **options, **_size())
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


def _size() -> dict[str, Any]:
    """Return how large the terminal is; one that does not know, as in a CI, says 0."""
    columns = lines = 0
    with contextlib.suppress(OSError):  # No terminal any more, since somebody looked.
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    return {"ncols": None if columns else 80, "nrows": None if lines else 24}


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


@contextlib.contextmanager
def waiting(title: str) -> Iterator[None]:
    """Show a clock in a terminal or notebook where the block is long and shows nothing.

    Args:
        title: What is being done.
    """
    if console.is_quiet() or not (in_notebook() or sys.stderr.isatty()):
        yield
        return
    over = threading.Event()
    clock = threading.Thread(target=_tick, args=(title, over), daemon=True)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join()


def _tick(title: str, over: threading.Event) -> None:
    """Show the seconds until something is over, or shows a bar of its own."""
    shown: Any = None
    started = time.time()
    until = PATIENCE_SECONDS
    while not over.wait(until):
        until, notebook = 1.0, in_notebook()
        if not (notebook or sys.stderr.isatty()):
            continue  # It is set aside meanwhile, as by `startup.quiet_start`.
        with tqdm.get_lock():  # type: ignore[no-untyped-call]
            bars = [*getattr(tqdm, "_instances", ())]
        others = [bar for bar in bars if bar is not shown]
        if others and shown is not None:
            shown.close()
            shown = None
        elif not others and shown is None:
            shown = tqdm(
                desc=title,
                file=sys.stdout if notebook else sys.stderr,
                bar_format="{desc}: {elapsed}",
                leave=False,
                **({} if notebook else _size()),
            )
            shown.start_t = started
        elif shown is not None:
            shown.refresh()
    if shown is not None:
        shown.close()


def in_notebook() -> bool:
    """Tell whether this is the kernel of a notebook, of Jupyter, Colab or another."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
