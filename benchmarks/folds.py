"""Wrong labels that are found with folds and without, and what folds cost.

python benchmarks/folds.py IMAGES [--seeds 3] [--folds 5] [--output FILE.json]

IMAGES holds `cats_vs_dogs/train` and `oxford_pets`, folders of class folders. Of the
training labels 5 % are made wrong, and `train` runs twice in processes of its own, with
cached features: as it is, and with folds. A training image is suspected where
`cleaning.csv` has a suspicion above 0. Recall is the share of wrong labels that are
suspected, precision the share of suspects that are wrong, both among training images.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import tell

SETS = {"cats_vs_dogs": "cats_vs_dogs/train", "oxford_pets": "oxford_pets"}

SHARE = 0.05


def planted(root: Path, seed: int, file: Path) -> set[str]:
    """Write a CSV of images with splits and some wrong labels; return their ids.

    Args:
        root: A folder of class folders.
        seed: Of splits and of what is wrong.
        file: The CSV.
    """
    rng = np.random.default_rng(seed)
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    rows, wrong = [], set()
    for name in classes:
        files = sorted(f for f in (root / name).iterdir() if f.is_file())
        order = rng.permutation(len(files))
        for place, i in enumerate(order):
            share = (place + 0.5) / len(files)
            split = "test" if share < 0.15 else "validation" if share < 0.3 else "train"
            label = name
            if split == "train" and rng.random() < SHARE:
                label = str(rng.choice([c for c in classes if c != name]))
                wrong.add(str(files[i]))
            rows.append((str(files[i]), label, split))
    with open(file, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(("path", "label", "split"))
        writer.writerows(rows)
    return wrong


def train(source: Path, folder: Path, cache: Path, folds: int) -> float:
    """Train in a process of its own and return its seconds.

    Args:
        source: The CSV.
        folder: Of the run.
        cache: Shared by all runs.
        folds: Number of folds, or 0.
    """
    command = [sys.executable, "-m", "tfpipeline.train", str(source), "--quiet"]
    command += ["--workdir", str(folder), "--cache_dir", str(cache)]
    command += ["--model.backbone", "MobileNetV2", "--model.alpha", "0.35"]
    command += ["--model.weights", "imagenet", "--model.image_size", "224"]
    started = time.perf_counter()
    subprocess.run([*command, "--data.folds", str(folds)], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Print recall and precision of suspects, and seconds, of each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, below in SETS.items():
            root = given.images / below
            rows = []
            for seed in range(given.seeds):
                source = folder / f"{name}-{seed}.csv"
                wrong = planted(root.absolute(), seed, source)
                if not seed:
                    train(source, folder / f"{name}-warm", folder / "cache", 0)
                for folds in (0, given.folds):
                    run = folder / f"{name}-{seed}-{folds}"
                    seconds = train(source, run, folder / "cache", folds)
                    rows.append(measured(run, wrong, folds, seconds))
            found[name] = summary(rows)
    tell(found, given.output)


def measured(
    run: Path, wrong: set[str], folds: int, seconds: float
) -> dict[str, float]:
    """Return what a run has found of the wrong labels.

    Args:
        run: Its folder.
        wrong: Ids of the images with wrong labels.
        folds: That it had.
        seconds: That it took.
    """
    with open(run / "cleaning.csv", newline="", encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened) if row["split"] == "train"]
    suspects = {row["id"] for row in rows if float(row["suspicion"]) > 0}
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    inside = len(suspects & wrong)
    return {
        "folds": folds,
        "wrong": len(wrong),
        "suspected": len(suspects),
        "found": inside,
        "test_accuracy": metrics["test"]["accuracy"],
        "seconds": seconds,
    }


def summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return recall and precision over all seeds, with folds and without.

    Args:
        rows: What `measured` returned.
    """
    result = {}
    for folds in sorted({int(row["folds"]) for row in rows}):
        own = [row for row in rows if row["folds"] == folds]
        wrong, suspected, inside = (
            sum(row[key] for row in own) for key in ("wrong", "suspected", "found")
        )
        result[f"{folds} folds"] = {
            "wrong": wrong,
            "recall": inside / max(1, wrong),
            "precision": inside / max(1, suspected),
            "suspected": suspected,
            "seconds": float(np.median([row["seconds"] for row in own])),
        }
    return result


if __name__ == "__main__":
    main()
