"""A page with the pictures that were predicted, the least sure first."""

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tfpipeline.core import hardware, image_formats, image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.data import sample_ranges
from tfpipeline.data.inspect_file import examine
from tfpipeline.data.scan_cache import Row
from tfpipeline.report import html

# Pictures on the page, at most, and the longer side of each: 8 MB of photographs.
SHOWN, PIXELS = 600, 224

# Files without an answer on the page, at most.
SHOWN_ERRORS = 200


def write(
    file: Path,
    rows: Sequence[Mapping[str, Any]],
    model: str,
    ranges: Ranges | None = None,
) -> None:
    """Write the page, whole or not at all.

    Args:
        file: The page.
        rows: As `answers.rows` returns them.
        model: What answered, as the user named it.
        ranges: What is black and white for it; None where that is not known.
    """
    answered = [row for row in rows if not row["error"]]
    bad = [row for row in rows if row["error"]]
    answered.sort(key=lambda row: float(row["probability"]))
    shown = answered[:SHOWN]
    small = small_copies([row["id"] for row in shown], PIXELS, ranges)
    pictures = [{**row, "small": uri} for row, uri in zip(shown, small)]
    refused = sum(row["accepted"] is False for row in answered)
    html.write(
        file,
        "predictions.html",
        model=model,
        count=len(rows),
        answered=len(answered),
        refused=refused,
        tells=bool(answered) and "known" in answered[0],
        strangers=sum(row.get("known") is False for row in answered),
        is_known=all(row["accepted"] is not None for row in answered),
        reasons=list(filter(None, {r["accepted_reason"]: None for r in answered})),
        classes=list(_classes(answered)),
        pictures=pictures,
        bad=bad[:SHOWN_ERRORS],
        bad_count=len(bad),
    )


def small_copies(
    names: Sequence[str], pixels: int, ranges: Ranges | None = None
) -> list[str | None]:
    """Return files as small data URIs; None for what cannot be read, or is gone.

    Those of more than 8 bits have one range together where the model's is not known.
    """
    with ThreadPoolExecutor(hardware.cores()) as pool:
        rows = list(pool.map(lambda name: examine(Path(name)), names))
        known = ranges or sample_ranges.choose("auto", rows).ranges
        return list(pool.map(lambda row: _small(row, pixels, known), rows))


def _small(row: Row, pixels: int, ranges: Ranges) -> str | None:
    if row.reason:
        return None
    with contextlib.suppress(image_formats.ImageError):
        content, size = image_io.content(Path(row.path)), row.height * row.width
        return html.thumbnail(content, pixels, ranges, size)
    return None


def _classes(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a row a class that was predicted, the most frequent first."""
    ordered = sorted(rows, key=lambda row: str(row["label"]))
    groups = itertools.groupby(ordered, lambda row: str(row["label"]))
    members = {label: list(group) for label, group in groups}
    for label, n in Counter({k: len(v) for k, v in members.items()}).most_common():
        own = members[label]
        yield {
            "label": label,
            "n": n,
            "probability": sum(float(row["probability"]) for row in own) / n,
            "refused": sum(row["accepted"] is False for row in own),
        }
