"""Engines against each other on one network, and whole runs against an earlier build.

python benchmarks/engines.py ROOT [--network MobileNetV2:224] [--weights FILE]
                             [--images 2048] [--rounds 5] [--before WORKTREE]
                             [--parts engines whole predict] [--output FILE.json]

ROOT is a folder of class folders; files are repeated where there are too few. Measured,
in turn, by part:

- engines: in one process, reading, decoding and the frozen network, by each engine that
  this processor has; and OpenVINO's bare pass in float32 over a batch in memory, where
  it is installed. `tensorflow` is what computed everything before there was a choice.
  Beside the speed stands what each does to the features.
- whole: processes of `train` by this build and by WORKTREE, a `git worktree` of an
  earlier commit, each with an empty cache and once more with what the first run has
  left in it, on the files of ROOT, which holds `train/` and `test/`, as they are.
- predict: processes of `predict` on IMAGES photographs, by both, each with a run that
  it has trained before.
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

import copies
import extraction
from results import spread, spreads, tell

from tfpipeline.core import hardware, startup

HERE = Path(__file__).resolve().parent.parent


PARTS = "engines", "whole", "predict"


def engines(
    root: Path, network: tuple[str, str], images: int, rounds: int
) -> dict[str, Any]:
    """Return images a second by each engine, and the change of the features."""
    with startup.quiet_start():
        import numpy as np

        from tfpipeline import distribute
        from tfpipeline.benchmark import measurement, preparation
        from tfpipeline.config import DistributeSettings, ModelSettings
        from tfpipeline.config.benchmark import BenchmarkSettings
        from tfpipeline.core import provenance
        from tfpipeline.models.constant_weights import Frozen
        from tfpipeline.models.engines import bfloat16, litert, trial
        from tfpipeline.models.inference import Predictor

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    name, _, size = network[0].partition(":")
    model = ModelSettings(name, network[1], image_size=int(size or 224))
    settings = BenchmarkSettings(source=str(root), images=images, model=model)
    setup, _ = preparation.prepare(settings, strategy, Path(), provenance.Phases())
    extractor, chosen = setup.extractor, setup.order
    predictor = Predictor(Frozen(extractor), strategy)
    batches = setup.batches(32)
    started = time.perf_counter()
    runs: dict[str, trial.Run | None] = {"tensorflow": None}
    runs["litert"] = litert.LiteRT(litert.Traced(extractor).convert())
    seconds = time.perf_counter() - started
    if bfloat16.is_supported():
        runs["bfloat16"] = bfloat16.engine(predictor)
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
    bare = extraction.openvino_calls(extractor, held, hardware.cores())
    if bare:
        call, wait = bare["openvino_float32"], bare["openvino_float32_wait"]

        def openvino() -> None:
            for _ in range(0, images, len(held)):
                call()
            wait()

        work["openvino_float32"] = images, openvino
    found = measurement.in_turn(work, rounds)
    first = found["tensorflow"]
    ratios = {
        engine: [rate / base for rate, base in zip(rates, first)]
        for engine, rates in found.items()
    }
    return {
        "images": images,
        "conversion_seconds": seconds,
        "changes": changes,
        **spreads("images_per_second", found),
        # Of all cores, reading included: it says the same on a machine with other work.
        **spreads("cpu_milliseconds", {n: each[1:] for n, each in spent.items()}),
        **spreads("times_as_fast", ratios),
        **spreads("of_openvino_float32", of_openvino(found)),
    }


def of_openvino(found: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the rate of each engine as a share of OpenVINO's, round by round."""
    others = dict(found)
    base = others.pop("openvino_float32", [])
    return {n: [a / b for a, b in zip(r, base)] for n, r in others.items() if base}


def start(code: Path, folder: Path, *words: str) -> float:
    """Run a command of some code; return its seconds."""
    command = [sys.executable, "-m", *words]
    # Nothing that another build has kept is found.
    env = {**os.environ, "PYTHONPATH": str(code), "XDG_CACHE_HOME": str(folder)}
    # Modules are compiled once, as when they were installed.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, cwd=folder)
    return time.perf_counter() - started


def run_once(
    code: Path, root: Path, network: tuple[str, str], folder: Path
) -> dict[str, Any]:
    """Return seconds of a whole training by some code, and its accuracy.

    `cpu` is that of all its processes, `phases` is what `metrics.json` says.
    """
    name, _, size = network[0].partition(":")
    words = ["tfpipeline.train", "--data.source", str(root), "--quiet"]
    words += ["--model.backbone", name, "--model.weights", network[1]]
    words += ["--model.image_size", size or "224", "--train.epochs", "10"]
    words += ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
    before = os.times()
    seconds = start(code, folder, *words, "--overwrite", "true")
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    accuracy, phases = metrics["test"]["accuracy"], metrics["seconds"]
    return {"seconds": seconds, "cpu": cpu, "accuracy": accuracy, "phases": phases}


def whole(
    before: Path, root: Path, network: tuple[str, str], rounds: int
) -> dict[str, Any]:
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


def predict(
    before: Path, root: Path, network: tuple[str, str], images: int, rounds: int
) -> dict[str, Any]:
    """Return the seconds of `predict` by an earlier build and by this one, in turn."""
    found: dict[str, list[float]] = {"before": [], "now": []}
    with tempfile.TemporaryDirectory() as scratch:
        copies.write(root, Path(scratch) / "photographs", images)
        photographs = Path(scratch) / "photographs" / "train"
        codes = {"before": before, "now": HERE}
        for name, code in codes.items():
            (Path(scratch) / name).mkdir()
            run_once(code, root, network, Path(scratch) / name)
        for _ in range(rounds):
            for name, code in codes.items():
                folder = Path(scratch) / name
                words = ["tfpipeline.predict", "--model", str(folder / "run")]
                words += ["--images", str(photographs), "--output"]
                found[name].append(start(code, folder, *words, str(folder / "out.csv")))
                (folder / "out.csv").unlink()
    pairs = list(zip(found["before"], found["now"]))
    ratios = spread("times_as_fast", [a / b for a, b in pairs])
    return {"images": images, "seconds": found, **ratios}


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--network", default="MobileNetV2:224")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["engines"])
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    parts, rounds, images = given.parts, given.rounds, given.images
    if parts != ["engines"] and not given.before:
        parser.error("--before is needed for the parts whole and predict")
    # Commands run in folders of their own.
    weights = Path(given.weights)
    named = str(weights.resolve()) if weights.is_file() else given.weights
    root, network = given.root.resolve(), (given.network, named)
    result: dict[str, Any] = {"rounds": rounds, "network": given.network}
    if "whole" in parts:
        result["whole"] = whole(given.before.resolve(), root, network, rounds)
    if "predict" in parts:
        words = given.before.resolve(), root, network, images, rounds
        result["predict"] = predict(*words)
    if "engines" in parts:
        result["engines"] = engines(root, network, images, rounds)
    tell(result, given.output)


if __name__ == "__main__":
    main()
