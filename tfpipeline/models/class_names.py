"""The names of a network's classes: found, compared, and made into file names."""

import collections
import difflib
import itertools
import re
from collections.abc import Sequence
from functools import cached_property

from tfpipeline.core.errors import UserError


def normalize(name: str) -> str:
    """Return a name in lower case, with one space wherever words are separated."""
    return " ".join(re.split(r"[\s_-]+", name.casefold().strip()))


class ClassNames(tuple[str, ...]):
    """Names of all classes, in the order of the logits."""

    @cached_property
    def normalized(self) -> tuple[str, ...]:
        """All names as `normalize` returns them."""
        return tuple(map(normalize, self))

    @cached_property
    def unique(self) -> dict[str, int]:
        """The index of each normalized name that only one class has."""
        counts = collections.Counter(self.normalized)
        return {n: i for i, n in enumerate(self.normalized) if counts[n] == 1}

    def find(self, words: Sequence[str], flag: str) -> list[int]:
        """Return the indices of classes, named in any letter case or by number."""
        return [self._find(word, flag) for word in words]

    def _find(self, word: str, flag: str) -> int:
        if self.count(word) == 1:
            return self.index(word)
        name = normalize(word)
        if name in self.unique:
            return self.unique[name]
        if count := self.normalized.count(name):
            same = (str(i) for i, other in enumerate(self.normalized) if other == name)
            raise UserError(
                f"{flag} {word}: {count} classes have this name: {', '.join(same)}. "
                "Give the number of the one that you mean."
            )
        if re.fullmatch(r"[+-]?\d+", word):
            if len(word) < 10 and 0 <= int(word) < len(self):
                return int(word)
            raise UserError(
                f"{flag} {word}: expected a number from 0 to {len(self) - 1}, or a "
                "name."
            )
        near = " or ".join(map(repr, self.nearest(word)))
        hint = f" Did you mean {near}?" if near else ""
        raise UserError(
            f"{flag} {word}: none of the {len(self)} classes of this network has this "
            f"name.{hint}"
        )

    def nearest(self, word: str) -> list[str]:
        """Return three names at most that a user may have meant, best first."""
        name = normalize(word)
        known = dict(zip(self.normalized, self))
        close = difflib.get_close_matches(name, known, cutoff=0.75)
        # `cat` is to find `Siamese cat`, which is not close by letters.
        within = [other for other in known if name in other.split(" ")]
        loose = difflib.get_close_matches(name, known, cutoff=0.5)
        ordered = dict.fromkeys([*close, *within, *loose])
        return [known[other] for other in ordered][:3]

    def difference(self, other: Sequence[str], own: str, others: str) -> str:
        """Return a sentence on the first difference of two lists, empty if equal.

        In it, `own` (e.g. `the model`) has these names, and `others` the other ones.
        """
        for number, (mine, its) in enumerate(itertools.zip_longest(self, other)):
            if mine != its:
                return (
                    f"First difference, at number {number}: {own} has {mine!r}, "
                    f"{others} {its!r}."
                )
        return ""

    def is_reordered(self, other: Sequence[str]) -> bool:
        """Return whether two lists differ in order and letter case at most."""
        one, two = ({name.casefold() for name in names} for names in (self, other))
        return one == two and len(one) == len(self) == len(other)

    def slug(self, index: int) -> str:
        """Return a class's number and name as a file name: `284_siamese_cat`."""
        words = self.normalized[index].replace(" ", "_")
        safe = "".join(c for c in words if c.isascii() and (c.isalnum() or c == "_"))
        return "_".join(filter(None, (str(index), safe[:40])))
