"""How often the promise of the abstention threshold is broken, and what it costs.

python benchmarks/abstention.py [PICTURES ...] [--draws 200] [--images 60 200 600]
                                [--targets 0.01 0.05 0.1] [--output FILE.json]

The promise: with confidence 0.95, at most the target of accepted answers is wrong.
Whether it was kept is exact: validation images are drawn, with replacement, from a
population whose every answer is known. Each PICTURES is a folder of class folders: half
of its photographs train a linear probe on frozen MobileNetV2 0.35 features, the others
are the population. `fixed` takes the last epoch of each probe, so that validation
images chose the temperature alone; `whole` takes the best of 30 epochs by the same
validation images, as `train` does. Beside them, classifiers are drawn, wrong labels
included. `empirical` is the lowest threshold whose share of errors on the validation
images is at most the target, without a bound.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from results import tell

from tfpipeline.core import image_io, startup
from tfpipeline.data.sources import listing
from tfpipeline.metrics import abstention, calibration, classification

EPOCHS = 30
CONFIDENCE = 0.95


class Draw(NamedTuple):
    """One training: what it says of every image that there is, and who was asked.

    Args:
        logits: Of the population, shape (size, classes).
        label: Its true classes.
        validation: Indices of the drawn images into it, as many as the most.
    """

    logits: np.ndarray
    label: np.ndarray
    validation: np.ndarray


def drawn(kind: str, draws: int, most: int) -> Iterator[Draw]:
    """Yield classifiers that are too sure of themselves, some with wrong labels."""
    classes, wrong, sharp = {
        "drawn, 10 classes": (10, 0.0, 6.0),
        "drawn, 10 classes, 4 % wrong labels": (10, 0.04, 6.0),
        "drawn, 100 classes": (100, 0.0, 8.0),
    }[kind]
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        label = rng.integers(0, classes, 4_000)
        logits = rng.normal(size=(len(label), classes)).astype(np.float32)
        logits[np.arange(len(label)), label] += rng.gamma(4, sharp / 4, len(label))
        flipped = rng.random(len(label)) < wrong
        label = np.where(flipped, rng.integers(0, classes, len(label)), label)
        yield Draw(2 * logits, label, rng.integers(0, len(label), most))


DRAWN = (
    "drawn, 10 classes",
    "drawn, 10 classes, 4 % wrong labels",
    "drawn, 100 classes",
)


def features(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what a frozen network says of photographs, and their classes."""
    with startup.quiet_start():
        import keras

    files = listing.named_files([str(folder)])
    names = sorted({file.parent.name for file in files})
    label = np.array([names.index(file.parent.name) for file in files])
    network = keras.applications.MobileNetV2(
        (224, 224, 3), alpha=0.35, include_top=False, pooling="avg"
    )
    found = []
    for start in range(0, len(files), 32):
        some = [image_io.content(file) for file in files[start : start + 32]]
        pixels = [image_io.read(content, 224, 224, "squash") for content in some]
        batch = np.stack(pixels).astype(np.float32) / 127.5 - 1
        found.append(np.asarray(network(batch, training=False)))
    rows = np.concatenate(found)
    return (rows - rows.mean(0)) / (rows.std(0) + 1e-6), label


def probes(
    rows: np.ndarray, label: np.ndarray, draws: int, most: int, *, choose: int
) -> Iterator[Draw]:
    """Yield linear probes, each of other training images.

    Args:
        rows: Features.
        label: Classes.
        draws: How many.
        most: Validation images to draw.
        choose: How many of those choose the epoch; 0 takes the last one.
    """
    classes, alike = int(label.max()) + 1, rows @ rows.T
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(label))
        train, rest = order[: len(order) // 2], order[len(order) // 2 :]
        validation = rng.integers(0, len(rest), most)
        asked = validation[:choose]
        # The weights are sums of training features: only products are needed.
        own, other = alike[np.ix_(train, train)], alike[np.ix_(rest, train)]
        shares = np.zeros((len(train), classes), np.float32)
        speed, truth = np.zeros_like(shares), np.eye(classes, dtype=np.float32)
        best = np.inf, other @ shares
        for _ in range(EPOCHS):
            for _ in range(3):
                error = classification.probabilities(own @ shares) - truth[label[train]]
                speed = 0.9 * speed - 0.02 * error.astype(np.float32) / len(train)
                shares = shares + speed
            logits = other @ shares
            loss = -np.inf
            if choose:
                answers = logits[asked], label[rest][asked]
                loss = classification.loss_and_accuracy(*answers)["loss"]
            if not choose or loss < best[0]:
                best = loss, logits
        yield Draw(best[1], label[rest], validation)


def empirical(sure: np.ndarray, right: np.ndarray, target: float) -> float:
    """Return the lowest threshold that keeps a target on these images themselves."""
    order = np.argsort(-sure, kind="stable")
    risk = 1 - np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(risk <= target)
    return float(sure[order[kept[-1]]]) if len(kept) else np.inf


def judged(draw: Draw, n: int, targets: Sequence[float]) -> np.ndarray:
    """Return true coverage and risk of the bound's threshold, and of the other.

    Args:
        draw: The training.
        n: Validation images that are asked.
        targets: Shares of wrong answers.

    Returns:
        Shape (targets, 2, 2).
    """
    chosen = draw.validation[:n]
    logits, label = draw.logits[chosen], draw.label[chosen]
    # The temperature knows no target.
    used = calibration.calibrate(logits, label, targets[0], CONFIDENCE).temperature
    chance = classification.probabilities(draw.logits / used)
    sure, right = chance.max(1).astype(np.float32), chance.argmax(1) == draw.label
    found = []
    for target in targets:
        asked = sure[chosen], right[chosen], target
        best = abstention.best(abstention.curve(*asked, 1 - CONFIDENCE), target)
        for threshold in (best.threshold if best else np.inf, empirical(*asked)):
            accepted = right[sure >= np.float32(threshold)]
            risk = float(1 - accepted.mean()) if len(accepted) else 0.0
            found.append((len(accepted) / len(right), risk))
    return np.array(found).reshape(-1, 2, 2)


def summed(found: np.ndarray, n: int, target: float) -> dict[str, Any]:
    """Return what the draws come to; `found` has shape (draws, 2, 2)."""
    row: dict[str, Any] = {"images": n, "target": target, "draws": len(found)}
    for place, name in enumerate(("bound", "empirical")):
        covered, risk = found[:, place].T
        row[name] = {
            "broken": float((risk > target).mean()),
            "promised": float((covered > 0).mean()),
            "coverage": float(covered.mean()),
            "risk": float(risk[covered > 0].mean()) if covered.any() else None,
        }
    return row


def main() -> None:
    """Print shares of broken promises, for each classifier, number and target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--images", type=int, nargs="+", default=[60, 200, 600])
    parser.add_argument("--targets", type=float, nargs="+", default=[0.01, 0.05, 0.1])
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    most = max(given.images)
    ways: dict[str, Any] = {
        kind: lambda n, kind=kind: drawn(kind, given.draws, most) for kind in DRAWN
    }
    for folder in given.pictures:
        rows, label = features(folder)
        for name in ("fixed", "whole"):
            ways[f"{folder.name}, {name}"] = (
                lambda n, rows=rows, label=label, name=name: probes(
                    *(rows, label, given.draws, most),
                    choose=n if name == "whole" else 0,
                )
            )
    result = []
    for name, made in ways.items():
        for n in given.images:
            found = np.stack([judged(draw, n, given.targets) for draw in made(n)])
            for place, target in enumerate(given.targets):
                row = summed(found[:, place], n, target)
                result.append({"classifier": name, **row})
    tell({"confidence": CONFIDENCE, "rows": result}, given.output)


if __name__ == "__main__":
    main()
