"""What a command prints and where: notes, summaries, a result as JSON."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tfpipeline.core import file_io
from tfpipeline.core.stores import Place

# A summary fills no more of a terminal than this.
MOST_LINES = 10


class _Mode(NamedTuple):
    quiet: bool
    answers: TextIO | None  # Where the result goes as JSON.
    said: set[str]  # What is not said twice.
    gathers: list[str] | None = None  # What `warn_once` is given, instead of saying it.


_mode = _Mode(False, None, set())


@dataclass(frozen=True)
class Closing:
    """The summary that a command ends with, ten lines at most."""

    done: Sequence[str]  # What was done and what came out; always shown.
    items: Sequence[str] = ()  # One result a line; as many as there is room for.
    careful: Sequence[str] = ()  # Warnings, a line each; they get room before items.
    all_of_it: str = ""  # The file that has what there was no room for.
    look: object = None  # The page, file or folder to look at, if any.
    then: Sequence[str] = ()  # What to do next; always shown.

    def __str__(self) -> str:
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
    """Tell whether nothing but errors, warnings and the result is to be printed."""
    return _mode.quiet


def is_terminal() -> bool:
    """Tell whether stdout is a terminal, and what is printed there for people."""
    return _mode.answers is None and sys.stdout.isatty()


@contextlib.contextmanager
def set_mode(*, quiet: bool = False, as_json: bool = False) -> Iterator[None]:
    """Print only errors, warnings and the result inside the block, or that as JSON.

    Stdout is then left to `answer`: what anything else prints there, in whatever
    language it is written, goes to stderr.
    """
    global _mode
    before = _mode
    with _stdout_to_stderr() if as_json else contextlib.nullcontext() as answers:
        _mode = _Mode(quiet, answers, set())
        try:
            yield
        finally:
            _mode = before


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[TextIO]:
    """Redirect stdout to stderr, but for the stream that is yielded."""
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

    That is no error: it ends without a word and with code 141, as SIGPIPE ends it.
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
    """Flush a stream; a full disk was reported when it was printed."""
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
    """Print a line on what is being done to stderr, beside the progress bars."""
    if not _mode.quiet:
        warn(text)


def note_once(text: str) -> None:
    """Do what `note` does, but for what the same command has said before."""
    if text not in _mode.said:
        _mode.said.add(text)
        note(text)


def warn(text: str) -> None:
    """Print a line to stderr however quiet it is: something went wrong."""
    bars = sys.modules.get("tqdm")
    apart: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if bars is not None:
        # A bar that is being shown makes room for the line.
        apart = bars.tqdm.external_write_mode(file=sys.stderr)
    with apart:
        print(text, file=sys.stderr, flush=True)


def warn_once(text: str) -> None:
    """Do what `warn` does, but for what the same command has said before."""
    if text not in _mode.said:
        _mode.said.add(text)
        if _mode.gathers is None or _mode.quiet:
            warn(text)
        if _mode.gathers is not None:
            _mode.gathers.append(text)


@contextlib.contextmanager
def gathered() -> Iterator[list[str]]:
    """Gather what `warn_once` is given inside the block, to be said with other things.

    Where the block ends by an error, it is said at once; and where all is quiet, and
    those other things are not said, as soon as it is given.
    """
    global _mode
    before, texts = _mode, list[str]()
    _mode = _mode._replace(gathers=texts)
    try:
        yield texts
    except BaseException:
        for text in () if before.quiet else texts:
            warn(text)
        raise
    finally:
        _mode = before


def end_badly(text: str) -> None:
    """Print why the work ends here."""
    # The terminal has written ^C, and nothing behind it.
    gap = "\n" if sys.stderr.isatty() else ""
    warn(f"{gap}{text}")


def close(closing: Closing | str, *, beside: bool = False) -> None:
    """Print the summary; to stderr where words on stdout would be in the result."""
    if _mode.quiet:
        return
    # After a progress bar, a line is left free; nothing is read in a file.
    gap = "\n" if sys.stderr.isatty() and sys.stdout.isatty() else ""
    to = sys.stderr if beside or _mode.answers is not None else sys.stdout
    print(f"{gap}{closing}", file=to, flush=True)


def table(text: str) -> None:
    """Print what a summary has no room for to stdout; not where a program listens."""
    if not _mode.quiet and _mode.answers is None:
        gap = "\n" if sys.stderr.isatty() and sys.stdout.isatty() else ""
        print(f"{gap}{text}", file=sys.stdout, flush=True, end="")


def product(text: str) -> None:
    """Print the result to stdout, unless it is asked for as JSON."""
    if _mode.answers is None:
        print(text, end="", flush=True)


def answer(result: Any) -> None:
    """Print the result as JSON, where that was asked for; None is no result."""
    if _mode.answers is not None and result is not None:
        # Names of files that are no UTF-8 are escaped, as is all that is not ASCII.
        text = file_io.as_json(result, ascii_only=True)
        print(text, end="", file=_mode.answers, flush=True)


def written(folder: Path | Place, page: Path | Place | None) -> dict[str, str | None]:
    """Return where the files of a result lie, for a command's JSON."""
    return {"folder": str(folder), "page": None if page is None else str(page)}
