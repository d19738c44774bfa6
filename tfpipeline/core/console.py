"""What a command says and to whom: notes, closing words, a result as JSON."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tfpipeline.core import file_io

# Closing words fill no more of a terminal than this.
MOST_LINES = 10


@dataclass
class _Manner:
    """How this process speaks now.

    Args:
        quiet: Whether it says nothing but errors, and what was asked for.
        answers: Where its result goes as JSON; None where none was asked for.
    """

    quiet: bool = False
    answers: TextIO | None = None


_manner = _Manner()


@dataclass(frozen=True)
class Closing:
    """What a command says at its end, ten lines at most, alike for all of them.

    Args:
        done: What was done and what came out, in lines that are always shown.
        items: One result a line; as many as there is room for.
        careful: What to be careful of, a line each; they come before items.
        all_of_it: Name of the file that has what there was no room for.
        look: The page, file or folder to look at; None where there is none.
        then: What to do next, in lines that are always shown.
    """

    done: Sequence[str]
    items: Sequence[str] = ()
    careful: Sequence[str] = ()
    all_of_it: str = ""
    look: object = None
    then: Sequence[str] = ()

    def __str__(self) -> str:
        """Return the lines."""
        done = [line for words in self.done for line in words.strip().splitlines()]
        end = [] if self.look is None else [f"Look at {self.look}"]
        end += self.then
        room = MOST_LINES - len(done) - len(end)
        # One line at least says that there were items.
        careful = _cut(self.careful, room - bool(self.items), "", self.all_of_it)
        items = _cut(self.items, room - len(careful), "  ", self.all_of_it)
        return "\n".join([*done, *items, *careful, *end])


def _cut(lines: Sequence[str], room: int, indent: str, file: str) -> list[str]:
    """Return as many lines as there is room for; the last one counts the others."""
    if len(lines) <= max(room, 1):
        return [indent + line for line in lines]
    shown = [indent + line for line in lines[: max(room - 1, 0)]]
    where = f" in {file}" if file else ""
    return [*shown, f"{indent}... and {len(lines) - len(shown)} more{where}"]


def is_quiet() -> bool:
    """Tell whether nothing but errors, and what was asked for, is to be said."""
    return _manner.quiet


def is_json() -> bool:
    """Tell whether the result is to be printed as JSON, and nothing else to stdout."""
    return _manner.answers is not None


@contextlib.contextmanager
def speaking(*, quiet: bool = False, as_json: bool = False) -> Iterator[None]:
    """Speak in a certain manner inside the block.

    Args:
        quiet: Say nothing but errors, and what was asked for.
        as_json: Leave stdout to `answer`: what anything else prints there, in whatever
            language it is written, goes to stderr.
    """
    global _manner
    before = _manner
    with _apart() if as_json else contextlib.nullcontext() as answers:
        _manner = _Manner(quiet, answers)
        try:
            yield
        finally:
            _manner = before


@contextlib.contextmanager
def _apart() -> Iterator[TextIO]:
    """Lead stdout to stderr, but for the stream that is yielded."""
    out = sys.stdout
    out.flush()
    try:
        number = out.fileno()
    except (OSError, ValueError):
        number = -1
    with contextlib.redirect_stdout(sys.stderr):
        if number != 1:
            # Somebody catches what this process prints, e.g. a notebook.
            yield out
            return
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            with open(kept, "w", encoding="utf-8", closefd=False) as stream:
                yield stream
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """End the process where nobody reads any more what it prints, as by `| head -1`.

    That is no error: it ends without a word, as what SIGPIPE ends does.

    Raises:
        SystemExit: With code 141, which is 128 and the number of that signal.
    """
    streams = [s for s in (sys.stdout, sys.stderr) if s is not None]
    try:
        try:
            yield
        finally:
            # Not at the end of the interpreter, which would complain.
            for stream in streams:
                _flush(stream)
    except BrokenPipeError:
        unheard = list(filter(_has_no_reader, streams))
        if not unheard:
            # Another pipe of this process.
            raise
        nothing = os.open(os.devnull, os.O_WRONLY)
        for stream in unheard:
            # What is still to be written has to go somewhere.
            os.dup2(nothing, stream.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None


def _flush(stream: TextIO) -> None:
    """Write what is kept of a stream; a full disk was told when it was printed."""
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError:
        pass


def _has_no_reader(stream: TextIO) -> bool:
    """Tell whether a stream is a pipe whose other end is closed."""
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):
        poll.register(stream, 0)
        # A socket whose other end is closed hangs up.
        gone = select.POLLERR | select.POLLHUP
        return any(event & gone for _, event in poll.poll(0))
    return False


def note(text: str) -> None:
    """Say what is being done, beside the progress bars.

    Args:
        text: A line.
    """
    if not _manner.quiet:
        warn(text)


def warn(text: str) -> None:
    """Say that something went wrong, though the work goes on: however quiet it is.

    Args:
        text: A line.
    """
    bars = sys.modules.get("tqdm")
    # A bar that is being shown makes room for the line.
    apart = contextlib.nullcontext() if bars is None else _between(bars)
    with apart:
        print(text, file=sys.stderr, flush=True)


def end_badly(text: str) -> None:
    """Say why the work ends here.

    Args:
        text: For the user.
    """
    # The terminal has written ^C, and nothing behind it.
    gap = "\n" if sys.stderr.isatty() else ""
    warn(f"{gap}{text}")


def _between(bars: Any) -> contextlib.AbstractContextManager[Any]:
    shown: contextlib.AbstractContextManager[Any]
    shown = bars.tqdm.external_write_mode(file=sys.stderr)
    return shown


def close(closing: Closing | str, *, beside: bool = False) -> None:
    """Say the closing words: to stdout, or to stderr where that has something else.

    Args:
        closing: What to say.
        beside: Whether stdout has what was asked for, so that words would be in it.
    """
    if _manner.quiet:
        return
    # After a progress bar, a line is left free; nothing is read in a file.
    gap = "\n" if sys.stderr.isatty() and sys.stdout.isatty() else ""
    to = sys.stderr if beside or is_json() else sys.stdout
    print(f"{gap}{closing}", file=to, flush=True)


def product(text: str) -> None:
    """Print what was asked for to stdout, unless it is asked for as JSON.

    Args:
        text: All of it, with the line feed at its end.
    """
    if not is_json():
        print(text, end="", flush=True)


def answer(result: Any) -> None:
    """Print a result as JSON, where that was asked for.

    Args:
        result: Anything `json` can write; None is no result.
    """
    if _manner.answers is not None and result is not None:
        # Names of files that are no UTF-8 are escaped, as is all that is not ASCII.
        text = file_io.as_json(result, ascii_only=True)
        print(text, end="", file=_manner.answers, flush=True)


def written(folder: Path, page: Path | None) -> dict[str, str | None]:
    """Return where the files of a result lie, as a command that is asked for JSON says.

    Args:
        folder: Of the result.
        page: The page about it, if there is one.
    """
    return {"folder": str(folder), "page": None if page is None else str(page)}
