"""The page of an audit: what was opened, and everything remarkable with its picture."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tfpipeline.core import image_io, provenance
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.image_formats import ImageError
from tfpipeline.data import duplicates, quality
from tfpipeline.data.quality import Suspect
from tfpipeline.data.review import Review
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source
from tfpipeline.report import html
from tfpipeline.report.closing import data_lines

# The headline where such a finding is the first, for by each a result may be wrong.
HEADLINES = {
    "label_conflict": (
        "group of identical files in two classes",
        "groups of identical files in two classes",
    ),
    "across_splits": (
        "image looks like one in another split",
        "images look like ones in another split",
    ),
    "groups_cut": ("group is in several splits", "groups are in several splits"),
    "unusable": ("file cannot be used", "files cannot be used"),
    quality.FLAT: ("picture has a single colour", "pictures have a single colour"),
}

# What equal files have that cannot both be right, by target.
CONFLICTS = {targets.MULTI: "with different labels", targets.NUMBER: "with two numbers"}

# Pictures or pairs of each kind, at most; findings.csv has all.
SHOWN = 40

# Rows of a table, at most.
SHOWN_ROWS = 500

# Pixels of the longer side of a thumbnail.
SIDE = 240


class Audited(NamedTuple):
    """What an audit knows."""

    source: Source
    rows: Sequence[Row]
    alike: Sequence[Sequence[int]]
    suspects: Sequence[Suspect]
    review: Review
    ranges: Ranges = WHOLE


def write(file: Path, audited: Audited, sheets: Sequence[Path]) -> None:
    """Write the page.

    Args:
        file: The page.
        audited: What it tells.
        sheets: The contact sheet, where there is one, and others that are not shown.
    """
    source, rows = audited.source, audited.rows
    sheet = next((s for s in sheets if s.name == "contact_sheet.png"), None)
    bad = [(source.ids[i], row.reason) for i, row in enumerate(rows) if row.reason]
    head, lines = data_lines(audited.review)
    first = next(iter(audited.review.findings), None)
    headline = HEADLINES.get(first.kind) if first else None
    words = [_of_target(source, text) for text in headline or ()]
    html.write(
        file,
        "audit.html",
        source=source.name,
        head=head,
        lines=lines,
        heading=html.count(first.count, *words) if first and words else "",
        review=audited.review,
        table=_table(source, rows),
        sheet=html.picture(sheet) if sheet else None,
        bad=bad[:SHOWN_ROWS],
        bad_count=len(bad),
        galleries=[gallery for gallery in _galleries(audited) if gallery["count"]],
        names=[path.name for path in sheets],
        how={"command": provenance.command(), "versions": provenance.versions()},
    )


def _of_target(source: Source, text: str) -> str:
    """Return words on equal files with two labels as they are for a target."""
    return text.replace(
        "in two classes", CONFLICTS.get(source.target, "in two classes")
    )


def _table(source: Source, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the number of usable images of each class in each split."""
    splits = [split for split in dict.fromkeys(source.split) if split]
    columns = splits + ([""] if "" in source.split else [])
    labels = source.label.tolist()
    counts = Counter(
        (label, split)
        for label, split, row in zip(labels, source.split, rows)
        if not row.reason
    )
    return {
        "splits": [split or "images" for split in columns],
        "rows": [
            (name, [counts[index, split] for split in columns])
            for index, name in enumerate(source.strata)
        ],
    }


def _galleries(audited: Audited) -> Iterator[dict[str, Any]]:
    """Yield each kind of finding: a title, what it means, and its pictures."""
    source, rows, alike, suspects = audited[:4]
    copies = duplicates.pairs(duplicates.exact(rows))
    near = duplicates.pairs(alike)
    conflicts = [(a, b) for a, b in copies if source.said(a) != source.said(b)]
    across = [(a, b) for a, b in near if source.split[a] != source.split[b]]
    equal, leaked = set(copies), set(across)
    within = [pair for pair in near if pair not in leaked and pair not in equal]
    flat = [i for i, row in enumerate(rows) if row.warning.startswith(quality.FLAT)]
    yield _of_pairs(
        audited,
        ("conflicts", _of_target(source, "Identical files in two classes")),
        (
            "The same picture has two labels: one of them is wrong, or the picture "
            "shows both classes."
            if source.target in targets.CLASSES
            else "The same picture is listed twice: not both rows can be right."
        ),
        conflicts,
    )
    yield _of_pairs(
        audited,
        ("leaks", "Pictures that look alike in different splits"),
        "A test image that looks like a training image makes the measured accuracy "
        "too high. --data.group near puts both into one split; if the source defines "
        "its splits, move one of the two.",
        across,
    )
    yield {
        **{"id": "flat", "title": "Pictures of one colour", "count": len(flat)},
        "lead": "Nothing can be learned from them.",
        "items": [
            _item(audited, [i], rows[i].warning.removeprefix(f"{quality.FLAT}: "))
            for i in flat[:SHOWN]
        ],
    }
    yield {
        **{"id": "quality", "title": "Unusual pictures"},
        "count": len({suspect.position for suspect in suspects}),
        "lead": "Blurred, dark, bright, nearly empty, or unlike the others in size, "
        "aspect ratio or colour; the most unusual first.",
        "items": [
            _item(audited, [s.position], f"{s.kind.replace('_', ' ')}: {s.detail}")
            for s in suspects[:SHOWN]
        ],
    }
    yield _of_pairs(
        audited,
        ("copies", "Pictures that look alike in one split"),
        "For example, bursts of a camera, or one picture at two sizes. They count as "
        "several images, but add little information.",
        within,
    )


def _of_pairs(
    audited: Audited, name: tuple[str, str], lead: str, pairs: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    items = [_item(audited, pair, "") for pair in pairs[:SHOWN]]
    about = {"id": name[0], "title": name[1], "lead": lead}
    return {**about, "count": len(pairs), "items": items}


def _item(audited: Audited, positions: Iterable[int], says: str) -> dict[str, Any]:
    """Return pictures side by side, with what is to be said of them."""
    source, inside, names = audited.source, {}, []
    for i in positions:
        uri = _thumbnail(audited.rows[i], audited.ranges)
        if uri is not None:
            inside[source.ids[i]] = uri
        names.append((source.ids[i], source.said(i), source.split[i]))
    return {"inside": inside, "names": names, "says": says}


def _thumbnail(row: Row, ranges: Ranges) -> str | None:
    """Return a small copy as a data URI; None where the file has gone meanwhile."""
    try:
        data = image_io.content(row.path, row.offset, row.length)
        pixels = row.height * row.width
        image = image_io.decode(
            data, ranges=ranges, at_least=(SIDE, SIDE), max_pixels=pixels
        )
    except (ImageError, OSError):
        return None
    height, width = image.shape[:2]
    # As it is where it is smaller, and never thinner than can be seen.
    scale = min(1.0, SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    shown = Image.fromarray(image).resize(size, Image.Resampling.BOX)
    return html.data_uri(shown)
