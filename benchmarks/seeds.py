"""One training over several seeds: its test accuracy with an interval.

python benchmarks/seeds.py [--seeds 3] [--first_seed 0] [--output FILE.json] -- FLAGS

Each seed draws its own split, initial weights and order. The interval is that of
Student's t at 95 %, over the seeds. `validation` is the accuracy by which settings are
to be chosen; `cpu_seconds` is the time of all cores, which other work on the machine
hardly changes. The first seed computes features that the others find in the cache.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results import tell

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.metrics.statistics import mean_interval
from tfpipeline.train.command import train


def results(
    flags: Sequence[str], seeds: int, folder: Path, first: int = 0
) -> list[dict[str, Any]]:
    """Return the metrics of one training a seed, from the first one on."""
    import keras

    found = []
    for seed in range(first, first + seeds):
        workdir = folder / f"seed{seed}"
        argv = [*flags, "--seed", str(seed), "--workdir", str(workdir)]
        begun = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            if cli.main(train, RunSettings, [*argv, "--overwrite", "true"]):
                raise SystemExit(2)
        keras.backend.clear_session()
        metrics = json.loads((workdir / "metrics.json").read_text())
        found.append(metrics | {"cpu_seconds": time.process_time() - begun})
    return found


def main() -> None:
    """Print the accuracies; write JSON where asked to."""
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(words[:split])
    with tempfile.TemporaryDirectory() as folder:
        runs = results(words[split + 1 :], given.seeds, Path(folder), given.first_seed)
    accuracies = [run["test"]["accuracy"] for run in runs]
    mean, half = mean_interval(accuracies)
    result = {
        "flags": words[split + 1 :],
        "n": runs[0]["test"]["n"],
        "accuracies": accuracies,
        "mean": mean,
        "half_interval": half,
        "validation": [run.get("validation", {}).get("accuracy") for run in runs],
        "seconds": [run["seconds"]["total"] for run in runs],
        "cpu_seconds": [run["cpu_seconds"] for run in runs],
    }
    tell(result, given.output)


if __name__ == "__main__":
    main()
