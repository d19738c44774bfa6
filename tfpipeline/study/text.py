"""What `study` says at its end, in a few lines."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline.core.checks import unasked
from tfpipeline.core.console import Closing
from tfpipeline.study import score_table
from tfpipeline.study.result_json import RESULT
from tfpipeline.study.shot_counts import ALL

Row = Mapping[str, Any]


def closing_words(
    result: Mapping[str, Any], output: Path, page: Path | None
) -> Closing:
    """Return the table of a study in words.

    Args:
        result: What was written.
        output: Where to.
        page: About it; None where there is none.
    """
    summary = result["summary"]
    entries: dict[tuple[str, str], list[Row]] = {}
    for entry in summary["means"]:
        if entry["shots"] == ALL and entry["method"] != "neighbours":
            key = (entry["source"], entry["backbone"])
            entries.setdefault(key, []).append(entry)
    items = []
    pairs = {(p["source"], p["backbone"]): p for p in summary["pairs"]}
    for key, some in entries.items():
        accuracies = ", ".join(f"{entry['method']} {told(entry)}" for entry in some)
        first, against = some[0], ""
        if math.isfinite(first.get("gain", math.nan)):
            against = (
                f"{first['method']} {first['gain']:+.3f} over untrained "
                f"{first['gain_against']}; "
            )
        items.append(
            f"{score_table.short(key[0])}, {key[1]}: {accuracies} "
            f"({against}{pairs[key]['milliseconds']:.1f} ms an image)"
        )
    advice = [
        f"{score_table.short(entry['source'])}: take {entry['backbone']} "
        f"({entry['reason']})."
        for entry in result["recommendation"]
    ]
    failed = [
        f"Failed: {entry['source']}, {entry['backbone']}: {entry['error']}"
        for entry in summary["failed"]
    ]
    chosen = result["checks"]["validation_images"]
    unchosen = [chosen["otherwise"]] if chosen["passed"] is False else []
    done = ["Accuracy on test images, learned from all examples:"]
    commands = [f"Train it: {one['command']}" for one in result["recommendation"]]
    if len(commands) > 1:
        commands = [f"The commands that train these: `recommendation` in {RESULT}"]
    # Advice is what it was made for: it stands before the table's rows.
    items += unasked(result["checks"])
    careful = [*failed, *unchosen, *advice]
    return Closing(done, items, careful, RESULT, page or output, commands)


def told(entry: Row) -> str:
    """Return a mean with its interval.

    Args:
        entry: Of `means`.
    """
    half = entry["half_interval"]
    return f"{entry['accuracy']:.3f}" + ("" if math.isnan(half) else f" ± {half:.3f}")
