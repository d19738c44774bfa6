"""Several labels and numbers on the drawn world: what a trained backbone is worth.

python benchmarks/targets.py [--seeds 5] [--per_class 60] [--output FILE.json]

Each seed divides the pictures of `demo:multi` and `demo:number` anew, trains a head
on the demo backbone and on an untrained one of that form. Of several labels the mean
average precision is told, of numbers the MAE and that of always saying the mean of the
training images, all on test images; with the standard deviation over seeds.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

import tfpipeline

BACKBONES = {
    "demo": {"model.weights": "demo"},
    "untrained": {"model.weights": "none", "train.from_scratch": False},
}


def train(source: str, backbone: str, seed: int, count: int, folder: Path) -> Any:
    """Train a head and return the metrics of the test images.

    Args:
        source: `demo:multi` or `demo:number`.
        backbone: A name of `BACKBONES`.
        seed: Of splits and of the head.
        count: Pictures of each class or number.
        folder: For runs and the cache.
    """
    settings = {
        "workdir": str(folder / f"{source.partition(':')[2]}-{backbone}-{seed}"),
        "cache_dir": str(folder / "cache"),
        "seed": seed,
        "data.source": source,
        "data.demo_per_class": count,
        "model.backbone": "MobileNetV2",
        "model.alpha": 0.35,
        "model.image_size": 96,
        # Nothing but figures is asked for.
        "train.reference": False,
        "logs.tensorboard": False,
    }
    return tfpipeline.train(settings | BACKBONES[backbone]).metrics["test"]


def mean(values: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def main() -> None:
    """Print the figures of both sources and backbones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--per_class", type=int, default=60)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for source in ("demo:multi", "demo:number"):
            for backbone in BACKBONES:
                rows = [
                    train(source, backbone, seed, given.per_class, Path(place))
                    for seed in range(given.seeds)
                ]
                found[f"{source}, {backbone} backbone"] = summary(rows)
    tell(found, given.output)


def summary(rows: list[Any]) -> dict[str, Any]:
    """Return the figures over all seeds.

    Args:
        rows: Metrics of the test images, one a seed.
    """
    own = {"test images": rows[0]["n"], "seeds": len(rows)}
    if "quantity" not in rows[0]:
        values = [row["mean_average_precision"] for row in rows]
        return {
            "mAP": mean(values),
            "macro F1": mean([r["macro_f1"] for r in rows]),
            **own,
        }
    return {
        "MAE": mean([row["mae"] for row in rows]),
        "MAE of the mean": mean([row["baseline"]["mae"] for row in rows]),
        "R2": mean([row["r2"] for row in rows]),
        **own,
    }


if __name__ == "__main__":
    main()
