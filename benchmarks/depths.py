"""What is lost where the same pictures are stored with more bits, or with a sign.

python benchmarks/depths.py PICTURES [--seeds 3] [--output FILE] [-- FLAGS OF TRAIN]

PICTURES has a folder for each class. All are made grey and written as PNG of 8 bits,
and as TIFF of 10 and 12 bits in 16, floats and signed numbers; each of these sets is
trained on with the same seeds. The interval is that of Student's t, 95 %, over them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from results import tell
from seeds import results

from tfpipeline.core import image_io
from tfpipeline.core.image_formats import ImageError
from tfpipeline.metrics.statistics import mean_interval

# How samples are stored: their type, white, and black.
SETS = {
    "8 bits": ("uint8", 255, 0),
    "10 in 16 bits": ("uint16", 1023, 0),
    "12 in 16 bits": ("uint16", 4095, 0),
    "float 0..1": ("float32", 1, 0),
    "float 0..4095": ("float32", 4095, 0),
    # Pillow writes signed numbers of 32 bits alone.
    "signed -1024..3071": ("int32", 3071, -1024),
}


def write(pictures: Path, folder: Path, kind: str, white: int, black: int) -> int:
    """Write all pictures in one way; return how many there are."""
    count = 0
    for path in sorted(pictures.glob("*/*")):
        try:
            colours = image_io.decode(path)
        except ImageError:
            continue
        grey = np.asarray(Image.fromarray(colours).convert("L"), np.float64)
        values = grey / 255 * (white - black) + black
        values = values if kind == "float32" else values.round()
        suffix = "png" if kind == "uint8" else "tif"
        file = folder / path.parent.name / f"{path.stem}_{count}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.astype(kind)).save(file)
        count += 1
    return count


def main() -> None:
    """Print the accuracies; write JSON where asked to."""
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(words[:split])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, how in SETS.items():
            source = Path(folder) / name.replace(" ", "_")
            count = write(given.pictures, source, *how)
            flags = ["--data.source", str(source), *words[split + 1 :]]
            runs = results(flags, given.seeds, Path(folder) / "runs")
            accuracies = [run["test"]["accuracy"] for run in runs]
            mean, half = mean_interval(accuracies)
            row = {"stored": name, "pictures": count, "accuracies": accuracies}
            rows.append({**row, "mean": mean, "half_interval": half})
            print(f"{name}: {mean:.3f} +- {half:.3f}", file=sys.stderr)
    tell({"flags": words[split + 1 :], "sets": rows}, given.output)


if __name__ == "__main__":
    main()
