"""Predictions of several labels or of a number: answers, rows, and cells of a CSV."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data.sources.base import BETWEEN
from tfpipeline.export.protocol import Answer
from tfpipeline.metrics.decision import Decision

Rows = Sequence[Mapping[str, Any]]

# What a column is called that has the probability of a class.
COLUMN = "probability of {}"

# The first columns of a file of predictions; the last one is `error`.
_SEVERAL, _NUMBER = ("id", "labels"), ("id", "quantity", "value")

# Of a number, the ends of its interval, where there is one.
_ENDS = ("low", "high")

# Columns of a model that tells strange images, before the last one.
STRANGE = ("novelty", "known", "known_reason")

# Keys of a row without an answer, but those that are None.
_EMPTY: Mapping[str, Any] = {"quantity": "", "labels": [], "probabilities": {}}

# Labels in the table of a terminal that were not said, at most.
_NEXT = 2


def answers(
    decision: Decision, outputs: np.ndarray, strange: Sequence[Sequence[Any]] = ()
) -> list[Answer]:
    """Return what is said of images, by the outputs of a network, shape (n, k).

    Of models that tell, `strange` has the values of `STRANGE` of each image.
    """
    own = [dict(zip(STRANGE, row)) for row in strange] or [{}] * len(outputs)
    said = _answers(decision, outputs)
    return [answer._replace(**more) for answer, more in zip(said, own)]


def _answers(decision: Decision, outputs: np.ndarray) -> list[Answer]:
    names = decision.labels
    if decision.target == targets.NUMBER:
        value, half = np.asarray(outputs[:, 0], np.float64), decision.half_width
        ends = {} if half is None else {"low": value - half, "high": value + half}
        columns = {name: own.tolist() for name, own in {"value": value, **ends}.items()}
        rows = [dict(zip(columns, own)) for own in zip(*columns.values())]
        return [Answer(names, (), "", **row) for row in rows]
    chance = decision.chance(outputs).astype(np.float32)
    called, every = decision.called(chance), []
    for own, yes in zip(chance, called):
        order = np.argsort(-own, kind="stable").tolist()
        said = [names[k] for k in order if yes[k]]
        ranked = [names[k] for k in order], own[order].tolist()
        every.append(Answer(*ranked, "", said=said))
    return every


def is_other(answer: Answer) -> bool:
    """Tell whether an answer is several labels or a number."""
    return answer.said is not None or answer.value is not None


def rows(ids: Sequence[str], every: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return a row a picture; all but `id` and `error` is empty where that is not.

    Returns:
        `labels`, those that are said, the most probable first, and `probabilities` of
        all by their names; or `quantity`, `value` and, where the model has intervals,
        `low` and `high`; `novelty`, `known` and `known_reason` where any answer tells;
        and `error`.
    """
    is_number = any(answer.value is not None for answer in every)
    has_ends = any(answer.low is not None for answer in every)
    tells = any(answer.novelty is not None for answer in every)
    table: list[dict[str, Any]] = []
    for name, answer in zip(ids, map(_finite, every)):
        row: dict[str, Any] = {"id": name}
        if is_number:
            row |= {"quantity": "".join(answer.labels), "value": answer.value}
            row |= {"low": answer.low, "high": answer.high} if has_ends else {}
        else:
            chances = zip(answer.labels, answer.probabilities)
            row |= {"labels": list(answer.said or ()), "probabilities": dict(chances)}
        if tells:
            row |= {key: getattr(answer, key) for key in STRANGE}
        table.append(row | {"error": answer.error})
    return table


def _finite(answer: Answer) -> Answer:
    """Return an answer, or an error where it is a number that JSON does not know."""
    if answer.value is None or math.isfinite(answer.value):
        return answer
    return Answer((), (), "the network's number is not finite")


def without(kind: Mapping[str, Any], name: str, error: str) -> dict[str, Any]:
    """Return the row of a picture without an answer, with the keys of another row."""
    return {key: _EMPTY.get(key) for key in kind} | {"id": name, "error": error}


def _classes(given: Rows) -> list[str]:
    return sorted({name for row in given for name in row.get("probabilities", ())})


def _kind(given: Rows) -> Mapping[str, Any]:
    """Return the first row with an answer, whose columns are those of all.

    Of pictures that are asked for together and all broken nothing else is known.
    """
    return next((row for row in given if not row.get("error")), next(iter(given), {}))


def header(given: Rows) -> list[str]:
    """Return the columns of a CSV; nothing where one class is the answer."""
    kind = _kind(given)
    if "value" in kind:
        return [*_NUMBER, *_ends(kind), *_strange(kind), "error"]
    if "labels" in kind:
        names = map(COLUMN.format, _classes(given))
        return [*_SEVERAL, *names, *_strange(kind), "error"]
    return []


def _ends(kind: Mapping[str, Any]) -> list[str]:
    return [name for name in _ENDS if name in kind]


def _strange(kind: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that only models have which tell strange images."""
    return STRANGE if STRANGE[0] in kind else ()


def cells(given: Rows) -> Iterator[list[Any]]:
    """Yield the cells of each row of a CSV; labels are written as `cat|dog`."""
    kind = _kind(given)
    is_number, strange = "value" in kind, _strange(kind)
    numbers = [*_NUMBER[1:], *_ends(kind)]
    classes = [] if is_number else _classes(given)
    for row in given:
        if is_number:
            cells = [row.get(name) for name in numbers]
        else:
            own = row.get("probabilities", {})
            chances = [own.get(name) for name in classes]
            cells = [BETWEEN.join(row.get("labels", ())), *chances]
        far = [row.get(name) for name in strange]
        more = [json.dumps(v) if isinstance(v, bool) else v for v in far]
        yield [row["id"], *cells, *more, row["error"]]


def is_header(names: Sequence[str]) -> bool:
    """Tell whether these are columns that `header` returns, or keys of such rows."""
    first, last = tuple(names[:3]), tuple(names[-1:])
    return last == ("error",) and (first == _NUMBER or first[:2] == _SEVERAL)


def table_header(given: Rows) -> tuple[str, ...]:
    """Return the columns of a table; nothing where one class is the answer."""
    kind = _kind(given)
    if "value" in kind:
        interval = ("interval",) if _ends(kind) else ()
        return ("file", kind["quantity"] or "value", *interval)
    return ("file", "labels", "next") if "labels" in kind else ()


def words(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row of a table, but the first."""
    if "value" in row:
        value = f"{row['value']:.6g}"
        if row.get("low") is None:
            return (value,)
        return (value, f"{row['low']:.6g} to {row['high']:.6g}")
    if "labels" not in row:
        return ()
    chances = row["probabilities"]
    said = ", ".join(f"{name} {chances[name]:.3f}" for name in row["labels"])
    others = [name for name in chances if name not in row["labels"]][:_NEXT]
    rest = ", ".join(f"{name} {chances[name]:.3f}" for name in others)
    return (said or "(none)", rest)
