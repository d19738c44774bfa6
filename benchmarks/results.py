"""What every benchmark does with its result."""

import json
import time
from pathlib import Path
from typing import Any

from tfpipeline import machine, manifest


def about() -> dict[str, Any]:
    """Return on what machine, with what versions and when something was measured."""
    return {
        "machine": machine.about(),
        "versions": manifest.versions(),
        "date": time.strftime("%Y-%m-%d"),
    }


def tell(result: dict[str, Any], output: Path | None) -> None:
    """Print a result as JSON, with `about()`; write it to a file where asked to."""
    text = json.dumps(about() | result, indent=2)
    print(text)
    if output:
        output.write_text(text + "\n")
