"""How the work grows: with images, with classes, with workers; and on paper beyond.

python benchmarks/growth.py [--images 600 6000 60000] [--classes 2 37 1000]
                            [--workers 1 2 4] [--output FILE.json]

Whole trainings on drawn photographs of 160 x 120 pixels with the embedded MobileNetV2
0.35 at 96 pixels, three epochs of the head; every number in a fresh cache. Told are the
seconds of each phase, the peak memory, and, where it varies, the exponent by which they
grow: 1 is in proportion, 0 is not at all. Phases below a second tell nothing and are
left out. Workers are processes of one core each; with fewer cores than workers they
share, and no speed is to be had.

On paper, the measured costs of an image, a class and a step are carried on to 100
million images and 1,000 workers: what is large then.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from main_job import timed
from PIL import Image
from results import tell
from workers import run_pinned

# Of an image in the memory of every worker, as docs/distribution.md measures them.
_BYTES = 2181

SHAPE, PHASES = (120, 160), ("audit", "extract", "train", "evaluate", "report")


def write_pictures(folder: Path, count: int, classes: int) -> None:
    """Write so many different small JPEG files, evenly into class folders."""
    from tfpipeline.demo import photo_like

    some = [Image.fromarray(photo_like.picture(seed)) for seed in range(16)]
    small = [one.resize(SHAPE[::-1]) for one in some]
    for number in range(count):
        label = number % classes
        target = folder / f"{label:04d}" / f"{number:07d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        small[number % len(small)].save(target, "JPEG", quality=85)
        # Bytes behind the end make each file one of its own.
        with target.open("ab") as file:
            file.write(number.to_bytes(4, "big"))


def train(source: Path, scratch: Path, size: int, workers: int = 1) -> dict[str, Any]:
    """Return seconds by phase and peak memory of a training."""
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(source)]
    words += ["--model.weights", "demo", "--model.image_size", str(size)]
    words += ["--train.epochs", "3", "--overwrite", "true"]
    words += ["--workdir", str(scratch / "run"), "--cache_dir", str(scratch / "cache")]
    words += ["--data.group", "none", "--data.batch_size", str(32 * workers)]
    found: dict[str, Any] = {}
    if workers == 1:
        found, _ = timed(words)
    else:
        run_pinned(words, workers)
    metrics = json.loads((scratch / "run" / "metrics.json").read_text())
    return found | {name: metrics["seconds"][name] for name in PHASES}


def exponent(numbers: list[int], values: list[float], least: float) -> float | None:
    """Return the exponent of a power that fits some values; None if all are small."""
    if len(numbers) < 2 or max(values) < least:
        return None
    kept = [max(value, 1e-3) for value in values]
    return float(np.polyfit(np.log(numbers), np.log(kept), 1)[0])


def series(name: str, numbers: list[int], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was measured for some numbers, and how each part grows."""
    grows = {
        key: exponent(numbers, [row[key] for row in rows], 1.0)
        for key in rows[0]
        if all(key in row for row in rows)
    }
    named = [{name: number, **row} for number, row in zip(numbers, rows)]
    return {"rows": named, "exponents": {k: v for k, v in grows.items() if v}}


def on_paper(row: dict[str, Any], images: int) -> dict[str, float]:
    """Return what 100 million images and 1,000 workers come to, by measured costs.

    Args:
        row: Of the training with the most images.
        images: How many these were.
    """
    many, workers, width = 10**8, 1000, 1280
    each = {name: row[name] / images for name in ("audit", "extract")}
    trained = 0.7 * 3 * images
    return {
        "images": many,
        "workers": workers,
        "audit_hours_by_one": each["audit"] * many / 3600,
        "extract_hours_by_all": each["extract"] * many / workers / 3600,
        "epoch_minutes_by_one": row["train"] / trained * 0.7 * many / 60,
        "features_gb": many * width * 4 / 1e9,
        "splits_csv_gb": many * 150 / 1e9,
        "index_gb_in_memory": many * _BYTES / 1e9,
    }


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[600, 6000, 60000])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 37, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--per_class", type=int, default=10)
    parser.add_argument("--image_size", type=int, default=96)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    size = given.image_size
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = []
        for count in given.images:
            write_pictures(folder / f"i{count}", count, 2)
            rows.append(train(folder / f"i{count}", folder / f"of_i{count}", size))
        alone = rows[0]
        result["images"] = series("images", given.images, rows)
        result["on_paper"] = on_paper(rows[-1], given.images[-1])
        rows = []
        # As many images for any number of classes.
        count = given.per_class * max(given.classes)
        for classes in given.classes:
            write_pictures(folder / f"c{classes}", count, classes)
            rows.append(train(folder / f"c{classes}", folder / f"of_c{classes}", size))
        result["classes"] = series("classes", given.classes, rows)
        source = folder / f"i{given.images[0]}"
        rows = [
            # One worker has trained on them already.
            (
                alone
                if workers == 1
                else train(source, folder / f"of_w{workers}", size, workers)
            )
            for workers in given.workers
        ]
        result["workers"] = series("workers", given.workers, rows)
    tell(result, given.output)


if __name__ == "__main__":
    main()
