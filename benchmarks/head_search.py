"""What it costs to train dozens of heads together, against one.

python benchmarks/head_search.py [--heads 64] [--width 1280] [--steps 150]

Whole searches, tracing and all, on drawn features; the least of five, in turn.
"""

import argparse
import time

import numpy as np
from results import tell

from tfpipeline import cli


def main() -> None:
    """Print seconds of one head and of many, for a few numbers of classes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=64)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    with cli.quiet_start():
        from tfpipeline.training import head_search, heads
    drawn = heads.draw_heads(given.heads, 0)
    found = {}
    for classes in (2, 6, 10, 37):
        rng = np.random.default_rng(0)
        label = np.arange(400) % classes
        features = rng.normal(size=(400, given.width)).astype(np.float32)
        seconds: dict[int, list[float]] = {1: [], given.heads: []}
        for count in 6 * [1, given.heads]:
            started = time.perf_counter()
            program = head_search.Program(drawn[:count], given.width, classes)
            program.train(features, label, steps=given.steps)
            seconds[count].append(time.perf_counter() - started)
        one, all_of_them = (min(seconds[count][1:]) for count in (1, given.heads))
        found[f"{classes} classes"] = {
            "one_seconds": round(one, 3),
            f"{given.heads}_seconds": round(all_of_them, 3),
            "times": round(all_of_them / one, 2),
        }
    tell(found, None)


if __name__ == "__main__":
    main()
