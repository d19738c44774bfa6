"""Is the embedded default real transfer? Pretrained against untrained, over seeds.

python benchmarks/demo_transfer.py [--seeds 5]

Both backbones are the same network; the untrained one's batch-norm statistics are
calibrated, or it would be vacuous. 30 training pictures a class, 60 to measure on.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.metrics.statistics import mean_interval
from tfpipeline.train.command import train


def accuracies(weights: str, seeds: int, folder: Path) -> list[float]:
    """Return the test accuracy of a head on one kind of weights, a seed each.

    Args:
        weights: `demo` or `none`.
        seeds: Number of runs.
        folder: For the runs and their cache.
    """
    common = ["--cache_dir", str(folder / "cache"), "--data.demo_per_class", "100"]
    common += ["--data.test_fraction", "0.6", "--data.validation_fraction", "0.1"]
    common += ["--model.alpha", "0.35", "--model.image_size", "96"]
    found = []
    for seed in range(seeds):
        run = folder / f"{weights}{seed}"
        argv = ["--workdir", str(run), "--seed", str(seed), "--model.weights", weights]
        assert cli.main(train, RunSettings, [*argv, *common]) == 0
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest["examples"]["train"] == 6 * 30
        metrics = json.loads((run / "metrics.json").read_text())
        found.append(metrics["test"]["accuracy"])
    return found


def compare(seeds: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Return mean and half width of both accuracies, and of their difference.

    Args:
        seeds: Number of runs of each, at least 2.
        folder: For the runs.
    """
    demo, none = (
        np.array(accuracies(weights, seeds, folder)) for weights in ("demo", "none")
    )
    groups = {"pretrained": demo, "untrained": none, "gain": demo - none}
    return {name: mean_interval(values) for name, values in groups.items()}


def main() -> None:
    """Print the three figures, each with its interval."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, choices=(2, 3, 4, 5, 6, 10))
    seeds = parser.parse_args().seeds
    with tempfile.TemporaryDirectory() as folder:
        found = compare(seeds, Path(folder))
    print(f"\nTest accuracy with 30 pictures a class, {seeds} seeds, 95 % interval:")
    for name, (mean, half) in found.items():
        print(f"{name:12}{mean:7.3f} +- {half:.3f}")


if __name__ == "__main__":
    main()
