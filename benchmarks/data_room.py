"""The data room against the limits of this machine, in one run.

python benchmarks/data_room.py ROOT [--images 2048] [--rounds 3] [--output FILE.json]

ROOT is a folder of class folders. Measured, each as a ratio within this run:

- audit: the first look at every file, by processes and by threads, and the second one
  at unchanged files, repeated to 8,000;
- feeding: what the input pipeline delivers alone, against MobileNetV2 1.0 at 224 px;
- extraction: pipeline and network together, against the network alone, asked as `train`
  asks it, on one batch that is in memory already. The order repeats the files where
  there are too few;
- memory: the peak of a training on 10,000 drawn pictures, against that on 1,000.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from main_job import timed
from results import spread, tell

from tfpipeline.config import DataSettings, DistributeSettings, ModelSettings
from tfpipeline.core import hardware, startup


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def audit_rates(paths: list[Path], rounds: int) -> dict[str, Any]:
    """Return files a second of a first audit, and ratios to it."""
    from tfpipeline.data import scan

    least = scan.PROCESSES_FROM
    # As many as are worth processes of their own.
    paths = [paths[i % len(paths)] for i in range(2 * least)]
    taken: dict[str, list[float]] = {"threads": [], "first": [], "again": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            scan.PROCESSES_FROM = len(paths) + 1
            work = seconds_of(lambda: scan.audit(paths, cache=None))
            taken["threads"].append(work)
            scan.PROCESSES_FROM = least
            for name in ("first", "again"):
                work = seconds_of(lambda: scan.audit(paths, cache=cache))
                taken[name].append(work)
    first = taken["first"]
    threads = [a / b for a, b in zip(taken["threads"], first)]
    again = [a / b for a, b in zip(first, taken["again"])]
    return {
        "files": len(paths),
        "files_per_second": len(paths) / statistics.median(first),
        **spread("processes_to_threads", threads),
        **spread("second_audit_times_as_fast", again),
    }


def feeding_rates(paths: list[Path], images: int, rounds: int) -> dict[str, float]:
    """Return images a second of pipeline, network, and both; medians, interleaved."""
    with startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.data import pipeline, scan
        from tfpipeline.models import backbones, classifier
        from tfpipeline.models.constant_weights import Frozen
        from tfpipeline.models.inference import Predictor

        strategy = distribute.start(DistributeSettings(), "auto", 0)
    settings = backbones.resolve(ModelSettings(weights="none"), "folder")
    backbone = backbones.build_backbone(settings, Path())
    model = classifier.build_classifier(backbone, "tf", settings, 2)
    extractor, _ = classifier.split_classifier(model)
    predictor = Predictor(Frozen(extractor), strategy)
    files = [row for row in scan.audit(paths, cache=None) if not row.reason]
    reading = pipeline.Reading(224, 224, "squash", 32)
    batches = pipeline.Batches(files, np.zeros(len(files), np.int32), reading)
    order = np.resize(np.arange(len(files)), images)
    held, _, _ = next(iter(batches.plain(order)))
    predictor(held)
    calls = images // reading.batch_size

    def network() -> None:
        for _ in range(calls):
            predictor(held)

    work: dict[str, Callable[[], object]] = {
        "pipeline": lambda: [None for _ in batches.plain(order)],
        "network": network,
        "together": lambda: list(predictor.over(batches.plain(order), images, None)),
    }
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            found[name].append(images / seconds_of(call))
    rate = {name: statistics.median(rates) for name, rates in found.items()}
    ratios = [t / n for t, n in zip(found["together"], found["network"])]
    return {
        "images": images,
        **{f"{name}_images_per_second": value for name, value in rate.items()},
        "pipeline_to_network": rate["pipeline"] / rate["network"],
        "together_to_network": statistics.median(ratios),
    }


def peak_memory(per_class: int, cache: Path) -> float:
    """Return the peak memory of one training on drawn pictures, in MB."""
    words = [sys.executable, "-m", "tfpipeline.train", "--cache_dir", str(cache)]
    words += ["--data.demo_per_class", str(per_class), "--train.epochs", "3"]
    words += ["--workdir", str(cache / f"run{per_class}")]
    found, _ = timed(words)
    return found["peak_mb"]


def memory_growth(rounds: int) -> dict[str, Any]:
    """Return the peaks with 1,000 and with 10,000 pictures, and their ratio."""
    found: dict[int, list[float]] = {167: [], 1667: []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for number, peaks in found.items():
                peaks.append(peak_memory(number, Path(folder)))
    small, large = found.values()
    ratios = [many / few for few, many in zip(small, large)]
    return {
        "peak_mb_1000": statistics.median(small),
        "peak_mb_10000": statistics.median(large),
        **spread("ratio", ratios),
    }


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    from tfpipeline.data.sources import opening

    settings = DataSettings(source=str(given.root))
    source = opening.open_source(settings, Path(), lambda cache: cache)
    paths = list(source.paths)
    result: dict[str, Any] = {
        "cores": hardware.cores(),
        "audit": audit_rates(paths, given.rounds),
        "memory": memory_growth(given.rounds),
        "feeding": feeding_rates(paths, given.images, given.rounds),
    }
    tell(result, given.output)


if __name__ == "__main__":
    main()
