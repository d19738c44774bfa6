"""What the benchmarks with real weights have in common."""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ABOVE = Path(__file__).resolve().parent.parent
CONFIGS = ABOVE.parent / "configs"
sys.path.append(str(ABOVE))

from results import about  # noqa: E402
from seeds import results  # noqa: E402

__all__ = ("about", "results")

FILES = {"VGG16": "vgg16", "Xception": "xception"}
FLAT = ("--model.pooling", "flatten")
FEW = ("--preset", "few_shot", "--data.test_fraction", "0.3")


def config(name: str) -> tuple[str, ...]:
    """Return the flags that read a file of `configs/`."""
    return "--config", str(CONFIGS / f"{name}.yaml")


def network(name: str) -> tuple[str, ...]:
    """Return the flags of a network, like `MobileNet:0.25`."""
    backbone, _, alpha = name.partition(":")
    width = ("--model.alpha", alpha) if alpha else ()
    return ("--model.backbone", backbone, *width)


def weights(name: str, folder: Path | None) -> tuple[str, ...]:
    """Return the flags of a network's weights, those from a file where there is one."""
    name = name.partition(":")[0]
    if name == "PlainCNN":
        return ()
    if (stem := FILES.get(name)) is None or folder is None:
        return "--model.weights", "imagenet"
    return "--model.weights", str(folder / f"{stem}_notop.weights.h5")


def arguments(doc: str, seeds: int, unit: str) -> argparse.ArgumentParser:
    """Return the flags of a benchmark that trains each `unit` of a table by seeds."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--only", default="", help=f"{unit} that contain this text")
    parser.add_argument("--cache_dir", default=tempfile.gettempdir() + "/lesson_cache")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--docs", type=Path)
    return parser


def read(output: Path | None) -> dict[str, Any]:
    """Return the rows that an earlier, perhaps interrupted, benchmark has left."""
    if output is None or not output.exists():
        return {}
    rows: dict[str, Any] = json.loads(output.read_text())["rows"]
    return rows


def write(output: Path | None, rows: dict[str, Any]) -> None:
    """Keep the rows that there are, where a file is named."""
    if output is not None:
        output.write_text(json.dumps(about() | {"rows": rows}, indent=2) + "\n")


def insert(page: Path, name: str, text: str) -> None:
    """Put a table between the marks of a page."""
    marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    new, count = re.subn(
        marks, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page.read_text(), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{page}: expected the marks of {name} once.")
    page.write_text(new)
