"""Several labels and numbers on the drawn world: what a trained backbone is worth.

python benchmarks/targets.py [--seeds 5] [--per_class 60] [--output FILE.json]
python benchmarks/targets.py --wrong [--seeds 3] [--folds 5]

Each seed divides the pictures of `demo:multi` and `demo:number` anew, trains a head
on the demo backbone and on an untrained one of that form. Of several labels the mean
average precision is told, of numbers the MAE and that of always saying the mean of the
training images, all on test images; with the standard deviation over seeds.

With `--wrong`, 5 % of the training images are made wrong instead: of several labels one
is removed or added, a number is replaced by another one. `train` runs as it is and with
folds. Recall is the share of what was made wrong that `cleaning.csv` suspects,
precision the share of suspects that were made wrong, both among training images: pairs
of image and class of several labels, images of numbers. `first rows` is the share of
the images that were made wrong among as many first rows; by chance it would be 0.05.
"""

import argparse
import csv
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


SHARE = 0.05

# What is wrong, or suspected: an image, of several labels with a class.
Wrong = set[tuple[str, str]]


def settings_of(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """Return the settings that all trainings have.

    Args:
        folder: For runs and the cache.
        name: Of the run.
        seed: Of splits and of the head.
    """
    return {
        "workdir": str(folder / name),
        "cache_dir": str(folder / "cache"),
        "seed": seed,
        "model.backbone": "MobileNetV2",
        "model.alpha": 0.35,
        "model.image_size": 96,
        # Nothing but figures is asked for.
        "train.reference": False,
        "logs.tensorboard": False,
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
    name = f"{source.partition(':')[2]}-{backbone}-{seed}"
    data = {"data.source": source, "data.demo_per_class": count}
    settings = settings_of(folder, name, seed) | data | BACKBONES[backbone]
    return tfpipeline.train(settings).metrics["test"]


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV.

    Args:
        file: The CSV.
    """
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def plant(rows: list[dict[str, str]], target: str, seed: int, file: Path) -> Wrong:
    """Write a CSV with new splits and some wrong labels; return what is wrong.

    Args:
        rows: Of `splits.csv` of a run.
        target: `multi` or `number`.
        seed: Of splits and of what is wrong.
        file: The CSV.
    """
    rng = np.random.default_rng(seed)
    known = sorted({name for row in rows for name in row["label"].split("|")} - {""})
    wrong: Wrong = set()
    table = []
    for place, i in enumerate(rng.permutation(len(rows)).tolist()):
        share, row = (place + 0.5) / len(rows), rows[i]
        split = "test" if share < 0.2 else "validation" if share < 0.3 else "train"
        label = row["label"]
        if split == "train" and rng.random() < SHARE:
            own = set(label.split("|")) - {""}
            some = sorted(own if own and rng.random() < 0.5 else set(known) - own)
            name = str(rng.choice(some or known))
            if target == "number":
                label = str(rng.choice([other for other in known if other != label]))
                name = ""
            else:
                label = "|".join(sorted(own ^ {name}))
            wrong.add((row["path"], name))
        table.append((row["path"], label, split))
    with open(file, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerows([("path", "label", "split"), *table])
    return wrong


def suspected(file: Path) -> Wrong:
    """Return what `cleaning.csv` suspects among training images.

    Args:
        file: The CSV.
    """
    found: Wrong = set()
    for row in read(file):
        if row["split"] != "train" or float(row["suspicion"]) <= 0:
            continue
        cells = row.get("add", "").split("|") + row.get("remove", "").split("|")
        names = set(cells) - {""} if "add" in row else {""}
        found |= {(row["path"], name) for name in names}
    return found


def found_first(file: Path, wrong: Wrong) -> int:
    """Return how many wrong images are among as many first rows of `cleaning.csv`.

    Args:
        file: The CSV.
        wrong: What is wrong.
    """
    images = {path for path, _ in wrong}
    rows = [row["path"] for row in read(file) if row["split"] == "train"]
    return len(images & set(rows[: len(images)]))


def search(source: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return recall and precision over all seeds, with folds and without.

    Args:
        source: `demo:multi` or `demo:number`.
        given: The arguments of the command line.
        folder: For runs and the cache.
    """
    target = source.partition(":")[2]
    train(source, "demo", 0, given.per_class, folder)
    rows = read(folder / f"{target}-demo-0" / "splits.csv")
    result: dict[str, Any] = {}
    counts = {folds: np.zeros(4, int) for folds in (0, given.folds)}
    for seed in range(given.seeds):
        file = folder / f"{target}-{seed}.csv"
        wrong = plant(rows, target, seed, file)
        for folds, count in counts.items():
            settings = settings_of(folder, f"{target}-wrong-{seed}-{folds}", seed)
            settings |= {"data.source": str(file), "data.target": target}
            settings |= {"data.folds": folds, **BACKBONES["demo"]}
            run = tfpipeline.train(settings)
            cleaning = Path(run.path) / "cleaning.csv"
            found, first = suspected(cleaning), found_first(cleaning, wrong)
            count += len(wrong), len(found), len(wrong & found), first
    for folds, (planted, suspects, inside, first) in counts.items():
        result[f"{folds} folds"] = {
            "wrong": int(planted),
            "suspected": int(suspects),
            "found": int(inside),
            "recall": inside / max(1, planted),
            "precision": inside / max(1, suspects),
            "first rows": first / max(1, planted),
        }
    return result


def mean(values: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def main() -> None:
    """Print the figures of both sources and backbones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--per_class", type=int, default=60)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for source in ("demo:multi", "demo:number"):
            if given.wrong:
                found[source] = search(source, given, Path(place))
                continue
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
        "within an interval of 0.9": mean([row["band"]["covered"] for row in rows]),
        **own,
    }


if __name__ == "__main__":
    main()
