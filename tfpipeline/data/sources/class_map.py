"""Which class a name of a source means: joined, renamed or dropped by the user's word.

The file is a CSV with the columns `class` and `new`. Several classes with one new name
become one; a class without a new name is dropped; what the file does not name stays.
"""

import csv
import functools
import hashlib
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError, suggest

FLAG = "--data.classes"

# Means every class that the file names in neither column.
OTHERS = "*"

# The last column is written by a run, and read where it is there.
HEADER = ("class", "new", "why")


def canonical(name: str) -> str:
    """Return a name in the one form (NFC) of all that Unicode counts as the same text.

    macOS writes names of files in another form than keyboards do.
    """
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class ClassMap:
    """From the class names of a source to those that are used.

    A new name is never mapped again, so that a map may be used twice, and on sources
    that have the new names already.

    Args:
        new: The new name by the old one; None drops the class.
        why: The reason by the name of a dropped class.
    """

    new: Mapping[str, str | None] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)

    def name(self, label: str) -> str | None:
        """Return what a class is called here; None where it is dropped."""
        label = canonical(label)
        if label in self.new:
            return self.new[label]
        others = OTHERS in self.new and label not in self._targets
        return self.new[OTHERS] if others else label

    def now(self, label: str) -> str | None:
        """Return what a name means that a file of an earlier run has for a class.

        As `name`, but what the source never had stays what it is: a slip of the pen.
        """
        label = canonical(label)
        return self.new.get(label, label)

    @functools.cached_property
    def _targets(self) -> frozenset[str | None]:
        return frozenset(self.new.values())

    @property
    def dropped(self) -> dict[str, str]:
        """The reason for which a class is dropped, by its name, in order."""
        names = sorted(n for n, new in self.new.items() if new is None and n != OTHERS)
        return {name: self.why.get(name, "") for name in names}

    @property
    def renamed(self) -> dict[str, str]:
        """The new name of each class that has another one, by the old one, in order."""
        pairs = sorted((n, new) for n, new in self.new.items() if new and n != OTHERS)
        return {name: new for name, new in pairs if name != new}

    @property
    def digest(self) -> str:
        """What two maps have in common that do the same; empty for one of nothing."""
        rows = sorted((name, new or "") for name, new in self.new.items())
        text = repr(rows).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:16] if rows else ""

    def resolve(self, labels: Iterable[str], reason: str) -> "ClassMap":
        """Return the same map, which names each of these classes that it changes.

        The `reason` is that of what is dropped without another.
        """
        names = map(canonical, labels)
        new = {**self.new, **{n: to for n in names if (to := self.name(n)) != n}}
        reason = self.why.get(OTHERS) or reason
        why = {n: self.why.get(n) or reason for n, to in new.items() if to is None}
        return ClassMap(new, why)

    def then(self, other: "ClassMap") -> "ClassMap":
        """Return the map that does first this, then the other."""
        new = {n: None if to is None else other.name(to) for n, to in self.new.items()}
        fate = {n: other.why.get(to, "") for n, to in self.new.items() if to}
        why = {n: reason for n, reason in fate.items() if new[n] is None}
        return ClassMap({**other.new, **new}, {**other.why, **why, **self.why})

    def write(self, path: Path) -> None:
        """Write the map as `read` reads it."""
        rows = [(n, to or "", self.why.get(n, "")) for n, to in self.new.items()]
        file_io.write_csv(path, HEADER, sorted(rows))


def dropping(why: Mapping[str, str]) -> ClassMap:
    """Return the map that drops classes, each for its reason."""
    return ClassMap(dict.fromkeys(why), why)


def read(file: Path, flag: str = FLAG) -> ClassMap:
    """Return the map that a CSV file holds."""
    try:
        rows = file_io.read_csv(file)
    except OSError as error:
        raise UserError(
            f"{flag} {file}: {error.strerror}. A run keeps a copy of what it used: "
            "classes.csv in its folder."
        ) from None
    if not rows or not set(HEADER[:2]) <= set(rows[0]):
        raise UserError(
            f"{flag} {file}: expected a CSV whose first line is class,new and that has "
            f"a line for each class to rename, to join or, without a new name, to "
            f"drop. Received: {', '.join(rows[0]) if rows else 'no such line'}."
        )
    new: dict[str, str | None] = {}
    why: dict[str, str] = {}
    for line, row in file_io.numbered(rows):
        name, to = canonical(row["class"]), canonical(row["new"].strip()) or None
        if not name:
            raise UserError(f"{flag} {file}: line {line} names no class.")
        if new.setdefault(name, to) != to:
            raise UserError(
                f"{flag} {file}: line {line}: {name!r} is listed twice, with "
                f"different new names. Keep one of the lines."
            )
        if to is None and row.get("why"):
            why[name] = row["why"]
    _check_chains(f"{flag} {file}", new)
    return ClassMap(new, why)


def _check_chains(where: str, new: Mapping[str, str | None]) -> None:
    """Refuse a name that would mean two things: an old class, and a new one."""
    for name, to in new.items():
        if to is not None and new.get(to, to) != to:
            then = f"renamed to {new[to]!r}" if new[to] else "dropped"
            raise UserError(
                f"{where}: {name!r} becomes {to!r}, which itself is {then}. Give "
                f"{name!r} its final name, or a name that no class has."
            )
    if OTHERS in new.values():
        raise UserError(
            f"{where}: {OTHERS} means all classes that the file does not name; as a "
            "new name, expected another."
        )


def check_known(where: str, class_map: ClassMap, labels: Sequence[str]) -> None:
    """Refuse a map of the user's that names a class which the source does not have."""
    known = {canonical(label) for label in labels}
    # What a run has written may name classes that are joined already.
    names = class_map.new.keys() - known - {OTHERS}
    if unknown := sorted(names - class_map.why.keys()):
        raise UserError(
            f"{where}: the source has no class {unknown[0]!r}."
            f"{suggest(unknown[0], labels)} Its classes: {shorten(sorted(known))}."
        )


def shorten(names: Sequence[str], most: int = 8, *, between: str = ", ") -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def as_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a CSV, quoted where they have to be."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().splitlines()
