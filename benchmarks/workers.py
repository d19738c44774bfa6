"""Feature extraction by two processes of one core each, against one.

python benchmarks/workers.py ROOT [--images 2048] [--rounds 3] [--output FILE.json]

ROOT holds `train/` and `test/`, each with one folder a class; pictures are repeated,
each copy with other bytes behind its end, and put through MobileNetV2 1.0 once. One
process is pinned to the first core; then two workers, one to each of the first two
cores, share the same work. Compared are the seconds of the whole phase `extract` in
`metrics.json`, with tracing, writing and waiting for each other. Tracing is not shared,
so that fewer images are worth less.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import copies
from results import spread, tell


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run_pinned(words: list[str], workers: int) -> None:
    """Run a training by so many processes of one core each, which may share it.

    Args:
        words: The command, without what tells the workers of each other.
        workers: Processes.
    """
    if workers > 1:
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(workers)]
        words = [*words, "--distribute.workers", ",".join(addresses)]
    cores = sorted(os.sched_getaffinity(0))
    processes = []
    for index in range(workers):
        own = ["--distribute.index", str(index)] if workers > 1 else []
        core = str(cores[index % len(cores)])
        pinned = ["taskset", "--cpu-list", core, *words, *own]
        quiet = subprocess.DEVNULL
        processes.append(subprocess.Popen(pinned, stdout=quiet, stderr=quiet))
    if any([process.wait() for process in processes]):
        raise SystemExit("a training failed")


def extract_seconds(source: Path, folder: Path, workers: int) -> float:
    """Return the seconds that the phase `extract` took."""
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(source)]
    words += ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
    words += ["--model.weights", "none", "--train.epochs", "1"]
    words += ["--data.group", "none", "--data.batch_size", str(32 * workers)]
    run_pinned(words, workers)
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return float(metrics["seconds"]["extract"])


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "pictures"
        different = copies.write(given.root, source, given.images)
        for number in range(given.rounds):
            for workers, seconds in found.items():
                folder = Path(scratch) / f"{number}-{workers}"
                seconds.append(extract_seconds(source, folder, workers))
    ratios = [one / two for one, two in zip(found[1], found[2])]
    result = {
        "images": given.images,
        "different": different,
        "one_process_seconds": found[1],
        "two_processes_seconds": found[2],
        **spread("times_as_fast", ratios),
    }
    tell(result, given.output)


if __name__ == "__main__":
    main()
