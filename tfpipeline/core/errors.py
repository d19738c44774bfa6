"""The one exception that means "the user can mend this", and suggestions."""

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class UserError(Exception):
    """Something the user can mend: shown as one message, exit code 2, no traceback.

    The message names the file or field, what was expected, what came, and what to do.
    """

    exit_code = 2


class TemporaryError(UserError):
    """What may go well when the same command is given again, with nothing mended."""

    # EX_TEMPFAIL of sysexits.h, by which schedulers can tell it from a mistake.
    exit_code = 75


class Incomplete(UserError):
    """Not all that was asked for was done: exit code 1; the rest is the result."""

    exit_code = 1

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


# Among more names, the nearest would take seconds to find.
MOST_KNOWN = 20_000


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'X'?"`` for the nearest known name, or nothing.

    Of a dotted name its last part may be enough.
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    if len(by_lower) > MOST_KNOWN:
        return ""
    flags = [n for n in reversed(by_lower) if n[:2] == "--"]
    lasts = {n.rpartition(".")[2].lstrip("-"): n for n in flags}
    last = name.lower().lstrip("-").rpartition(".")[2]
    close = difflib.get_close_matches(last, list(lasts), n=1, cutoff=0.75)
    if len(last) > 2 and name[:2] == "--" and not "".join(close).startswith(last):
        # An abbreviation is nearer to its whole word than a word as short as it.
        begun = [n for n in lasts if n.startswith(last)]
        close = sorted(begun, key=lambda n: (lasts[n].count("."), len(n)))[:1] or close
    near = [lasts[n] for n in close] or difflib.get_close_matches(
        name.lower(), list(by_lower), n=1, cutoff=0.5
    )
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name, e.g. of a `kind` "backbone", that no table knows."""
    names = sorted(known)
    return UserError(
        f"Unknown {kind} {name!r}.{suggest(name, names)} Known: {', '.join(names)}."
    )


def check_each(
    prefix: str, settings: object, expected: Mapping[str, tuple[str, bool]]
) -> None:
    """Refuse the first setting of a section `prefix`, or of none, that is wrong.

    `expected` holds by setting what it has to be in words, and whether it is.
    """
    for name, (words, fine) in expected.items():
        if not fine:
            raise UserError(
                f"--{prefix}{'.' if prefix else ''}{name}: expected {words}. Received: "
                f"{getattr(settings, name)}."
            )


@contextlib.contextmanager
def mendable() -> Iterator[None]:
    """Turn lack of memory, room or permission in the block into a `UserError`."""
    try:
        yield
    except MemoryError as error:
        raise UserError(
            f"Not enough memory: {error}. Lower --data.batch_size or "
            "--model.image_size."
        ) from error
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        if advice is None:
            raise
        where = error.filename or "writing"
        raise UserError(f"{where}: {error.strerror}. {advice}") from error


_ADVICE = {
    errno.ENOSPC: "Make room there and run the same command again.",
    errno.EDQUOT: "Make room in your quota and run the same command again.",
    errno.EACCES: "Ask for the permission, or name another folder.",
    errno.EROFS: "Name a folder that can be written.",
}
