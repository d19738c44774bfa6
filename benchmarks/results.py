"""What every benchmark does with its result."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.core import hardware, provenance


def about() -> dict[str, Any]:
    """Return on what machine, with what versions and when something was measured."""
    return {
        "machine": hardware.about(),
        "versions": provenance.versions(),
        "date": time.strftime("%Y-%m-%d"),
    }


def spread(key: str, ratios: Sequence[float]) -> dict[str, Any]:
    """Return the median of what the rounds gave, and its range as `KEY_range`."""
    return {
        key: statistics.median(ratios),
        f"{key}_range": [min(ratios), max(ratios)],
    }


def spreads(key: str, ratios: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the same of several ways, by their names."""
    each = {name: spread(key, some) for name, some in ratios.items()}
    return {
        part: {name: one[part] for name, one in each.items()}
        for part in (key, f"{key}_range")
    }


def tell(result: dict[str, Any], output: Path | None) -> None:
    """Print a result as JSON, with `about()`; write it to a file where asked to."""
    text = json.dumps(about() | result, indent=2)
    print(text)
    if output:
        output.write_text(text + "\n")
