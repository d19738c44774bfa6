"""How many examples of each class a study learns from."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.config.study import StudySettings
from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import target_score

ALL = "all"


def read_shots(text: str) -> list[int | None]:
    """Return the numbers of examples of each class in `1,2,5,all`, ascending.

    None is all, and comes last, named or not: tables, gains and advice are of all
    examples.
    """
    counts: set[float] = {math.inf}
    for word in map(str.strip, text.split(",")):
        if not re.fullmatch(r"[1-9]\d*|all", word):
            raise UserError(
                "--shots: expected positive numbers and `all`, e.g. 1,5,all. "
                f"Received: {text}."
            )
        counts.add(math.inf if word == ALL else int(word))
    return [None if count == math.inf else int(count) for count in sorted(counts)]


def draws(
    examples: Examples, seed: int, settings: StudySettings
) -> Iterator[tuple[int | str, np.ndarray, int]]:
    """Yield each number of examples that a study learns from, as its rows have it.

    Beside it are the positions of the training examples that are drawn, and how many
    neighbours vote: no more than a class, or stratum, has examples.
    """
    label, split = examples.source.label, examples.split
    most = int(np.bincount(label[examples.of("train")]).max())
    for shots in read_shots(settings.shots):
        if shots is not None and shots >= most:
            continue
        kept = splits.few(label, split, most=shots, fraction=1, seed=seed)
        votes = min(settings.neighbours, shots or settings.neighbours)
        yield ALL if shots is None else shots, kept[split[kept] == "train"], votes


def normalize(text: str) -> str:
    """Return the same list as it is always written: `5,1` becomes `1,5,all`."""
    return ",".join(ALL if n is None else str(n) for n in read_shots(text))


def missing(rows: Sequence[Mapping[str, Any]], text: str) -> dict[str, list[int]]:
    """Return for each source the numbers that none of its classes has."""
    numbers = [number for number in read_shots(text) if number is not None]
    had: dict[str, set[Any]] = {}
    for row in rows:
        if row["method"] == "probe":
            had.setdefault(row["source"], set()).add(row["shots"])
    lacks = {name: [n for n in numbers if n not in had[name]] for name in had}
    return {name: counts for name, counts in lacks.items() if counts}


def note(rows: Sequence[Mapping[str, Any]], text: str) -> None:
    """Say what was added to a list, and what was skipped."""
    if ALL not in text:
        console.note(f"--shots {text}: `all` was added; the table is of all examples.")
    score = target_score.of_row(rows[0] if rows else {})
    none = "none" if score.target in (targets.MULTI, targets.NUMBER) else "no class"
    for name, numbers in missing(rows, text).items():
        console.note(
            f"{name}: skipped {', '.join(map(str, numbers))} examples {score.of_each}; "
            f"{none} has more, so that `all` is the same."
        )
