"""Engines against each other on one network, and whole runs against an earlier build.

python benchmarks/engines.py ROOT [--network MobileNetV2:224] [--images 2048]
                             [--rounds 5] [--before WORKTREE] [--output FILE.json]

ROOT is a folder of class folders; files are repeated where there are too few. Measured,
in turn, in one process: reading, decoding, and the frozen network, by each engine that
this processor has. `tensorflow` is what computed everything before there was a choice.
Beside the speed stands what each does to the features.

With `--before`, a `git worktree` of an earlier commit, whole processes are measured as
well, in turn: `train` by both, each with an empty cache and once more with what the
first run has left in it, on the files of ROOT as they are (it holds `train/` and
`test/`). `--images 0` leaves the engines out.
"""

import argparse
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from results import spread, spreads, tell

from tfpipeline.core import startup

HERE = Path(__file__).resolve().parent.parent


def engines(root: Path, network: str, images: int, rounds: int) -> dict[str, Any]:
    """Return images a second by each engine, and the change of the features."""
    with startup.quiet_start():
        import numpy as np

        from tfpipeline import distribute
        from tfpipeline.benchmark import measurement, preparation
        from tfpipeline.config import DistributeSettings, ModelSettings
        from tfpipeline.config.benchmark import BenchmarkSettings
        from tfpipeline.core import provenance
        from tfpipeline.models import constant_weights
        from tfpipeline.models.engines import bfloat16, litert, trial
        from tfpipeline.models.inference import Predictor

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    name, _, size = network.partition(":")
    model = ModelSettings(name, "imagenet", image_size=int(size or 224))
    settings = BenchmarkSettings(source=str(root), images=images, model=model)
    setup, _ = preparation.prepare(settings, strategy, Path(), provenance.Phases())
    extractor, chosen = setup.extractor, setup.order
    predictor = Predictor(constant_weights.Frozen(extractor), strategy)
    batches = setup.batches(32)
    started = time.perf_counter()
    runs: dict[str, trial.Run | None] = {"tensorflow": None}
    runs["litert"] = litert.LiteRT(litert.convert(extractor))
    seconds = time.perf_counter() - started
    if bfloat16.is_supported():
        runs["bfloat16"] = bfloat16.engine(extractor)
    held = np.asarray(next(iter(batches.plain(chosen)))[0])
    exact = predictor(held)
    changes = {}
    for engine, run in runs.items():
        if run is not None:
            rows = run(held)
            changes[engine] = {
                "largest": float(np.abs(rows - exact).max() / np.abs(exact).max()),
                "relative": float(np.linalg.norm(rows - exact) / np.linalg.norm(exact)),
                "neighbours": bfloat16.agreement(exact, rows),
            }
    spent: dict[str, list[float]] = {engine: [] for engine in runs}

    def extract(engine: str) -> None:
        before = time.process_time()
        list(predictor.over(batches.plain(chosen), images, None, runs[engine]))
        spent[engine].append(1000 * (time.process_time() - before) / images)

    work: dict[str, tuple[int, Callable[[], object]]] = {
        engine: (images, functools.partial(extract, engine)) for engine in runs
    }
    found = measurement.in_turn(work, rounds)
    first = found["tensorflow"]
    ratios = {
        engine: [rate / base for rate, base in zip(rates, first)]
        for engine, rates in found.items()
    }
    return {
        "network": network,
        "images": images,
        "conversion_seconds": seconds,
        "changes": changes,
        **spreads("images_per_second", found),
        # Of all cores, reading included: it says the same on a machine with other work.
        **spreads("cpu_milliseconds", {n: each[1:] for n, each in spent.items()}),
        **spreads("times_as_fast", ratios),
    }


def run_once(code: Path, root: Path, network: str, folder: Path) -> dict[str, Any]:
    """Return seconds of a whole training by some code, and its accuracy.

    `cpu` is that of all its processes, `phases` is what `metrics.json` says.
    """
    name, _, size = network.partition(":")
    words = [sys.executable, "-m", "tfpipeline.train", "--data.source", str(root)]
    words += ["--model.backbone", name, "--model.weights", "imagenet", "--quiet"]
    words += ["--model.image_size", size or "224", "--train.epochs", "10"]
    words += ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
    words += ["--overwrite", "true"]
    env = {**os.environ, "PYTHONPATH": str(code)}
    before, started = os.times(), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=env, cwd=folder)
    seconds, after = time.perf_counter() - started, os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    accuracy, phases = metrics["test"]["accuracy"], metrics["seconds"]
    return {"seconds": seconds, "cpu": cpu, "accuracy": accuracy, "phases": phases}


def whole(before: Path, root: Path, network: str, rounds: int) -> dict[str, Any]:
    """Return whole runs of an earlier build and of this one, in turn.

    `first` runs begin with an empty cache; `again` does the same once more, with all
    features in the cache.
    """
    kinds, builds = ("first", "again"), {"before": before, "now": HERE}
    rows: dict[str, dict[str, list[Any]]] = {
        kind: {name: [] for name in builds} for kind in kinds
    }
    for _ in range(rounds):
        with contextlib.ExitStack() as stack:
            folders = {
                name: Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for name in builds
            }
            for kind in kinds:
                for name, code in builds.items():
                    row = run_once(code, root, network, folders[name])
                    rows[kind][name].append(row)
    return {kind: _compared(own) for kind, own in rows.items()}


def _compared(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what each build took, phase by phase, and how the two compare."""
    pairs = list(zip(found["before"], found["now"]))
    listed = {
        key: {name: [row[key] for row in rows] for name, rows in found.items()}
        for key in ("seconds", "cpu", "accuracy")
    }
    phases = {
        name: {
            phase: statistics.median(row["phases"].get(phase, 0.0) for row in rows)
            for phase in rows[0]["phases"]
        }
        for name, rows in found.items()
    }
    ratios = [a["seconds"] / b["seconds"] for a, b in pairs]
    return {**listed, "phases": phases, **spread("times_as_fast", ratios)}


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--network", default="MobileNetV2:224")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    words = given.network, given.rounds
    root = given.root.resolve()
    result: dict[str, Any] = {}
    if given.before:
        result["whole"] = whole(given.before.resolve(), root, *words)
    if given.images:
        result["engines"] = engines(root, words[0], given.images, words[1])
    tell(result, given.output)


if __name__ == "__main__":
    main()
