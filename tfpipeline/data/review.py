"""What a set of images holds, what was skipped, and what looks wrong, with examples.

Imports no TensorFlow.
"""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.data import duplicates, quality
from tfpipeline.data.grouping.names import balance, cut, sizes
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import label_checks
from tfpipeline.data.sources.base import SPLITS, Source


@dataclass(frozen=True)
class Finding:
    """Something about a set that its owner wants to know.

    Args:
        kind: What it is, as in `findings.csv` where that has it.
        count: How many images, groups or files it is about.
        example: Id of the first; of a pair, `a ~ b`.
        detail: What is known of the example, or why.
    """

    kind: str
    count: int
    example: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Review:
    """What a set of images holds, and what is to be known of it before it is used.

    Args:
        images: Usable images.
        splits: Number of images of each split that is named.
        classes: Number of images of each class; training images where there are any.
        findings: The most serious first.
        target: What is learned of the images. Of a number, `classes` are ranges.
    """

    images: int
    splits: Mapping[str, int]
    classes: Mapping[str, int]
    findings: tuple[Finding, ...]
    target: str = "single"

    def to_json(self) -> dict[str, Any]:
        """Return the same as values of JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Opened:
    """What was said and passed over while a source was opened."""

    remarks: Sequence[str] = ()
    passed: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)


def review(
    source: Source,
    rows: Sequence[Row],
    alike: Sequence[Sequence[int]],
    *,
    bad: Sequence[tuple[str, Row]] = (),
    opened: Opened = Opened(),
    min_class_share: float = 0.0,
) -> Review:
    """Return what is to be known of a set of images.

    Args:
        source: The examples, with their splits.
        rows: The audit of each; those with a reason count as skipped.
        alike: Groups of positions whose pictures look alike.
        bad: Id and audit of further files that cannot be used.
        opened: What was said and passed over while the source was opened.
        min_class_share: A class with less of the largest one's images has few.
    """
    usable = [i for i, row in enumerate(rows) if not row.reason]
    splits = Counter(source.split[i] for i in usable)
    trained = [i for i in usable if source.split[i] in ("", "train")]
    classes = label_checks.counts(source, trained)
    skipped = [*bad, *((source.ids[i], r) for i, r in enumerate(rows) if r.reason)]
    warned = dict(_warnings(source, rows))
    flat = [warned.pop(quality.FLAT)] if quality.FLAT in warned else []
    findings = [
        *(Finding(**vars(f)) for f in label_checks.facts(source, trained)),
        *_conflicts(source, rows),
        *_leaks(source, alike),
        *_groups(source),
        *_weights(source),
        *_opened(source, opened.remarks),
        *_skipped(skipped),
        *flat,
        *_suspects(source, rows),
        *_few(classes, 0 if source.target == "number" else min_class_share),
        *warned.values(),
        *_copies(source, rows, alike),
        *_passed(opened.passed),
    ]
    named = {name: splits[name] for name in SPLITS if splits[name]}
    if splits[""] and named:
        named["no split"] = splits[""]
    return Review(len(usable), named, classes, tuple(findings), source.target)


def _conflicts(source: Source, rows: Sequence[Row]) -> Iterator[Finding]:
    pairs = []
    for first, *others in duplicates.exact(rows):
        other = [i for i in others if source.said(i) != source.said(first)]
        pairs += [(first, other[0])] if other else []
    if pairs:
        a, b = pairs[0]
        names = " and ".join(repr(source.said(i)) for i in (a, b))
        yield Finding("label_conflict", len(pairs), _pair(source, a, b), names)


def _leaks(source: Source, alike: Sequence[Sequence[int]]) -> Iterator[Finding]:
    pairs = [
        (trained[0], i)
        for group in alike
        if (trained := [i for i in group if source.split[i] == "train"])
        for i in group
        if source.split[i] not in ("", "train")
    ]
    if pairs:
        a, b = pairs[0]
        detail = f"train and {source.split[b]}"
        yield Finding("across_splits", len(pairs), _pair(source, a, b), detail)


def _groups(source: Source) -> Iterator[Finding]:
    if not source.group:
        return
    if pairs := cut(source.group, source.split):
        a, b = pairs[0]
        detail = f"{source.split[a]} and {source.split[b]}"
        yield Finding("groups_cut", len(pairs), _pair(source, a, b), detail)
    count = sizes(source.group)
    off, name, split = balance(source)
    size = f"{count[0]} to {count[-1]} images each" if count else "none has a name"
    even = "; classes are even" if name else ""
    if off >= 0.0005:
        even = f"; {name} is off by {100 * off:.1f} points in {split}"
    yield Finding("groups", len(count), detail=size + even)
    if missing := [i for i, name in enumerate(source.group) if not name]:
        yield Finding("ungrouped", len(missing), source.ids[missing[0]])


def _weights(source: Source) -> Iterator[Finding]:
    if source.weight:
        total, least, most = (f(source.weight) for f in (sum, min, max))
        detail = f"{least:g} to {most:g}, {total:g} in all"
        yield Finding("weights", len(source.weight), detail=detail)


def _opened(source: Source, remarks: Sequence[str]) -> Iterator[Finding]:
    for remark in remarks:
        yield Finding("source", 1, detail=remark.removeprefix(f"{source.name}: "))


def _skipped(bad: Sequence[tuple[str, Row]]) -> Iterator[Finding]:
    if bad:
        # `not an image (a web page)`, `damaged jpeg: image file is truncated`.
        reasons = Counter(re.split(r": | \(", row.reason)[0] for _, row in bad)
        detail = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
        yield Finding("unusable", len(bad), bad[0][0], detail)


def _warnings(source: Source, rows: Sequence[Row]) -> Iterator[tuple[str, Finding]]:
    """Yield what files were warned of, by what stands before the colon."""
    groups: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for i, row in enumerate(rows):
        for warning in row.warning.split("; ") if row.warning else ():
            kind, _, detail = warning.partition(": ")
            # `png called .jpg` is one kind, whatever the two are.
            kind = kind if detail else "name"
            groups[kind].append((i, detail or warning))
    for kind, members in groups.items():
        i, detail = members[0]
        yield kind, Finding(kind, len(members), source.ids[i], detail)


def _suspects(source: Source, rows: Sequence[Row]) -> Iterator[Finding]:
    groups: dict[str, list[quality.Suspect]] = {kind: [] for kind in quality.KINDS}
    for suspect in quality.suspects(rows):
        groups[suspect.kind].append(suspect)
    for kind, members in groups.items():
        if members:
            first = members[0]
            example = source.ids[first.position]
            yield Finding(kind, len(members), example, first.detail)


def _few(classes: Mapping[str, int], min_share: float) -> Iterator[Finding]:
    most = max(classes.values(), default=0)
    few = [name for name, count in classes.items() if count < min_share * most]
    if few:
        detail = f"{classes[few[0]]} of {most}"
        yield Finding("few_images", len(few), few[0], detail)


def _copies(
    source: Source, rows: Sequence[Row], alike: Sequence[Sequence[int]]
) -> Iterator[Finding]:
    equal = duplicates.exact(rows)
    known = {i for group in equal for i in group[1:]}
    near = [[group[0], *(set(group[1:]) - known)] for group in alike]
    for kind, groups in (("exact_copy", equal), ("near_copy", near)):
        pairs = [(first, i) for first, *others in groups for i in sorted(others)]
        if pairs:
            yield Finding(kind, len(pairs), _pair(source, *pairs[0]))


def _passed(passed: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    if every := sorted(path for paths in passed.values() for path in paths):
        detail = ", ".join(f"{len(paths)} {k}" for k, paths in passed.items() if paths)
        yield Finding("passed_over", len(every), Path(every[0]).name, detail)


def _pair(source: Source, a: int, b: int) -> str:
    return f"{source.ids[a]} ~ {source.ids[b]}"


def of_split(source: Source, split: np.ndarray) -> Source:
    """Return a source whose examples are in the splits that were drawn."""
    return dataclasses.replace(source, split=tuple(split.tolist()))
