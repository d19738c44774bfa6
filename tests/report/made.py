"""Run folders without a training: files as a run has them, of any size."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.cli import dump
from tfpipeline.config import ModelSettings, RunSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import calibration, classification, confusion_matrix


def logits(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are right in about four of five cases, and labels."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, count)
    found = rng.normal(0, 1, (count, classes)).astype(np.float32)
    found[np.arange(count), label] += 3.0
    return found, label


def split(found: np.ndarray, label: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """Return what `diagnosis.json` says of a split."""
    called, classes = found.argmax(1), len(labels)
    pairs = confusion_matrix.pairs(label, called, classes)
    shown = confusion_matrix.hardest(label, called, classes, 30)
    chance = classification.probabilities(found)
    at, share, accuracy = calibration.coverage(chance, label)
    wrong = [row for row in pairs.tolist() if row[0] != row[1]]
    return {
        "n": len(label),
        "reliability": dict.fromkeys(
            ("before", "after"), calibration.reliability(chance, label)
        ),
        "coverage": {
            "threshold": at[::20].tolist(),
            "share": share[::20].tolist(),
            "accuracy": accuracy[::20].tolist(),
        },
        "confusion": {
            "labels": [labels[i] for i in shown],
            "counts": confusion_matrix.matrix(pairs, shown).tolist(),
        },
        "confused_pairs": len(wrong),
        "confused": [
            {"label": labels[a], "predicted": labels[b], "n": n, "of": n}
            for a, b, n in wrong[:40]
        ],
    }


def run(
    path: Path,
    labels: list[str],
    splits: tuple[str, ...] = ("test", "validation"),
    count: int = 120,
    seed: int = 0,
) -> RunFolder:
    """Write a run folder and return it."""
    folder = RunFolder(path)
    own = {name: logits(count, len(labels), seed + i) for i, name in enumerate(splits)}
    result = {
        s: classification.classification(*pair, labels) for s, pair in own.items()
    }
    fitted = calibration.calibrate(*own.get("validation", (None, [])), 0.05)
    for name, (found, label) in own.items():
        result[name]["calibration"] = calibration.told(fitted, found, label)
    result["seconds"] = {"import": 3.0, "train": 2.5, "total": 6.0}
    result["input"] = {"verdict": "compute-bound", "images_per_second": 0.0}
    file_io.write_json(folder.metrics, result)
    file_io.write_json(folder.calibration, fitted.to_json())
    file_io.write_text(folder.labels, "".join(f"{name}\n" for name in labels))
    model = ModelSettings(weights="demo", image_size=96)
    settings = RunSettings(seed=seed, model=model)
    file_io.write_text(folder.config, dump(settings))
    file_io.write_text(folder.model, "")
    file_io.write_csv(
        folder.history,
        ("stage", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"),
        [("head", 1, 2.0, 0.3, 1.9, 0.4), ("fine_tune", 2, 1.0, 0.8, 1.2, 0.7)],
    )
    file_io.write_csv(folder.quarantine, ("id", "path", "reason"), [("q", "q", "bad")])
    file_io.write_json(
        folder.manifest,
        {
            "finished": True,
            "command": "python -m tfpipeline.train",
            "examples": {"train": 9, "validation": count, "test": count},
            "quarantined": 1,
            "leaks": 0,
            "near_leaks": 0,
            "seed": seed,
            "kept_epoch": 2,
        },
    )
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    image_io.save_png(folder.figures / "top_losses" / "01.png", picture)
    image_io.save_png(folder.figures / "batch.png", picture)
    worst = {
        "id": "a.png",
        "split": "test",
        "label": labels[0],
        "predicted": labels[1],
        "probability": 0.9,
        "probability_of_label": 0.1,
        "loss": 2.3,
        "suspicion": 0.8,
        "suggested": labels[1],
        "picture": "figures/top_losses/01.png",
        "grad_cam": "figures/top_losses/01.png",
    }
    file_io.write_json(
        folder.diagnosis,
        {
            "splits": {s: split(*pair, labels) for s, pair in own.items()},
            "top_losses": [worst],
            "suspected": [worst],
            "suspects": {"held_out": 1, "held_out_n": count, "train": 0, "train_n": 0},
            "data": {
                "files": count,
                "formats": {"png": count},
                "height": [1, 2, 3],
                "width": [1, 2, 3],
                **{"turned_by_exif": 0, "warnings": {"png called .jpg": 1}},
                **{"exact_copies": 0, "near_copies": 1, "label_conflicts": 0},
                "classes": {name: {"train": 3} for name in labels},
                "groups": [[{"id": "a", "label": labels[0], "split": "train"}]],
            },
        },
    )
    return folder


def predictions(folder: RunFolder, right: list[bool]) -> None:
    """Write `predictions.csv` of a test split, one image a truth value."""
    rows = [(f"{i}.png", "test", "a", "a" if r else "b") for i, r in enumerate(right)]
    file_io.write_csv(folder.predictions, ("id", "split", "label", "predicted"), rows)


def result(path: Path, name: str, found: dict[str, Any]) -> Path:
    """Write the JSON of a result that is no run."""
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_text(json.dumps(found))
    return path
