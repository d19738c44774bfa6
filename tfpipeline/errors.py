"""GROUND: the one exception that means "the user can mend this", and suggestions."""

import difflib
from collections.abc import Iterable, Mapping


class UserError(Exception):
    """Something the user can mend: shown as one message, exit code 2, no traceback.

    The message names the file or field, what was expected, what came, and what to do.
    """


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'X'?"`` for the nearest known name, or an empty string.

    Args:
        name: What the user wrote.
        known: The names that would have been accepted.

    Returns:
        A sentence with a leading space, ready to append to a message.
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that no table knows.

    Args:
        kind: What the name should have been, e.g. ``"backbone"``.
        name: What the user wrote.
        known: The names that would have been accepted.

    Returns:
        A `UserError` that lists the known names and suggests the nearest one.
    """
    names = sorted(known)
    return UserError(
        f"Unknown {kind} {name!r}.{suggest(name, names)} Known: {', '.join(names)}."
    )


def check_each(
    prefix: str, settings: object, expected: Mapping[str, tuple[str, bool]]
) -> None:
    """Refuse the first setting of a section that is not as it has to be.

    Args:
        prefix: Name of the section; empty for flags of no section.
        settings: The section.
        expected: What each setting has to be, in words, and whether it is.

    Raises:
        UserError: One is not.
    """
    for name, (words, fine) in expected.items():
        if not fine:
            raise UserError(
                f"--{prefix}{'.' if prefix else ''}{name}: expected {words}. Received: "
                f"{getattr(settings, name)}."
            )
