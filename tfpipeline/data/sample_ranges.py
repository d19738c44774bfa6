"""Which samples are black and white in a data set of more than 8 bits, and why.

Imports no TensorFlow: the files are read while it is still being imported.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpipeline.core import brightness, console, image_formats
from tfpipeline.core.brightness import FLAG, Ranges
from tfpipeline.data.inspect_file import examine
from tfpipeline.data.scan_cache import Row

# Formats whose samples may have more than 8 bits, beside PNG, which says so at once.
_DEEP = ("tiff", "pfm", "pnm", "jp2")

# So many bytes tell a format, and how deep a PNG is.
_HEAD = 64


@dataclass(frozen=True)
class Choice:
    """The ranges of a data set, and what is to be said of them.

    Args:
        ranges: What is black and white, by sample type.
        notes: A sentence for each sample type of which there are pictures.
        warnings: Sentences on what looks wrong.
        counts: Pictures of each sample type for which there is a range.
    """

    ranges: Ranges = brightness.WHOLE
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """Part of the name of what is kept of pixels: nothing where all have 8 bits."""
        return (str(self.ranges),) if self.counts else ()

    def to_json(self) -> dict[str, Any]:
        """Return it as manifests and statistics have it."""
        return {
            "range": str(self.ranges) if self.counts else None,
            "pictures": dict(self.counts),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def choose(setting: str, rows: Sequence[Row]) -> Choice:
    """Return the ranges by which all pictures of a data set are read.

    Args:
        setting: As `--data.range` has it.
        rows: The audit of all of its files.
    """
    deep = _by_type(rows)
    given = brightness.parse(setting)
    if given is None:
        spans = {kind: _span(kind, mine) for kind, mine in deep.items()}
        ranges = Ranges(tuple((kind, *spans[kind][0]) for kind in sorted(spans)))
        notes = tuple(_note(k, deep[k], ranges, spans[k][1]) for k in sorted(spans))
    else:
        # What is there is named, so that it is known what a training has seen.
        more = ((kind, *given.of(kind)) for kind in deep if not given.knows(kind))
        ranges = Ranges(tuple(sorted((*given.pairs, *more))))
        notes = tuple(_note(k, deep[k], ranges, f"{FLAG} {setting}") for k in deep)
    counts = tuple((kind, len(deep[kind])) for kind in sorted(deep))
    return Choice(ranges, notes, tuple(warnings(rows, ranges)), counts)


def announce(setting: str, rows: Sequence[Row]) -> Choice:
    """Return what `choose` does; say what was chosen, and what looks wrong."""
    choice = choose(setting, rows)
    if brightness.parse(setting) is None:
        for text in choice.notes:
            console.note_once(text)
    for text in choice.warnings:
        console.warn_once(text)
    return choice


def _text(value: float) -> str:
    """Return a sample as it is read by people."""
    return brightness.number(
        value if float(value).is_integer() else float(f"{value:.4g}")
    )


def _by_type(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return _by(rows, lambda row: row.samples)


def _by(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Return usable pictures by what is said of them, where that is anything."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if (text := key(row)) and not row.reason:
            groups[text].append(row)
    return groups


def _span(kind: str, rows: Sequence[Row]) -> tuple[tuple[float, float], str]:
    """Return the range of all pictures of a type, and why."""
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    tags = {row.declared for row in rows}
    if len(tags) == 1 and (declared := tags.pop()):
        pair = brightness.parse(declared)
        if pair is not None and brightness.fits(low, high, pair.of("")):
            return pair.of(""), "all files declare it"
    whole = brightness.choose(kind, low, high)
    if whole in brightness.natural(kind):
        return whole, "the narrowest usual range that holds them"
    return whole, "no usual range fits them"


def _note(kind: str, rows: Sequence[Row], ranges: Ranges, why: str) -> str:
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    count = f"{len(rows)} picture{'s' if len(rows) != 1 else ''}"
    return (
        f"brightness: {count} of {kind} samples, {_text(low)} to {_text(high)}: "
        f"{_where(*ranges.of(kind))} ({why})"
    )


def _where(black: float, white: float) -> str:
    return f"{_text(black)} is black and {_text(white)} white"


def strangers(rows: Sequence[Row], ranges: Ranges) -> list[str]:
    """Return a sentence on each sample type that a training has not seen."""
    return [
        f"{len(mine)} pictures have {kind} samples, of which the training had none "
        f"(e.g. {Path(mine[0].path).name}): {_where(*ranges.of(kind))}"
        for kind, mine in sorted(_by_type(rows).items())
        if not ranges.knows(kind)
    ]


def warnings(rows: Sequence[Row], ranges: Ranges) -> list[str]:
    """Return what looks wrong with pictures that are read by given ranges."""
    texts = []
    for kind, mine in sorted(_by_type(rows).items()):
        texts += _doubts(
            mine, ranges.of(kind), f"{kind} samples", f"{FLAG} sets another one"
        )
    for span, mine in sorted(_by(rows, lambda row: row.fixed).items()):
        if (declared := brightness.parse(span)) is not None:
            texts += _doubts(
                mine,
                declared.of(""),
                "samples of a declared range",
                f"The files declare it, so {FLAG} does not change it",
            )
    return texts


def _doubts(
    rows: Sequence[Row], whole: tuple[float, float], of: str, more: str
) -> list[str]:
    """Return what looks wrong with pictures that have one range.

    `of` names their samples, and `more` is what can be done where they use little.
    """
    texts, (black, white) = [], whole
    where = f"{_text(black)} to {_text(white)}"
    first, count = Path(rows[0].path).name, len(rows)
    part = brightness.used([r.low for r in rows], [r.high for r in rows], whole)
    if part < brightness.SMALL_PART:
        low = _text(min(row.low for row in rows))
        high = _text(max(row.high for row in rows))
        texts.append(
            f"{count} pictures of {of} use {max(part, 0):.0%} of their range {where} "
            f"(they go from {low} to {high}, e.g. {first}): little is left of them in "
            f"8 bits. {more}"
        )
    outside = [row for row in rows if not brightness.fits(row.low, row.high, whole)]
    if outside:
        texts.append(
            f"{len(outside)} of {count} pictures have {of} outside of {where}, which "
            f"are clipped (e.g. {Path(outside[0].path).name}: "
            f"{_text(outside[0].low)} to {_text(outside[0].high)})"
        )
    gone = {row.place for row in outside}
    far = [r for r in rows if r.peak - white > white - black and r.place not in gone]
    if far:
        texts.append(
            f"{len(far)} of {count} pictures have a few {of} far above {where}, which "
            "are clipped as if they were hot pixels (e.g. "
            f"{Path(far[0].path).name}: up to {_text(far[0].peak)})"
        )
    return texts


def deep_files(
    paths: Sequence[Path], max_pixels: int = image_formats.MAX_PIXELS
) -> list[Row]:
    """Return what is known of those files that may have more than 8 bits."""
    rows = []
    for path in paths:
        head = b""
        # A pipe could not be read once more.
        if path.is_file():
            with contextlib.suppress(OSError), open(path, "rb") as file:
                head = file.read(_HEAD)
        kind = image_formats.sniff(head)
        if kind in _DEEP or kind == "png" and head[24:25] == b"\x10":
            rows.append(examine(path, max_pixels))
    return rows


def of_files(
    paths: Sequence[Path],
    ranges: Ranges | None = None,
    max_pixels: int = image_formats.MAX_PIXELS,
) -> Ranges:
    """Return the ranges for some pictures, and say what was chosen, or looks wrong.

    Args:
        paths: The files; those that cannot be read are passed over.
        ranges: Those of a training; None where the pictures are of no data set, and
            have a range by all of them.
        max_pixels: Height times width of a picture, at most.
    """
    rows = deep_files(paths, max_pixels)
    if ranges is not None:
        report(rows, ranges)
        return ranges
    choice = choose("auto", rows)
    for text in choice.notes:
        console.note(text)
    for text in choice.warnings:
        console.warn_once(text)
    return choice.ranges


def report(rows: Sequence[Row], ranges: Ranges) -> None:
    """Say what looks wrong with pictures that a training has not seen."""
    for text in (*strangers(rows, ranges), *warnings(rows, ranges)):
        console.warn_once(text)
