"""Extraction against the bare network in memory, and against OpenVINO.

python benchmarks/extraction.py ROOT [--images 2048] [--rounds 5]
                                [--sizes 8 32 128] [--threads 1 2] [--output FILE.json]

ROOT is a folder of class folders; files are repeated where there are too few. Measured,
for each batch size and number of threads, in a process of its own:

- bare: MobileNetV2 1.0 in a traced call, on one batch that is in memory;
- bare_constants: the same with constant weights, as `train` has them;
- together: what `train` does: read, decode, resize, the same network;
- OpenVINO, on the same batch in memory, in float32 and, where the processor has it, in
  bfloat16: what another program makes of the same network at best. Left out where it is
  not installed.

In turn, after a first round that traces; medians, and ratios round by round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from results import spreads, tell

from tfpipeline.core import hardware, startup


def openvino_calls(
    model: Any, held: Any, threads: int
) -> dict[str, Callable[[], object]]:
    """Return calls of the network by OpenVINO; none where it is not installed."""
    try:
        import openvino
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converted = openvino.convert_model(folder, input=[list(held.shape)])
    calls: dict[str, Callable[[], object]] = {}
    core = openvino.Core()
    known = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for name, kind in (("openvino_float32", "f32"), ("openvino_bfloat16", "bf16")):
        if kind == "bf16" and "BF16" not in known:
            continue
        settings = {
            "INFERENCE_PRECISION_HINT": kind,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "THROUGHPUT",
        }
        compiled = core.compile_model(converted, "CPU", settings)
        queue, feed = openvino.AsyncInferQueue(compiled), held

        def several(queue: Any = queue) -> None:
            queue.start_async({0: feed})

        calls[name] = several
        calls[f"{name}_wait"] = queue.wait_all
    return calls


def measure(
    root: Path, images: int, rounds: int, size: int, threads: int
) -> dict[str, Any]:
    """Return images a second of each way, in this process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    with startup.quiet_start():
        import numpy as np
        import tensorflow as tf

        from tfpipeline import distribute
        from tfpipeline.benchmark import measurement, preparation
        from tfpipeline.config import DistributeSettings
        from tfpipeline.config.benchmark import BenchmarkSettings
        from tfpipeline.core import provenance
        from tfpipeline.models.constant_weights import Frozen
        from tfpipeline.models.inference import Predictor

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    settings = BenchmarkSettings(source=str(root), images=images)
    setup, _ = preparation.prepare(settings, strategy, Path(), provenance.Phases())
    model, chosen = setup.extractor, setup.order
    bare = tf.function(lambda x: model(x, training=False), autograph=False)
    constants = tf.function(Frozen(model), autograph=False)
    predictor = Predictor(Frozen(model), strategy)
    batches = setup.batches(size)
    held = next(iter(batches.plain(chosen)))[0]
    calls = -(-images // size)
    peers = openvino_calls(model, np.asarray(held), threads)

    def many(call: Callable[[], object]) -> None:
        for _ in range(calls):
            call()

    work: dict[str, tuple[int, Callable[[], object]]] = {
        "bare": (calls * size, lambda: many(lambda: bare(held).numpy())),
        "bare_constants": (
            calls * size,
            lambda: many(lambda: constants(held).numpy()),
        ),
        "together": (
            images,
            lambda: list(predictor.over(batches.plain(chosen), images, None)),
        ),
    }
    for name in [n for n in peers if not n.endswith("_wait")]:

        def run(name: str = name) -> None:
            many(peers[name])
            peers[f"{name}_wait"]()

        work[name] = (calls * size, run)
    found = measurement.in_turn(work, rounds)
    ratios = {
        name: [t / r for t, r in zip(found["together"], rates)]
        for name, rates in found.items()
        if name != "together"
    }
    return {
        "batch_size": size,
        "threads": threads,
        "images_per_second": {n: statistics.median(r) for n, r in found.items()},
        **spreads("together_to", ratios),
    }


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--threads", type=int, nargs="+", default=[hardware.cores()])
    parser.add_argument("--alone", action="store_true", help="in this process")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    if given.alone:
        one = (given.sizes[0], given.threads[0])
        print(json.dumps(measure(given.root, given.images, given.rounds, *one)))
        return
    rows = []
    for threads in given.threads:
        for size in given.sizes:
            words = [sys.executable, __file__, str(given.root), "--alone"]
            words += ["--images", str(given.images), "--rounds", str(given.rounds)]
            words += ["--sizes", str(size), "--threads", str(threads)]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    tell({"images": given.images, "rows": rows}, given.output)


if __name__ == "__main__":
    main()
