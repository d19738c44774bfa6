"""What a user says of single examples: keep it, rename it, leave it out."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources.base import Source

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
        stays = [name not in self.dropped for name in source.ids]
        return np.flatnonzero(stays)

    def relabel(self, source: Source) -> Source:
        """Return the same examples with the classes that were corrected."""
        label = source.label.copy()
        for i, name in enumerate(source.ids):
            label[i] = self.relabelled.get(name, label[i])
        return dataclasses.replace(source, label=label)

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
    """Return what an edited `cleaning.csv` says of the examples of a source."""
    flag = f"--data.corrections {file}"
    try:
        rows = file_io.read_csv(file)
    except OSError as error:
        raise UserError(f"{flag}: {error.strerror}.") from None
    if not rows or not {"id", "action"} <= set(rows[0]):
        raise UserError(
            f"{flag}: expected a CSV with the columns id, action, new_label, as "
            "cleaning.csv of a run has them."
        )
    position = {name: i for i, name in enumerate(source.ids)}
    said: dict[str, tuple[str, str]] = {}
    found = Corrections({}, frozenset())
    dropped, kept = set(), 0
    for line, row in enumerate(rows, 2):
        row = {key: plain(value) for key, value in row.items()}
        name, action, new = _row(f"{flag}: line {line}", row)
        if not action or name in unusable:
            continue
        if name not in position:
            raise UserError(
                f"{flag}: line {line}: {source.name} has no example {name!r}."
                f"{suggest(name, source.ids)} Remove the row, or mend its id."
            )
        if said.setdefault(name, (action, new)) != (action, new):
            raise UserError(
                f"{flag}: line {line}: {name!r} stands there twice, with different "
                "actions. Leave one row of it."
            )
        number = int(source.label[position[name]])
        if action == "keep":
            kept += 1
        elif action == "drop":
            dropped.add(name)
        else:
            found.relabelled[name] = _label(f"{flag}: line {line}", new, source)
            found.before[name] = number
            _check_before(f"{flag}: line {line}", row, source.labels[number])
    return dataclasses.replace(found, dropped=frozenset(dropped), kept=kept)


def cell(text: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def plain(text: str) -> str:
    """Return what `cell` was given."""
    return text[1:] if text.startswith(tuple(f"'{sign}" for sign in _FORMULA)) else text


def _row(where: str, row: dict[str, str]) -> tuple[str, str, str]:
    """Return id, action and new label of a row."""
    name, action = row["id"], row["action"].strip().lower()
    if action and action not in ACTIONS:
        raise UserError(
            f"{where}: expected an action of {', '.join(ACTIONS)}, or none. Received: "
            f"{row['action']!r}.{suggest(action, ACTIONS)}"
        )
    return name, action, row.get("new_label", "").strip()


def _label(where: str, name: str, source: Source) -> int:
    """Return the number of a class."""
    if not name:
        raise UserError(
            f"{where}: expected a new_label beside the action relabel. Write the "
            "name of a class there."
        )
    if name not in source.labels:
        known = ", ".join(source.labels[:8])
        more = ", ..." if len(source.labels) > 8 else ""
        raise UserError(
            f"{where}: {source.name} has no class {name!r}."
            f"{suggest(name, source.labels)} Its classes: {known}{more}."
        )
    return source.labels.index(name)


def _check_before(where: str, row: dict[str, str], label: str) -> None:
    """Refuse a correction of an example that is not any more what it was."""
    said = row.get("label", label)
    # What was relabelled by an earlier correction may stand in the file as it is now.
    if said not in ("", label, row["new_label"].strip()):
        raise UserError(
            f"{where}: {row['id']!r} is {said!r} there, but {label!r} in the source. "
            "The file belongs to other images, or they have been sorted anew."
        )
