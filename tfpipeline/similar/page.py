"""The page of `similar`: each picture beside the training pictures nearest to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline.core.brightness import Ranges
from tfpipeline.predict.contact_sheet import small_copies
from tfpipeline.report import html

# Pictures on the page, at most, nearest ones of each, and the longer side of both.
SHOWN, NEAREST, PIXELS = 120, 8, 168


def write(file: Path, result: Mapping[str, Any], ranges: Ranges) -> None:
    """Write the page.

    Args:
        file: The page.
        result: As `similar.json` has it.
        ranges: What is black and white for the run.
    """
    # Where the classifier and the neighbours disagree comes first, then what is far.
    images = sorted(
        result["images"],
        key=lambda item: (
            item["class"] == item["nearest_class"],
            -item["neighbours"][0]["distance"],
        ),
    )[:SHOWN]
    names = [item["image"] for item in images]
    names += [n["path"] for item in images for n in item["neighbours"][:NEAREST]]
    names = list(dict.fromkeys(names))
    small = dict(zip(names, small_copies(names, PIXELS, ranges)))
    rows = [
        {
            **item,
            "small": small[item["image"]],
            "shown": [
                {**n, "small": small[n["path"]]} for n in item["neighbours"][:NEAREST]
            ],
        }
        for item in images
    ]
    html.write(
        file,
        "similar.html",
        summary=result["summary"],
        rows=rows,
        errors=result["errors"],
        packed=any(name.endswith(".tfrecord") for name in names),
        how=result["summary"],
    )
