"""Copies among files, and what a source looks like as a whole."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets, image_io
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.data import near_copies
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import label_checks
from tfpipeline.data.sources.base import Source


def exact(rows: Sequence[Row]) -> list[list[int]]:
    """Return groups of positions whose files are equal byte by byte, and usable."""
    return _groups(
        (row.sha256, i) for i, row in enumerate(rows) if row.sha256 and not row.reason
    )


def _groups(pairs: Iterable[tuple[Any, int]]) -> list[list[int]]:
    groups: dict[Any, list[int]] = defaultdict(list)
    for key, position in pairs:
        groups[key].append(position)
    return [group for group in groups.values() if len(group) > 1]


def near(rows: Sequence[Row]) -> list[list[int]]:
    """Return groups of positions whose pictures look alike, equal files among them.

    Each of a group is a copy of its first (`near_copies.groups`).
    """
    return near_copies.groups([row.thumbnail for row in rows])


def pairs(groups: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return each but the first of some groups, behind that: `(first, other)`."""
    return [(first, i) for first, *others in groups for i in others]


def _across(groups: Sequence[Sequence[int]], name: Sequence[str]) -> int:
    """Count the groups whose members have different names."""
    return sum(len({name[i] for i in group}) > 1 for group in groups)


def _opposed(source: Source) -> Callable[[int, int], bool]:
    """Return what tells whether two pictures that look alike have other labels.

    Numbers are others where they differ by more than the standard deviation of all.
    """
    if source.target != targets.NUMBER or source.values is None:
        return lambda i, j: source.said(i) != source.said(j)
    numbers = source.values[:, 0].astype(np.float64)
    least = label_checks.deviation(numbers)
    return lambda i, j: bool(abs(numbers[i] - numbers[j]) > least)


def _near_conflicts(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> int:
    """Count the groups in which files that are not equal have other labels."""
    differ = _opposed(source)
    return sum(
        any(rows[i].sha256 != rows[g[0]].sha256 and differ(i, g[0]) for i in g)
        for g in alike
    )


def statistics(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return what a source holds: classes, sizes, formats, copies."""
    good = [row for row in rows if not row.reason]
    strata = source.strata
    labels = [strata[i] for i in source.label]
    said = [source.said(i) for i in range(len(source))]
    copies = exact(rows)
    usable = Counter(name for name, row in zip(labels, rows) if not row.reason)
    return {
        "files": len(rows),
        "unusable": len(rows) - len(good),
        "reasons": dict(Counter(r.reason.split(":")[0] for r in rows if r.reason)),
        "classes": {name: usable[name] for name in strata},
        "splits": dict(Counter(name or "none" for name in source.split)),
        "formats": dict(Counter(row.format for row in good)),
        "modes": dict(Counter(row.mode for row in good)),
        "turned_by_exif": sum(row.orientation != 1 for row in good),
        "height": _spread([row.height for row in good]),
        "width": _spread([row.width for row in good]),
        "aspect": _spread([row.width / row.height for row in good]),
        "exact_duplicates": sum(len(group) - 1 for group in copies),
        "near_duplicates": sum(len(group) - 1 for group in alike),
        "leaks": _across(alike, source.split),
        "label_conflicts": _across(copies, said),
        "near_label_conflicts": _near_conflicts(source, rows, alike),
        "duplicate_groups": [[source.ids[i] for i in group] for group in alike],
        "warnings": dict(Counter(r.warning.split(":")[0] for r in good if r.warning)),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    low, middle, high = np.percentile(values, (0, 50, 100))
    return {"min": float(low), "median": float(middle), "max": float(high)}


def sheet(
    source: Source, rows: Sequence[Row], per_class: int = 8, ranges: Ranges = WHOLE
) -> np.ndarray | None:
    """Return one picture with the first usable images of at most 40 classes."""
    small: list[np.ndarray] = []
    captions: list[str] = []
    for index, name in enumerate(source.strata[:40]):
        mine = np.flatnonzero(source.label == index).tolist()
        usable = [rows[i] for i in mine if not rows[i].reason]
        thumbnails = [_thumbnail(row, ranges) for row in usable[:per_class]]
        if thumbnails:
            blank = [np.full((96, 96, 3), 255, np.uint8)]
            small += thumbnails + blank * (per_class - len(thumbnails))
            captions += [name] + [""] * (per_class - 1)
    return contact_sheets.contact_sheet(small, captions, per_class) if small else None


def _thumbnail(row: Row, ranges: Ranges, side: int = 96) -> np.ndarray:
    data = image_io.content(row.path, row.offset, row.length)
    return image_io.read(data, side, side, "pad", ranges, row.height * row.width)


def findings(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> list[tuple[str, str, str, str]]:
    """Return everything remarkable about single files.

    Returns:
        `(id, path, kind, detail)`, in the order of the source. Kinds: `unusable`;
        `warning`; `exact_copy` and `near_copy` of the group's first file;
        `across_splits` where that one is in another split; `label_conflict` where an
        equal file has another class, `near_label_conflict` where a near copy has.
    """
    details = [(i, "unusable", row.reason) for i, row in enumerate(rows)]
    details += [(i, "warning", row.warning) for i, row in enumerate(rows)]
    copies, differ = exact(rows), _opposed(source)
    equal = {i for group in copies for i in group[1:]}
    for first, i in pairs(copies):
        details.append((i, "exact_copy", f"of {source.ids[first]}"))
        if source.said(i) != source.said(first):
            other = source.said(first)
            conflict = f"{source.ids[first]} is {other!r}"
            details.append((i, "label_conflict", conflict))
    for first, i in pairs(alike):
        if i not in equal:
            details.append((i, "near_copy", f"of {source.ids[first]}"))
            if differ(i, first):
                other = source.said(first)
                conflict = f"{source.ids[first]}, which looks alike, is {other!r}"
                details.append((i, "near_label_conflict", conflict))
        if source.split[i] != source.split[first]:
            where = f"{source.ids[first]} is in {source.split[first]}"
            details.append((i, "across_splits", where))
    return [
        (source.ids[i], rows[i].path, kind, detail)
        for i, kind, detail in sorted(details, key=lambda row: row[0])
        if detail
    ]


def leak_sheet(
    source: Source,
    split: Sequence[str] | np.ndarray,
    rows: Sequence[Row],
    alike: Sequence[Sequence[int]],
    most: int = 24,
    ranges: Ranges = WHOLE,
) -> np.ndarray | None:
    """Return pairs of pictures that look alike but stand in different splits.

    Below each are its split, class and id. None where there is no such pair.
    """
    across = [pair for pair in pairs(alike) if split[pair[0]] != split[pair[1]]]
    shown = [i for pair in across[:most] for i in pair]
    if not shown:
        return None
    captions = [f"{split[i]}: {source.said(i)}\n{source.ids[i]}" for i in shown]
    thumbnails = [_thumbnail(rows[i], ranges, 160) for i in shown]
    return contact_sheets.contact_sheet(thumbnails, captions, 2)
