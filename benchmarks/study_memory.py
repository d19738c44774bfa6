"""What a study holds in memory: of its neighbours, and of all of its networks.

python benchmarks/study_memory.py [--asked 10000] [--examples 50000] [--width 1280]
                                  [--networks 2 20] [--output FILE.json]

Each figure is the largest resident memory of a process of its own, in MB, as the system
says. `inputs` has the features alone; `neighbours` votes on them as well. A study of so
many networks is one of the drawn world with one untrained network at as many sizes,
so that the last is no larger than the first: what grows is what the study keeps.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from results import tell

from tfpipeline import cli

SIZES = (64, 96)  # Smallest and largest, in pixels.


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def neighbours(asked: int, examples: int, width: int, votes: bool) -> None:
    """Make features, and let the nearest vote where asked to."""
    from tfpipeline.study import probes

    rng = np.random.default_rng(0)
    x, z = (rng.standard_normal((n, width), np.float32) for n in (examples, asked))
    if votes:
        probes.neighbours(x, np.arange(examples) % 37, z, 37, 5)


def study(networks: int, folder: str) -> None:
    """Study the drawn world under so many networks."""
    from tfpipeline.config.study import StudySettings
    from tfpipeline.study.command import study

    # The order is no order of sizes: the second has the largest already.
    sizes = np.linspace(*SIZES[::-1], networks).round().astype(int).tolist()
    words = ["--data.demo_per_class", "12", "--seeds", "1", "--shots", "all"]
    words += ["--heads", "2", "--output", f"{folder}/out"]
    words += ["--cache_dir", f"{folder}/cache"]
    words += ["--backbones", *(f"MobileNetV2:1.0:none@{size}" for size in sizes)]
    if cli.main(study, StudySettings, words):
        raise SystemExit("The study has failed.")


def measured(*words: object) -> dict[str, float]:
    """Return what this script says of itself, started anew with some words."""
    started = time.perf_counter()
    given = [sys.executable, __file__, "--only", *map(str, words)]
    done = subprocess.run(given, stdout=subprocess.PIPE, text=True, check=True)
    peak = json.loads(done.stdout.splitlines()[-1])
    return {"peak_mb": peak, "seconds": time.perf_counter() - started}


def only(words: Sequence[str]) -> None:
    """Do one thing, and say at last what it took."""
    kind, *rest = words
    if kind == "study":
        study(int(rest[0]), rest[1])
    else:
        asked, examples, width = map(int, rest)
        neighbours(asked, examples, width, kind == "neighbours")
    print(peak_mb())


def main() -> None:
    """Print the peak memory of neighbours, and of studies of few and many networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("asked", 10_000), ("examples", 50_000), ("width", 1280)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--networks", type=int, nargs="*", default=[2, 20])
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    if given.only:
        only(given.only)
        return
    shape = (given.asked, given.examples, given.width)
    found: dict[str, object] = dict(zip(("asked", "examples", "width"), shape))
    for kind in ("inputs", "neighbours"):
        found[kind] = measured(kind, *shape)
    studies = {}
    for networks in given.networks:
        with tempfile.TemporaryDirectory() as folder:
            studies[str(networks)] = measured("study", networks, folder)
    tell({**found, "networks": studies}, given.output)


if __name__ == "__main__":
    main()
