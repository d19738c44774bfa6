"""Passes the lines of its standard input on, but for some, which it counts.

It is a process of its own, started by `jpeg_damage` as a script: it shows the last
words of one that aborts, and never waits for that one's threads. Its arguments are the
line that asks for the count, and the beginnings of lines to count. The count goes to
standard output, everything else to standard error. It ends when nobody can write to it.
"""

import os
import sys
from collections.abc import Sequence

# Of a line without an end, in bytes, that is waited for.
_MOST = 1 << 20


def run(asks: bytes, counted: Sequence[bytes]) -> None:
    """Pass on what comes until it ends."""
    rest, count, starts = b"", 0, tuple(counted)
    while data := os.read(0, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            # What stands before the question had no end.
            line, asked, _ = (line + b"\n").partition(asks)
            if line.startswith(starts):
                count += 1
            else:
                write(2, line)
            if asked:
                write(1, b"%d\n" % count)
        if len(rest) > _MOST:
            write(2, rest)
            rest = b""
    if not rest.startswith(starts):
        write(2, rest)


def write(descriptor: int, data: bytes) -> None:
    """Write all of it; where nobody reads it, nothing."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:
            return


if __name__ == "__main__":
    first, *others = (word.encode() for word in sys.argv[1:])
    run(first + b"\n", others)
