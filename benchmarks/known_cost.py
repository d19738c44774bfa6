"""What `known` costs: `predict` with the novelty of a run, and without it.

python benchmarks/known_cost.py RUN IMAGES [--rounds 9] [--output FILE.json]

IMAGES is a folder of pictures, RUN a finished run that keeps its novelty. A second
folder holds the same run without `novelty.json`, so that its answers lack `novelty` and
`known`. In each round both answer all pictures, reading and decoding included, one
directly after the other and in alternate order; the network is loaded and traced
before. The ratio of each round is told, and the answers are compared: classes and
probabilities have to be equal.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from results import spread, tell

from tfpipeline.core import startup
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import scan
from tfpipeline.data.sources import listing
from tfpipeline.predict import answers

with startup.quiet_start():
    from tfpipeline.evaluate import run_inputs


def opened(run: Path) -> answers.Ask:
    """Return what asks the run, as `predict` does; its network is in memory."""
    folder = RunFolder(run)
    ready = run_inputs.ready(folder)
    calibration = run_inputs.calibration_of(folder)
    return answers.of_ready(ready, calibration, 5, "tensorflow")


def main() -> None:
    """Print the ratio of each round, and what both said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    files = scan.audit(listing.named_files([str(given.images)]), cache=None)
    files = [row for row in files if not row.reason]
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(shutil.copytree(given.run, Path(folder) / "plain"))
        for file in (RunFolder(plain).novelty, RunFolder(plain).novelty_arrays):
            file.unlink()
        asks = {"with": opened(given.run), "without": opened(plain)}
    said: dict[str, list[Any]] = {name: ask(files) for name, ask in asks.items()}
    assert all(answer.novelty is not None for answer in said["with"])
    assert all(answer.novelty is None for answer in said["without"])
    assert all(
        a.labels == b.labels and np.allclose(a.probabilities, b.probabilities)
        for a, b in zip(said["with"], said["without"])
    )
    times: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(given.rounds):
        for name in sorted(asks, reverse=bool(number % 2)):
            since = time.process_time(), time.perf_counter()
            asks[name](files)
            times[name].append(time.perf_counter() - since[1])
            times.setdefault(f"cpu {name}", []).append(time.process_time() - since[0])
    ratios = {
        kind: [a / b for a, b in zip(times[f"{kind}with"], times[f"{kind}without"])]
        for kind in ("", "cpu ")
    }
    result = {"images": len(files), "rounds": given.rounds}
    result |= {"seconds_without": float(np.median(times["without"]))}
    result |= spread("ratio", ratios[""]) | spread("cpu_ratio", ratios["cpu "])
    tell(result, given.output)


if __name__ == "__main__":
    main()
