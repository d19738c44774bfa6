"""What a user says of single examples: keep it, rename it, leave it out."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline.core import console, file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.class_map import shorten
from tfpipeline.data.sources.csv_file import read_table

ACTIONS = ("keep", "relabel", "drop")

# How what a spreadsheet computes begins.
_FORMULA = ("=", "+", "-", "@")

HEADER = ("id", "label", "action", "new_label")


@dataclass(frozen=True)
class Corrections:
    """What is to be done with single examples, by their ids."""

    relabelled: dict[str, int]
    dropped: frozenset[str]
    kept: int = 0
    before: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many examples each action was said of, by its name."""
        numbers = (self.kept, len(self.relabelled), len(self.dropped))
        return dict(zip(ACTIONS, numbers))

    def left(self, source: Source) -> np.ndarray:
        """Return the indices of the examples that are not dropped, ascending, int64."""
        return np.flatnonzero([name not in self.dropped for name in source.ids])

    def relabel(self, source: Source) -> Source:
        """Return the same examples with the classes that were corrected."""
        if not self.relabelled:
            return source
        pairs = zip(source.ids, source.label)
        label = [self.relabelled.get(name, before) for name, before in pairs]
        return dataclasses.replace(source, label=np.array(label, np.int32))

    def write(self, path: Path, labels: tuple[str, ...]) -> None:
        """Write what was done with which example, as `read` reads it."""
        rows = [
            (name, labels[self.before[name]], "relabel", labels[new])
            for name, new in self.relabelled.items()
        ]
        rows += [(name, "", "drop", "") for name in sorted(self.dropped)]
        file_io.write_csv(path, HEADER, rows)


NONE = Corrections({}, frozenset())


def read(file: Path, source: Source, unusable: Collection[str] = ()) -> Corrections:
    """Return what an edited `cleaning.csv` says of the examples of a source.

    Of those that are `unusable`, and of dropped classes, nothing need be done. The file
    may be from before classes were renamed; what it moves to a dropped one is dropped.
    """
    flag, columns = "--data.corrections", ("id", "action")
    rows = read_table(flag, file, columns, "new_label", like="cleaning.csv")
    position = {name: i for i, name in enumerate(source.ids)}
    actions: dict[str, tuple[str, str]] = {}
    corrections = Corrections({}, frozenset())
    kept = 0
    gone: list[str] = []
    for line, row in file_io.numbered(rows):
        row = {key: plain(value) for key, value in row.items()}
        where, name = f"{flag} {file}: line {line}", row["id"]
        action, new = row["action"].strip().lower(), row.get("new_label", "").strip()
        if action and action not in ACTIONS:
            raise UserError(
                f"{where}: expected an action of {', '.join(ACTIONS)}, or none. "
                f"Received: {row['action']!r}.{suggest(action, ACTIONS)}"
            )
        if not action or name in unusable:
            continue
        if name in source.dropped:
            gone += [name] if action == "relabel" else []
            continue
        if action == "relabel":
            targets.expect(
                *(source.target, f"{where}: the action relabel"),
                "Mend the label in the source, and say keep or drop here.",
                (targets.SINGLE,),
            )
        if action == "relabel" and new:
            now = source.class_map.now(new)
            action, new = ("drop", "") if now is None else (action, now)
        if name not in position:
            raise UserError(
                f"{where}: {source.name} has no example {name!r}."
                f"{suggest(name, source.ids)} Remove the row, or correct its id."
            )
        if actions.setdefault(name, (action, new)) != (action, new):
            raise UserError(
                f"{where}: {name!r} is listed twice, with different actions. Keep one "
                f"of the rows."
            )
        kept += action == "keep"
        if action == "relabel":
            before = int(source.label[position[name]])
            _check_labels(where, row, new, source.labels[before], source)
            corrections.relabelled[name] = source.labels.index(new)
            corrections.before[name] = before
    if gone:
        console.warn_once(
            f"{flag} {file}: images to relabel that are of dropped classes stay "
            f"dropped: {shorten(gone)}"
        )
    dropped = frozenset(
        name for name, (action, _) in actions.items() if action == "drop"
    )
    return dataclasses.replace(corrections, dropped=dropped, kept=kept)


def _check_labels(
    where: str, row: dict[str, str], new: str, before: str, source: Source
) -> None:
    """Refuse a new label that is no class, and an example that is not what it was."""
    if not new:
        raise UserError(
            f"{where}: expected a new_label beside the action relabel. Write the "
            "name of a class there."
        )
    if new not in source.labels:
        known = ", ".join((*source.labels[:8], *(["..."] * (len(source.labels) > 8))))
        raise UserError(
            f"{where}: {source.name} has no class {new!r}."
            f"{suggest(new, source.labels)} Its classes: {known}."
        )
    # What was relabelled by an earlier correction may stand in the file as it is now.
    label = row.get("label", "")
    if label and source.class_map.now(label) not in (before, new):
        raise UserError(
            f"{where}: {row['id']!r} is {row['label']!r} there, but {before!r} in the "
            "source. The file belongs to other images, or their folders have changed "
            "since."
        )


def cell(text: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def plain(text: str) -> str:
    """Return what `cell` was given."""
    return text[1:] if text.startswith(tuple(f"'{sign}" for sign in _FORMULA)) else text
