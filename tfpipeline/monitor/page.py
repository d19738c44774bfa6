"""The page of `monitor`: whether there is drift, in what, and on which pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline.core.brightness import Ranges
from tfpipeline.predict.contact_sheet import small_copies
from tfpipeline.report import html

# Classes and unreadable files on the page, at most, and the longer side of a picture.
SHOWN, PIXELS = 200, 200


def write(file: Path, result: Mapping[str, Any], ranges: Ranges | None) -> None:
    """Write the page.

    Args:
        file: The page.
        result: As `monitor.json` has it; a row of `changed` has the `path` as well.
        ranges: What is black and white for the run, where pictures are shown.
    """
    changed = result["changed"]
    names = [row["path"] for row in changed]
    names += [one["path"] for row in changed for one in row["neighbours"]]
    names = list(dict.fromkeys(names))
    small = dict(zip(names, small_copies(names, PIXELS, ranges)))
    rows = []
    for row in changed:
        own = {
            "picture": small[row["path"]],
            "nearest": small[row["neighbours"][0]["path"]],
        }
        rows.append({**row, "inside": {k: v for k, v in own.items() if v}})
    html.write(
        file,
        "monitor.html",
        result=result,
        summary=result["summary"],
        changed=rows,
        packed=any(name.endswith(".tfrecord") for name in names),
        shares=result["shares"][:SHOWN],
        errors=result["errors"][:SHOWN],
        how=result["summary"],
    )
