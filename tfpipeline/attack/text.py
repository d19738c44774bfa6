"""What `attack` says at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.core.console import Closing
from tfpipeline.models import load_network
from tfpipeline.report.closing import closing


def closing_words(
    result: Mapping[str, Any], output: Path, page: Path | None
) -> Closing:
    """Say in a few lines what was reached, and what to be careful of."""
    items, summary = result["images"], result["summary"]
    single = items[0]["figure"] if len(items) == 1 else None
    sheet = summary.get("overview") or single or summary["sheet"]
    return closing(
        "attack",
        page or output / sheet,
        "attack.json",
        result=result,
        epsilon=Epsilon,
        careful=load_network.careful(summary),
    )
