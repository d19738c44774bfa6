"""What pairs of runs come to, whatever they are compared by."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.metrics.significance import holm
from tfpipeline.report import html

# A difference is shown where chance alone makes one as large less often than this.
LEVEL = 0.05


def judge(rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to each comparison with the first run its corrected p, and what it shows."""
    tests = [row["against"] for row in rows if row["against"]]
    for against, p in zip(tests, holm([against["p"] for against in tests])):
        against["p_holm"] = p
        against["shown"] = p < LEVEL


def without_difference(
    rows: Sequence[Mapping[str, Any]],
    *,
    measured: bool,
    complete: bool,
    same_images: bool,
) -> str | None:
    """Return the headline where no difference is shown; None where one is.

    Args:
        rows: Of the runs, the first one being what the others are compared with.
        measured: Whether there are figures to compare.
        complete: Whether every run has them.
        same_images: Whether all were measured on the same images.
    """
    first, others = rows[0]["name"], rows[1:]
    pairs = [row for row in others if row["against"]]
    runs = html.count(len(rows), "run")
    if complete and not same_images:
        return f"{runs} that do not share all test images: no ranking"
    if not (measured and same_images and len(pairs) == len(others)):
        return f"{runs} side by side"
    if any(row["against"]["shown"] for row in pairs):
        return None
    if len(others) == 1:
        return f"No difference shown between {first} and {others[0]['name']}"
    return f"None of {len(others)} runs is shown to differ from {first}"


def how_many(shown: int, others: int) -> str:
    """Return how many of several runs differ, behind the words on the best one."""
    verb = "is" if shown == 1 else "are"
    return (
        f"; {shown} of {others} runs {verb} shown to differ from it"
        if others > 1
        else ""
    )
