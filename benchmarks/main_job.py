"""The main job against a plain Keras script: whole processes, in one run.

python benchmarks/main_job.py ROOT [--epochs 10] [--rounds 1] [--output FILE.json]

ROOT holds `train/` and `test/`, each with one folder a class. Every round runs Keras'
way, this package with an empty cache, and this package again, one after another, so
that what else the machine does falls on all three. Speeds are ratios of medians.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def timed(words: list[str]) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - started, done.stdout


def keras_script(root: Path, epochs: int) -> dict[str, float]:
    """Return seconds and test accuracy of the plain Keras script."""
    words = [sys.executable, str(HERE / "keras_script.py"), str(root), str(epochs)]
    seconds, printed = timed(words)
    found = json.loads(printed.strip().splitlines()[-1])
    return {"seconds": seconds, "accuracy": found["accuracy"]}


def this_package(root: Path, epochs: int, folder: Path, name: str) -> dict[str, float]:
    """Return seconds and test accuracy of `python -m tfpipeline.train`."""
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(root)]
    words += ["--model.backbone", "MobileNetV2", "--model.weights", "imagenet"]
    words += ["--train.epochs", str(epochs), "--cache_dir", str(folder / "cache")]
    seconds, _ = timed([*words, "--workdir", str(folder / name)])
    metrics = json.loads((folder / name / "metrics.json").read_text())
    return {"seconds": seconds, "accuracy": metrics["test"]["accuracy"]}


def measure(root: Path, epochs: int, rounds: int) -> dict[str, Any]:
    """Return the medians of all three over some rounds."""
    found: dict[str, list[dict[str, float]]] = {"keras": [], "first": [], "again": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found["keras"].append(keras_script(root, epochs))
            for name in ("first", "again"):
                run = this_package(root, epochs, Path(folder), name)
                found[name].append(run)
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }
    for row in medians.values():
        row["times_as_fast"] = medians["keras"]["seconds"] / row["seconds"]
    return medians


def main() -> None:
    """Print a table; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    medians = measure(given.root, given.epochs, given.rounds)
    titles = {
        "keras": f"Keras script, {given.epochs} epochs",
        "first": "tfpipeline, first run",
        "again": "tfpipeline, features cached",
    }
    print(f"{'':30}{'seconds':>9}{'accuracy':>10}{'times as fast':>15}")
    for name, row in medians.items():
        print(
            f"{titles[name]:30}{row['seconds']:9.1f}{row['accuracy']:10.3f}"
            f"{row['times_as_fast']:15.1f}"
        )
    if given.output:
        machine = {"processor": platform.processor(), "cores": os.cpu_count()}
        result = {"machine": machine, "rounds": given.rounds, **medians}
        given.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
