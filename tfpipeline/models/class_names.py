"""From what a user calls a class to its number."""

import difflib
import re
from collections.abc import Sequence

from tfpipeline.core.errors import UserError


def plain(name: str) -> str:
    """Return a name without letter case, and with one space where words are parted.

    Args:
        name: E.g. `Siamese_cat` or `siamese-cat`.
    """
    return " ".join(re.split(r"[\s_-]+", name.casefold().strip()))


def find(words: Sequence[str], labels: Sequence[str], flag: str) -> list[int]:
    """Return the numbers of some classes.

    Args:
        words: Names, in any letter case, or numbers.
        labels: Names of all classes, in the order of the logits.
        flag: What the user named them by.

    Raises:
        UserError: No class, or several, are called so.
    """
    known: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        known.setdefault(plain(label), []).append(index)
    return [_one(word, known, labels, flag) for word in words]


def _one(
    word: str, known: dict[str, list[int]], labels: Sequence[str], flag: str
) -> int:
    if list(labels).count(word) == 1:
        return list(labels).index(word)
    found = known.get(plain(word), [])
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(map(str, found))
        raise UserError(
            f"{flag} {word}: {len(found)} classes are called so: {numbers}. Give the "
            "number of the one that you mean."
        )
    if re.fullmatch(r"[+-]?\d+", word):
        if len(word) < 10 and 0 <= int(word) < len(labels):
            return int(word)
        raise UserError(
            f"{flag} {word}: expected a number from 0 to {len(labels) - 1}, or a name."
        )
    near = nearest(word, labels)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise UserError(
        f"{flag} {word}: none of the {len(labels)} classes of this network is called "
        f"so.{hint}"
    )


def nearest(word: str, labels: Sequence[str], most: int = 3) -> list[str]:
    """Return the class names that a user may have meant, best first.

    Args:
        word: What the user wrote.
        labels: Names of all classes.
        most: How many to return.
    """
    wanted = plain(word)
    by_name = {plain(label): label for label in labels}
    close = difflib.get_close_matches(wanted, by_name, n=most, cutoff=0.75)
    # `cat` is to find `Siamese cat`, which is not close by letters.
    within = [name for name in by_name if wanted in name.split(" ")]
    loose = difflib.get_close_matches(wanted, by_name, n=most, cutoff=0.5)
    ordered = dict.fromkeys([*close, *within, *loose])
    return [by_name[name] for name in ordered][:most]
