"""What every benchmark does with its result."""

import json
from pathlib import Path
from typing import Any


def tell(result: dict[str, Any], output: Path | None) -> None:
    """Print a result as JSON; write it to a file as well where asked to."""
    text = json.dumps(result, indent=2)
    print(text)
    if output:
        output.write_text(text + "\n")
