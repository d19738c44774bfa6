"""Copies among files, and what a source looks like as a whole."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets, image_io
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source

# Bits of 64 in which the difference hashes of two near copies may differ.
NEAR_BITS = 4

# How many bits are set: eight times as fast as `np.unpackbits`.
_BITS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


def exact(rows: Sequence[Row]) -> list[list[int]]:
    """Return groups of positions whose files are equal byte by byte."""
    return _groups((row.sha256, i) for i, row in enumerate(rows) if row.sha256)


def _groups(pairs: Iterable[tuple[Any, int]]) -> list[list[int]]:
    groups: dict[Any, list[int]] = defaultdict(list)
    for key, position in pairs:
        groups[key].append(position)
    return [group for group in groups.values() if len(group) > 1]


def near(rows: Sequence[Row], bits: int = NEAR_BITS) -> list[list[int]]:
    """Return groups of positions whose pictures look alike.

    Two hashes that differ in fewer bits than there are bands agree in one band at
    least, so only files that share a band are compared.
    """
    same: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        value = int(row.perceptual_hash or "0", 16)
        if value.bit_count() > 4:
            same[value].append(i)
    # One of each value is compared; the others have its neighbours.
    hashes = {members[0]: value for value, members in same.items()}
    parent = {i: i for i in hashes}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    width = 64 // (bits + 1)
    for band in range(bits + 1):
        mask = (1 << width) - 1
        keyed = ((h >> (band * width) & mask, i) for i, h in hashes.items())
        for group in _groups(keyed):
            values = np.array([hashes[i] for i in group], np.uint64)
            for a, i in enumerate(group):
                parts = (values[a + 1 :] ^ values[a]).view(np.uint16).reshape(-1, 4)
                differ = _BITS[parts].sum(axis=1)
                for b in np.flatnonzero(differ <= bits):
                    parent[root(group[a + 1 + int(b)])] = root(i)
    pairs = ((root(all_[0]), i) for all_ in same.values() for i in all_)
    return _groups(sorted(pairs, key=lambda pair: pair[1]))


def _across(groups: Sequence[Sequence[int]], name: Sequence[str]) -> int:
    """Count the groups whose members have different names."""
    return sum(len({name[i] for i in group}) > 1 for group in groups)


def statistics(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return what a source holds: classes, sizes, formats, copies."""
    good = [row for row in rows if not row.reason]
    labels = [source.labels[i] for i in source.label]
    copies = exact(rows)
    usable = Counter(name for name, row in zip(labels, rows) if not row.reason)
    return {
        "files": len(rows),
        "unusable": len(rows) - len(good),
        "reasons": dict(Counter(r.reason.split(":")[0] for r in rows if r.reason)),
        "classes": {name: usable[name] for name in source.labels},
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
        "label_conflicts": _across(copies, labels),
        "duplicate_groups": [[source.ids[i] for i in group] for group in alike],
        "warnings": dict(Counter(r.warning.split(":")[0] for r in good if r.warning)),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    low, middle, high = np.percentile(values, (0, 50, 100))
    return {"min": float(low), "median": float(middle), "max": float(high)}


def sheet(source: Source, rows: Sequence[Row], per_class: int = 8) -> np.ndarray | None:
    """Return one picture with the first usable images of at most 40 classes."""
    small: list[np.ndarray] = []
    captions: list[str] = []
    for index, name in enumerate(source.labels[:40]):
        mine = np.flatnonzero(source.label == index).tolist()
        usable = [rows[i] for i in mine if not rows[i].reason]
        thumbnails = [_thumbnail(row) for row in usable[:per_class]]
        if thumbnails:
            blank = [np.full((96, 96, 3), 255, np.uint8)]
            small += thumbnails + blank * (per_class - len(thumbnails))
            captions += [name] + [""] * (per_class - 1)
    return contact_sheets.contact_sheet(small, captions, per_class) if small else None


def _thumbnail(row: Row) -> np.ndarray:
    data = image_io.content(Path(row.path), row.offset, row.length)
    return image_io.read(data, 96, 96, "pad", row.height * row.width)


def findings(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> list[tuple[str, str, str, str]]:
    """Return everything remarkable about single files.

    Returns:
        `(id, path, kind, detail)`, in the order of the source. Kinds: `unusable`;
        `warning`; `exact_copy` and `near_copy` of the group's first file;
        `across_splits` where that one is in another split; `label_conflict` where an
        equal file has another class.
    """
    details = [(i, "unusable", row.reason) for i, row in enumerate(rows)]
    details += [(i, "warning", row.warning) for i, row in enumerate(rows)]
    copies = exact(rows)
    equal = {i for group in copies for i in group[1:]}
    for first, i in _pairs(copies):
        details.append((i, "exact_copy", f"of {source.ids[first]}"))
        if source.label[i] != source.label[first]:
            other = source.labels[source.label[first]]
            conflict = f"{source.ids[first]} is {other!r}"
            details.append((i, "label_conflict", conflict))
    for first, i in _pairs(alike):
        if i not in equal:
            details.append((i, "near_copy", f"of {source.ids[first]}"))
        if source.split[i] != source.split[first]:
            where = f"{source.ids[first]} is in {source.split[first]}"
            details.append((i, "across_splits", where))
    return [
        (source.ids[i], rows[i].path, kind, detail)
        for i, kind, detail in sorted(details, key=lambda row: row[0])
        if detail
    ]


def _pairs(groups: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return each but the first of some groups, with that."""
    return [(first, i) for first, *others in groups for i in others]


def leak_sheet(
    split: Sequence[str] | np.ndarray,
    rows: Sequence[Row],
    alike: Sequence[Sequence[int]],
    most: int = 24,
) -> np.ndarray | None:
    """Return pairs of pictures that look alike but stand in different splits."""
    across = [pair for pair in _pairs(alike) if split[pair[0]] != split[pair[1]]]
    shown = [i for pair in across[:most] for i in pair]
    if not shown:
        return None
    thumbnails = [_thumbnail(rows[i]) for i in shown]
    return contact_sheets.contact_sheet(thumbnails, [split[i] for i in shown], 2)
