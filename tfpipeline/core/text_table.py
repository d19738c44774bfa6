"""Tables in a terminal: aligned, in its width, and without what would control it."""

import shutil
import textwrap
import unicodedata
from collections.abc import Collection, Iterator, Sequence

# Between two columns, and in place of what was cut out of a cell.
_GAP, _CUT = "  ", "..."


def terminal_width() -> int:
    """Return the columns of the terminal that stdout is; 80 where nobody knows."""
    return shutil.get_terminal_size().columns


def printable(text: str) -> str:
    """Return a text whose control characters and lone surrogates are escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def cells(text: str) -> int:
    """Return how many cells of a terminal a printable text takes."""
    return sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shorten(text: str, most: int) -> str:
    """Return a text of at most so many cells, cut in the middle.

    More is kept of its end, where names of files differ.
    """
    if cells(text) <= most:
        return text
    room = max(0, most - len(_CUT))
    head = _begin(text, room // 3)
    tail = _begin(text[::-1], room - cells(head))[::-1]
    return _begin(f"{head}{_CUT}{tail}", max(most, 0))


def _begin(text: str, most: int) -> str:
    """Return as much of the beginning of a text as so many cells hold."""
    end, used = 0, 0
    for letter in text:
        used += _cells(letter)
        if used > most:
            break
        end += 1
    return text[:end]


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    most: int,
    right: Collection[str] = (),
) -> str:
    """Return lines of aligned cells, none of them wider than a terminal.

    Where there is no room, the widest columns are cut first.

    Args:
        header: Names of the columns.
        rows: Cells; the last one of a row with fewer of them takes the room of all that
            are missing, in several lines where it is long.
        most: Columns of the terminal.
        right: Names of the columns that are aligned at their right.
    """
    plain = [[printable(cell) for cell in row] for row in rows]
    widths = [cells(name) for name in header]
    for row in plain:
        own = row if len(row) == len(header) else row[:-1]
        for i, cell in enumerate(own):
            widths[i] = max(widths[i], cells(cell))
    while sum(widths) > max(most - len(_GAP) * (len(widths) - 1), len(widths)):
        widths[widths.index(max(widths))] -= 1
    ends = [name in right for name in header]
    lines = (
        line
        for row in [header, *plain]
        for line in (
            [_line(row, widths, ends)]
            if len(row) == len(header)
            else _spanning(row, widths, ends, most)
        )
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int], ends: Sequence[bool]) -> str:
    parts = []
    for cell, width, at_right in zip(row, widths, ends):
        short = shorten(cell, width)
        space = " " * (width - cells(short))
        parts.append(space + short if at_right else short + space)
    return _GAP.join(parts)


def _spanning(
    row: Sequence[str], widths: Sequence[int], ends: Sequence[bool], most: int
) -> Iterator[str]:
    """Yield the lines of a row whose last cell takes the room of several."""
    begin = _line(row[:-1], widths, ends) + _GAP if row[:-1] else ""
    room = max(1, most - cells(begin))
    if cells(row[-1]) > len(row[-1]):  # Lines are broken by letters.
        room = max(1, room // 2)
    for line in textwrap.wrap(row[-1], room) or [""]:
        yield begin + line
        begin = " " * cells(begin)
