"""The main job against a plain Keras script: whole processes, in one run.

python benchmarks/main_job.py ROOT [--epochs 10 ...] [--images 600 ...] [--rounds 5]
                              [--cached] [--output FILE.json]

ROOT holds `train/` and `test/`, each with one folder a class. Every round runs Keras'
way, this package with an empty cache, and this package again, one after another, so
that what else the machine does falls on all three. Speeds are medians of the ratios of
the rounds. Where there are fewer pictures than `--images` asks for they are repeated,
each copy with other bytes behind its end, so that it is read and computed anew. Both
learn from all of them: there are no validation images. With
`--cached` Keras' way keeps its decoded images in memory after the first epoch.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import copies
from results import spread, tell

HERE = Path(__file__).resolve().parent

# A process of its own whose only child is the command: its peak is the command's.
_CHILD = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run(sys.argv[1:])\n"
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
    "print(peak)\nsys.exit(done.returncode)\n"
)

WAYS = ("keras", "first", "again")


def timed(words: list[str]) -> tuple[dict[str, float], list[str]]:
    """Run a command; return its seconds and peak memory, and the lines it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *words], stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - started
    *lines, peak = done.stdout.strip().splitlines()
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(words)}")
    return {"seconds": seconds, "peak_mb": int(peak) / 1024}, lines


def keras_script(
    root: Path, epochs: int, network: tuple[str, int], cached: bool
) -> dict[str, float]:
    """Return seconds, peak memory and test accuracy of the plain Keras script."""
    words = [sys.executable, str(HERE / "keras_script.py"), str(root), str(epochs)]
    words += [network[0], str(network[1]), *["cache"] * cached]
    found, lines = timed(words)
    return found | {"accuracy": json.loads(lines[-1])["accuracy"]}


def this_package(
    root: Path, epochs: int, network: tuple[str, int], folder: Path
) -> dict[str, Any]:
    """Return the same of `python -m tfpipeline.train`, and the seconds by phase."""
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(root)]
    words += ["--model.backbone", network[0], "--model.weights", "imagenet"]
    words += ["--model.image_size", str(network[1]), "--overwrite", "true"]
    words += ["--train.epochs", str(epochs), "--cache_dir", str(folder / "cache")]
    # As the script, which learns from all of them and has no validation images.
    words += ["--data.validation_fraction", "0"]
    found, _ = timed([*words, "--workdir", str(folder / "run")])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    phases = metrics["seconds"]
    counted = sum(phases[name] for name in ("import", "extract"))
    epoch_seconds = json.loads((folder / "run" / "manifest.json").read_text())
    each = epoch_seconds["epoch_seconds"]
    # The first epoch traces, so it takes several to tell how long one is without that.
    several = len(each) >= 3
    learning = len(each) * statistics.median(each) if several else 0.0
    return {
        **found,
        "accuracy": metrics["test"]["accuracy"],
        "overhead_seconds": (
            found["seconds"] - counted - learning if several else None
        ),
        "phases": phases,
    }


def middle(values: list[float | None]) -> float | None:
    """Return the median, or None where nothing was measured."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def measure(
    root: Path,
    epochs: int,
    network: tuple[str, int],
    rounds: int,
    cached: bool = False,
) -> dict[str, Any]:
    """Return the medians of all three over some rounds, and ratios to Keras' way."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found["keras"].append(keras_script(root, epochs, network, cached))
            for name in ("first", "again"):
                run = this_package(root, epochs, network, Path(folder))
                found[name].append(run)
    result: dict[str, Any] = {}
    for name, rows in found.items():
        ratios = [k["seconds"] / row["seconds"] for k, row in zip(found["keras"], rows)]
        result[name] = {
            **{
                key: middle([row[key] for row in rows])
                for key in rows[0]
                if key != "phases"
            },
            **spread("times_as_fast", ratios),
        }
        if "phases" in rows[0]:
            result[name]["phases"] = {
                key: statistics.median(row["phases"].get(key, 0.0) for row in rows)
                for key in rows[0]["phases"]
            }
    return result


def table(rows: list[dict[str, Any]]) -> str:
    """Return what was measured for people to read."""
    lines = [
        f"{'':44}{'seconds':>9}{'accuracy':>10}{'peak MB':>9}{'times as fast':>15}"
    ]
    titles = {
        "keras": "Keras script",
        "first": "tfpipeline, first run",
        "again": "tfpipeline, features cached",
    }
    for row in rows:
        for name in WAYS:
            one = row[name]
            title = f"{row['images']} images, {row['epochs']} epochs: {titles[name]}"
            lines.append(
                f"{title:44}{one['seconds']:9.1f}{one['accuracy']:10.3f}"
                f"{one['peak_mb']:9.0f}{one['times_as_fast']:15.1f}"
            )
    return "\n".join(lines)


def main() -> None:
    """Print a table; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10])
    parser.add_argument("--images", type=int, nargs="+", default=[600])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="MobileNetV2")
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--cached", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    network = (given.backbone, given.image_size)
    rows = []
    for images in given.images:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "pictures"
            different = copies.write(given.root, root, images)
            for epochs in given.epochs:
                found = measure(root, epochs, network, given.rounds, given.cached)
                named = {"images": images, "different": different, "epochs": epochs}
                rows.append(named | found)
                print(table(rows[-1:]), flush=True)
    result = {"rounds": given.rounds, "network": network, "cached": given.cached}
    result["rows"] = rows
    if given.output:
        tell(result, given.output)


if __name__ == "__main__":
    main()
