"""The page of what another command made: pictures, checks, figures, from its JSON."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tfpipeline.core import console, result_dir
from tfpipeline.core.checks import outcome
from tfpipeline.core.errors import UserError
from tfpipeline.metrics import target_score
from tfpipeline.report import html, run_data, story
from tfpipeline.report.story import Story

NAME = result_dir.PAGE

# Pictures on a page, at most; the folder has all.
SHOWN = 60

# What pictures of the whole show.
_SHEETS = {
    "sheet": "All pictures, in order.",
    "overview": "Accuracy by size of the perturbation, and further measurements.",
    "natural_path_chart": "Similarity of activations in each layer: 1, an ideal image "
    "is as similar to photographs of its class as these are to each other; 0, only as "
    "similar as photographs of other classes are.",
    "shots_chart": "Accuracy on test images by number of training images of each "
    "class; the bars are 95 % intervals over seeds.",
    "cost_chart": "Accuracy by time per image; up and to the left is better.",
}

# What a page says elsewhere, or not in a line.
_ELSEWHERE = ("command", "seed", "versions", "seconds")


@dataclass(frozen=True)
class Kind:
    """One kind of result: where its JSON has pictures, the best first, and rows."""

    title: str
    lead: str
    pictures: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # Further pictures of an item.
    sheets: tuple[str, ...] = ("sheet", "overview")  # Pictures of the whole.
    columns: tuple[str, ...] = ()  # Which come first in the table.
    rows: str = ""  # In the summary; of the result itself where empty.
    whole_first: bool = False  # Whether pictures of the whole say most.


KINDS = {
    "synthesis.json": Kind(
        "Ideal images",
        "The images to which a network responds most for each class, and how it and "
        "other networks classify the saved files.",
        ("chart", "image"),
        sheets=("sheet", "natural_path_chart"),
        columns=("class", "probability", "recognised", "start_score", "end_score"),
        whole_first=True,
    ),
    "attack.json": Kind(
        "Adversarial examples",
        "Slightly changed photographs, the size of the change, and sanity checks of "
        "the attack.",
        ("figure", "adversarial"),
        columns=("image", "clean_class", "final_class", "success_8bit", "linf"),
    ),
    "features.json": Kind(
        "What a network sees",
        "What the layers of a network extract from photographs, and to which pixels "
        "a prediction is sensitive.",
        ("explained_sheet",),
        ("overview",),
        columns=("image", "class", "probability"),
    ),
    "study.json": Kind(
        "Transfer study",
        "How well pretrained networks transfer to other data sets; study.csv has one "
        "row per seed.",
        sheets=("shots_chart", "cost_chart"),
        columns=(
            *("source", "backbone", "method", "shots"),
            # Of these the one that the target has.
            *("accuracy", "mean_average_precision", "r2", "half_interval"),
        ),
        rows="means",
    ),
}


@dataclass(frozen=True)
class Table:
    """A result that is mostly a table.

    Args:
        title: What it is, for people.
        lead: What it tells, in a sentence.
        rows: Of fields by name.
        facts: What is true of all of it, by name.
        checks: What `Check.told` returned of each, by name.
        pictures: A caption and a file each.
        advice: `source`, `backbone`, `method`, `reason` and `command` of what is
            recommended.
        story: Its headline and figures of merit, if it has any.
        wide: How many of the pictures, from the first on, are as wide as the page.
    """

    title: str
    lead: str
    rows: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] | None = None
    checks: Mapping[str, Mapping[str, Any]] | None = None
    pictures: Sequence[tuple[str, Path]] = ()
    advice: Sequence[Mapping[str, str]] = ()
    story: Story = Story()
    wide: int = 0


def kind_of(folder: Path) -> str | None:
    """Return the file that says what a folder holds; None for a run, or nothing."""
    return next((name for name in KINDS if (folder / name).is_file()), None)


def write(folder: Path, output: Path | None = None) -> Path:
    """Write the page of a result from its JSON, and return where it lies.

    Args:
        folder: What a command wrote.
        output: The page; `report.html` in the folder where None.

    Raises:
        UserError: No known result lies there, or its file is damaged.
    """
    name = kind_of(folder)
    if name is None:
        raise UserError(
            f"{folder}: expected a result, one of {', '.join(KINDS)}. Found none."
        )
    result = run_data.read_json(folder / name)
    file = output or folder / NAME
    kind, summary = KINDS[name], result.get("summary", {})
    items = summary.get(kind.rows) or _items(result)
    page_story = story.tell(name, result, items)
    table = Table(
        kind.title,
        kind.lead,
        [_ordered(kind, item) for item in items],
        {k: v for k, v in summary.items() if k not in (*kind.sheets, *_ELSEWHERE)},
        result.get("checks"),
        pictures(folder, name, result, page_story),
        result.get("recommendation", ()),
        page_story,
        _leading(kind, _items(result))
        + sum(bool(summary.get(key)) for key in kind.sheets),
    )
    write_table(file, table, summary, source=name)
    return file


def pictures(
    folder: Path, name: str, result: Mapping[str, Any], page_story: Story | None = None
) -> list[tuple[str, Path]]:
    """Return the pictures of a result with a caption each, the best one first.

    Args:
        folder: What a command wrote.
        name: Of its JSON file, one of `KINDS`.
        result: What that holds.
        page_story: Its story, which has captions in words.
    """
    kind, summary = KINDS[name], result.get("summary", {})
    page_story = page_story or story.tell(name, result, _items(result))
    sheets = [
        (_sheet(key, summary), folder / summary[key])
        for key in kind.sheets
        if summary.get(key)
    ]
    caption = page_story.caption or partial(_caption, kind)
    each = [
        (caption(item) + ", layer by layer" * (key in kind.also), folder / item[key])
        for item in _items(result)
        for key in [next((k for k in kind.pictures if item.get(k)), ""), *kind.also]
        if item.get(key)
    ]
    first = _leading(kind, _items(result))
    return [*each[:first], *sheets, *each[first:]]


def _sheet(key: str, summary: Mapping[str, Any]) -> str:
    """Return what a picture of the whole shows; a study may name its figure."""
    words = _SHEETS.get(key, key.replace("_", " "))
    score = target_score.of_row({str(summary.get("metric")): None})
    if score.key != "accuracy":
        words = words.replace("Accuracy", score.title)
        words = words.replace("of each class", score.of_each)
    return words + " Below -1 nothing is drawn." * (score.key == "r2")


def _leading(kind: Kind, items: Sequence[Mapping[str, Any]]) -> int:
    """Return how many pictures of the first item stand before those of the whole.

    All of them: the others then stand side by side.
    """
    if kind.whole_first or not items:
        return 0
    return 1 + sum(bool(items[0].get(key)) for key in kind.also)


def attempt(folder: Path) -> Path | None:
    """Write the page of a result; None where it could not be made, which is said."""
    try:
        return write(folder)
    except Exception as error:  # Nothing that goes wrong here may cost the result.
        console.warn(
            f"The page {folder / NAME} could not be made ({type(error).__name__}: "
            f"{error}). Everything else is written."
        )
        return None


def write_table(
    file: Path, table: Table, how: Mapping[str, Any], *, source: str = ""
) -> None:
    """Write the page of any result that is mostly a table.

    Args:
        file: The page.
        table: What it tells.
        how: `command`, `seed`, `versions` and `seconds`, as far as they are known.
        source: Name of the file that has all of it.
    """
    columns = dict.fromkeys(
        key for row in table.rows for key, value in row.items() if _is_plain(value)
    )
    shown = [
        (words, uri)
        for words, picture in table.pictures[:SHOWN]
        if (uri := html.picture(picture)) is not None
    ]
    html.write(
        file,
        "result.html",
        table=table,
        folder=file.parent.resolve().name,
        facts=list(_facts("", table.facts or {})),
        checks={
            name: {**check, "value": _value(check), "outcome": outcome(check)}
            for name, check in (table.checks or {}).items()
        },
        columns=list(columns),
        numeric={c for c in columns if _is_numeric(row.get(c) for row in table.rows)},
        pictures=shown,
        left=len(table.pictures[SHOWN:]),
        how=how,
        source=source,
    )


def _items(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a result: `images`, `rows`, or the first list there is."""
    named = [result.get(key) for key in ("images", "rows", "results")]
    lists = [value for value in result.values() if isinstance(value, list) and value]
    rows = next((value for value in [*named, *lists] if isinstance(value, list)), [])
    return [row for row in rows if isinstance(row, dict)]


def _caption(kind: Kind, item: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {_words(item[key])}"
        for key in kind.columns
        if item.get(key) is not None and _is_plain(item[key])
    )


def _words(value: Any) -> str:
    """Return a value in words: `key value, key value` where it has several."""
    if isinstance(value, Mapping):
        pairs = [
            f"{str(key).replace('_', ' ')} {_words(v)}" for key, v in value.items()
        ]
        return ", ".join(pairs)
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    return html.number(value) if isinstance(value, float) else str(value)


def _value(check: Mapping[str, Any]) -> str:
    """Return what a check has measured, where passing does not say all of it."""
    value = check.get("value")
    if value is None or isinstance(value, bool):
        return ""
    return textwrap.shorten(_words(value), 140, placeholder=" …")


def _ordered(kind: Kind, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with what matters first, without its pictures."""
    first = {key: item[key] for key in kind.columns if key in item}
    rest = {k: v for k, v in item.items() if k not in (*kind.pictures, *kind.also)}
    return {**first, **rest}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _is_numeric(values: Iterator[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in known
    )


def _facts(prefix: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is true of the whole, by names that people can read."""
    for key, value in facts.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _facts(f"{name}, ", value)
        elif isinstance(value, list):
            if value and all(map(_is_plain, value)):
                yield name, ", ".join(map(str, value))
        elif value is not None:
            yield name, _words(value)
