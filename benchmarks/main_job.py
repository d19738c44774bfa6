"""The main job against plain Keras scripts: whole processes, in one run.

python benchmarks/main_job.py ROOT [--epochs 10 ...] [--images 600 ...] [--rounds 5]
                                   [--peers features keras] [--cached]
                                   [--output FILE.json]

ROOT holds `train/` and `test/`, each with one folder a class. Every round runs the two
workflows of Keras' guide (`features`: the base runs once; `keras`: a frozen base in
every epoch), this package with an empty cache, and this package again, one after
another, so that what else the machine does falls on all. Speeds are medians of the
ratios of the rounds. Where there are fewer pictures than `--images` asks for they are
repeated, each copy with other bytes behind its end, so that it is read and computed
anew. All learn from all of them: there are no validation images. With `--cached` the
frozen base gets decoded images that are kept in memory after the first epoch.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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

PEERS, OURS = ("features", "keras"), ("first", "again")


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
    script: str, root: Path, epochs: int, network: tuple[str, int], cached: bool
) -> dict[str, float]:
    """Return seconds, peak memory and test accuracy of a plain Keras script."""
    words = [sys.executable, str(HERE / script), str(root), str(epochs)]
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
    peers: Sequence[str] = PEERS,
) -> dict[str, Any]:
    """Return the medians of all over some rounds, and ratios of the scripts to ours."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (*peers, *OURS)}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name in peers:
                script = "keras_features_script.py" * (name == "features")
                script, keep = script or "keras_script.py", cached and not script
                found[name].append(keras_script(script, root, epochs, network, keep))
            for name in OURS:
                run = this_package(root, epochs, network, Path(folder))
                found[name].append(run)
    result: dict[str, Any] = {}
    for name, rows in found.items():
        result[name] = {
            key: middle([row[key] for row in rows])
            for key in rows[0]
            if key != "phases"
        }
        for peer in peers:
            both = zip(found[peer], rows)
            ratios = [other["seconds"] / row["seconds"] for other, row in both]
            key = "times_as_fast" if peer == "keras" else f"times_as_fast_as_{peer}"
            result[name] |= spread(key, ratios)
        if "phases" in rows[0]:
            result[name]["phases"] = {
                key: statistics.median(row["phases"].get(key, 0.0) for row in rows)
                for key in rows[0]["phases"]
            }
    return result


def table(rows: list[dict[str, Any]]) -> str:
    """Return what was measured for people to read."""
    lines = [
        f"{'':52}{'seconds':>9}{'accuracy':>10}{'peak MB':>9}{'times as fast as':>24}",
        f"{'':80}{'once':>12}{'each epoch':>12}",
    ]
    titles = {
        "features": "Keras, base run once",
        "keras": "Keras, base in each epoch",
        "first": "tfpipeline, first run",
        "again": "tfpipeline, features cached",
    }
    for row in rows:
        for name in (n for n in titles if n in row):
            one = row[name]
            title = f"{row['images']} images, {row['epochs']} epochs: {titles[name]}"
            keys = ("times_as_fast_as_features", "times_as_fast")
            ratios = "".join(f"{one.get(key, math.nan):12.1f}" for key in keys)
            lines.append(
                f"{title:52}{one['seconds']:9.1f}{one['accuracy']:10.3f}"
                f"{one['peak_mb']:9.0f}{ratios}"
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
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
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
                found = measure(
                    root, epochs, network, given.rounds, given.cached, given.peers
                )
                named = {"images": images, "different": different, "epochs": epochs}
                rows.append(named | found)
                print(table(rows[-1:]), flush=True)
    result = {"rounds": given.rounds, "network": network, "cached": given.cached}
    result["rows"] = rows
    if given.output:
        tell(result, given.output)


if __name__ == "__main__":
    main()
