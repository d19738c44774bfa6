"""Decoding by this build against another checkout of the package, in one run.

python benchmarks/decoding.py CHECKOUT FOLDER... [--images 2048] [--rounds 5]
                                                 [--output FILE.json]

CHECKOUT is a folder that holds the other `tfpipeline/`, as `git worktree add` makes it.
Each FOLDER has pictures at any depth, which are repeated where there are too few. A
round reads, decodes and resizes them to 224 px by the input pipeline of each build, in
a process of its own each, after a first pass that traces. `speed` is the time of the
other build over that of this one, round by round: above 1 this build is the faster.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from results import spread, tell

HERE = Path(__file__).resolve().parent.parent

# Runs in either build: only what both have.
_CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from tfpipeline.core import startup
with startup.quiet_start():
    from tfpipeline.data import pipeline, scan
paths = sorted(p for p in Path(sys.argv[1]).rglob("*") if p.is_file())
files = [row for row in scan.audit(paths, cache=None) if not row.reason]
reading = pipeline.Reading(224, 224, "squash", 32)
batches = pipeline.Batches(files, np.zeros(len(files), np.int32), reading)
for count in (64, int(sys.argv[2])):
    order, begun = np.resize(np.arange(len(files)), count), time.perf_counter()
    for _ in batches.plain(order):
        pass
    seconds = time.perf_counter() - begun
print(len(files), seconds)
"""


def seconds_of(build: Path, folder: Path, images: int) -> tuple[int, float]:
    """Return how many files a build reads, and its seconds for so many images."""
    words = [sys.executable, "-c", _CHILD, str(folder), str(images)]
    around = os.environ | {"PYTHONPATH": str(build)}
    done = subprocess.run(
        words, env=around, cwd=build, stdout=subprocess.PIPE, text=True, check=True
    )
    files, seconds = done.stdout.split()[-2:]
    return int(files), float(seconds)


def compare(other: Path, folder: Path, images: int, rounds: int) -> dict[str, Any]:
    """Return both builds' images a second, and how they compare."""
    taken: dict[Path, list[float]] = {other: [], HERE: []}
    files = dict[Path, int]()
    for turn in range(rounds):
        for build in (other, HERE) if turn % 2 else (HERE, other):
            files[build], seconds = seconds_of(build, folder, images)
            taken[build].append(seconds)
    return {
        "files": {"this": files[HERE], "other": files[other]},
        "images": images,
        "images_per_second": images / statistics.median(taken[HERE]),
        **spread("speed", [a / b for a, b in zip(taken[other], taken[HERE])]),
    }


def main() -> None:
    """Print how fast each folder is read; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    result = {
        folder.name: compare(
            given.checkout.resolve(), folder.resolve(), given.images, given.rounds
        )
        for folder in given.folders
    }
    tell({"folders": result}, given.output)


if __name__ == "__main__":
    main()
