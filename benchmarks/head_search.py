"""What it costs to train dozens of heads together, against one.

python benchmarks/head_search.py [--heads 64] [--width 1280] [--examples 600]
                                 [--output FILE.json]

One head and many in turn, on drawn features; medians of the CPU's seconds on one core,
which is the work, whatever else the machine does. `from_nothing` is a
whole search, tracing and all; `again` is another one by the same program, as for the
next seed; `steps` is what of that the steps after the first take.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy looks at it when it is imported.

import numpy as np  # noqa: E402
from results import spread, tell  # noqa: E402

from tfpipeline.core import startup  # noqa: E402

KINDS = ("from_nothing", "again", "steps")


def seconds(run: Callable[[], object]) -> float:
    """Return what a call takes.

    Args:
        run: To be called.
    """
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    """Print seconds of one head and of many, for a few numbers of classes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("heads", 64), ("width", 1280), ("examples", 600)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with startup.quiet_start():
        import tensorflow as tf

        from tfpipeline.study.heads import pca, search, space
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")  # Each program is traced once, as it should be.
    drawn = space.draw_heads(given.heads, 0)
    count = pca.count_for(given.examples, given.width)

    def once(some: int, classes: int) -> list[float]:
        """Return the seconds of each of the kinds."""
        rng = np.random.default_rng(0)
        label = np.arange(given.examples) % classes
        features = rng.normal(size=(given.examples, given.width)).astype(np.float32)
        programs = []

        def from_nothing() -> None:
            programs.append(search.Program(drawn[:some], count, classes))
            programs[0].train(features, label, steps=given.steps)

        first = seconds(from_nothing)
        again, single = (
            seconds(lambda: programs[0].train(features, label, steps=steps))
            for steps in (given.steps, 1)
        )
        return [first, again, again - single]

    once(1, 2)  # The first use of TensorFlow pays for its start.
    found = {}
    for classes in (2, 6, 10, 37):
        taken = [
            [once(some, classes) for some in (1, given.heads)]
            for _ in range(given.repeats)
        ]
        entry = {}
        for kind, name in enumerate(KINDS):
            one, many = (
                statistics.median(turn[which][kind] for turn in taken)
                for which in (0, 1)
            )
            ratios = [turn[1][kind] / turn[0][kind] for turn in taken]
            entry[name] = {"one": one, "many": many, **spread("times", ratios)}
        found[str(classes)] = entry
    tell({"heads": given.heads, "classes": found}, given.output)


if __name__ == "__main__":
    main()
