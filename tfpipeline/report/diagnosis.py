"""What a classifier's predictions come to: tables, confusions, suspects, data."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.data import corrections, duplicates
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import (
    calibration,
    classification,
    confusion_matrix,
    per_example,
)
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.per_example import Judgement

PREDICTIONS = (
    *("id", "split", "label", "predicted", "probability", "probability_of_label"),
    *("loss", "confidence", "top_3"),
)
CLEANING = (
    *("id", "path", "split", "label", "predicted", "probability", "loss"),
    *("suspicion", "action", "new_label"),
)

# Those that a training learns nothing from come first.
ORDER = ("test", "validation", "train")

# More do not fit onto a page.
SHOWN_CLASSES, SHOWN_PAIRS, SHOWN_GROUPS, SHOWN_POINTS = 30, 40, 12, 120


@dataclass(frozen=True)
class Measured:
    """A classifier that was measured, be it trained or combined.

    Args:
        model: From images to logits.
        examples: That it was measured on, or has trained on.
        logits: Of the examples of each split that was asked about, in their order.
        calibration: What the validation images say of its probabilities.
        resize: How images come to its size.
        decision: What turns its outputs into answers, where that is no single class.
        maps: Returns what makes the maps that the model pools of images, where that is
            quicker than the model; else None.
        in_bfloat16: Whether the model, in bfloat16, was seen to change little: enough
            for a picture of where it looks.
    """

    model: Any
    examples: Examples
    logits: Mapping[str, np.ndarray]
    calibration: Calibration
    resize: str
    decision: Decision = Decision()
    maps: Callable[[], Callable[[Any], np.ndarray] | None] = lambda: None
    in_bfloat16: bool = False


@dataclass(frozen=True)
class Answers:
    """Predictions of the examples of a run.

    Args:
        examples: All of them.
        index: Of each example that was predicted, into the examples, shape (n,).
        split: Of each, shape (n,).
        judged: What they come to.
    """

    examples: Examples
    index: np.ndarray
    split: np.ndarray
    judged: Judgement

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""
        return self.examples.source.labels

    def of(self, *names: str) -> np.ndarray:
        """Return the positions of the answers to some splits, ascending, int64."""
        return np.flatnonzero(np.isin(self.split.astype(str), names))

    def row(self, position: int) -> dict[str, Any]:
        """Return one prediction in words."""
        judged, labels = self.judged, self.labels
        other = int(judged.other[position])
        return {
            "id": self.examples.source.ids[self.index[position]],
            "split": str(self.split[position]),
            "label": labels[judged.label[position]],
            "predicted": labels[judged.called[position]],
            "probability": float(judged.chance[position, 0]),
            "probability_of_label": float(judged.own[position]),
            "loss": float(judged.loss[position]),
            "suspicion": float(judged.suspicion[position]),
            "suggested": labels[other] if other >= 0 else None,
        }


def answers(measured: Measured) -> Answers | None:
    """Return the predictions of all splits with logits; None where there are none."""
    examples, logits = measured.examples, measured.logits
    splits = [split for split in ORDER if split in logits]
    if not splits:
        return None
    places = {split: examples.of(split) for split in splits}
    temperature = measured.calibration.temperature
    parts = [
        per_example.judge(logits[s], examples.source.label[places[s]], temperature)
        for s in splits
    ]
    split = np.repeat(np.array(splits, object), [len(places[s]) for s in splits])
    index = np.concatenate(list(places.values()))
    return Answers(examples, index, split, per_example.joined(parts))


def predictions(given: Answers) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `predictions.csv`, in the order of splits and source."""
    judged, labels = given.judged, given.labels
    for k, (i, split) in enumerate(zip(given.index.tolist(), given.split)):
        top = [
            [labels[n], round(share, 6)]
            for n, share in zip(judged.best[k].tolist(), judged.chance[k].tolist())
        ]
        numbers = (judged.chance[k, 0], judged.own[k], judged.loss[k])
        yield (
            *(given.examples.source.ids[i], split, labels[judged.label[k]], top[0][0]),
            *(f"{value:.6g}" for value in (*numbers, judged.confidence[k])),
            json.dumps(top, ensure_ascii=False),
        )


def cleaning(given: Answers) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `cleaning.csv`: what is suspected first, then by loss."""
    source = given.examples.source
    for k in suspicious(given.judged).tolist():
        row = given.row(k)
        name, label, predicted, suggested = (
            corrections.cell(row[key] or "")
            for key in ("id", "label", "predicted", "suggested")
        )
        yield (
            *(name, source.paths[given.index[k]].absolute(), row["split"], label),
            *(predicted, f"{row['probability']:.6g}", f"{row['loss']:.6g}"),
            *(f"{row['suspicion']:.6g}", "", suggested),
        )


def suspicious(judged: Judgement) -> np.ndarray:
    """Return the positions of all answers, the most suspicious first, int64."""
    return np.lexsort((-judged.loss, -judged.suspicion))


def diagnosis(given: Answers, measured: Measured) -> dict[str, Any]:
    """Return the content of `diagnosis.json`, but for data and pictures."""
    held_out, trained = given.of("test", "validation"), given.of("train")
    suspicion = given.judged.suspicion
    return {
        "splits": {
            split: of_split(given, given.of(split), logits, measured.calibration)
            for split, logits in measured.logits.items()
            if split != "train"
        },
        "suspects": {
            "held_out": int((suspicion[held_out] > 0).sum()),
            "held_out_n": len(held_out),
            "train": int((suspicion[trained] > 0).sum()),
            "train_n": len(trained),
        },
    }


def of_split(
    given: Answers, chosen: np.ndarray, logits: np.ndarray, fitted: Calibration
) -> dict[str, Any]:
    """Return what the predictions of one split come to, as `diagnosis.json` has it.

    Args:
        given: The predictions.
        chosen: Their positions that are of the split.
        logits: Of those, in this order.
        fitted: The calibration.
    """
    label, called = given.judged.label[chosen], given.judged.called[chosen]
    labels, classes = given.labels, len(given.labels)
    pairs = confusion_matrix.pairs(label, called, classes)
    shown = confusion_matrix.hardest(label, called, classes, SHOWN_CLASSES)
    wrong = pairs[pairs[:, 0] != pairs[:, 1]]
    sizes = np.bincount(label, minlength=classes)
    plain = classification.probabilities(logits)
    tempered = classification.probabilities(logits / fitted.temperature)
    return {
        "n": len(chosen),
        "reliability": {
            "before": calibration.reliability(plain, label),
            "after": calibration.reliability(tempered, label),
        },
        "coverage": _curve(tempered, label),
        "confusion": {
            "labels": [labels[i] for i in shown],
            "counts": confusion_matrix.matrix(pairs, shown).tolist(),
        },
        "confused_pairs": len(wrong),
        "confused": [
            {"label": labels[a], "predicted": labels[b], "n": n, "of": int(sizes[a])}
            for a, b, n in wrong[:SHOWN_PAIRS].tolist()
        ],
    }


def _curve(chance: np.ndarray, label: np.ndarray) -> dict[str, list[float]]:
    """Return accuracy against coverage at so many points as an eye can tell apart."""
    at, share, accuracy = calibration.coverage(chance, label)
    few = np.unique(np.linspace(0, len(at) - 1, SHOWN_POINTS).astype(int))
    return {
        "threshold": at[few].tolist(),
        "share": share[few].tolist(),
        "accuracy": accuracy[few].tolist(),
    }


def data(examples: Examples) -> dict[str, Any]:
    """Return the statistics of the images themselves."""
    files, source = examples.files, examples.source
    copies, alike = duplicates.exact(files), examples.alike
    classes = len(source.strata)
    counts = {
        split: np.bincount(source.label[examples.of(split)], minlength=classes)
        for split in ("train", "validation", "test")
    }
    across = [g for g in alike if len({examples.split[i] for i in g}) > 1]
    # Groups share no member.
    first = {group[0] for group in across}
    others = [group for group in alike if group[0] not in first]
    return {
        "files": len(files),
        "formats": dict(Counter(row.format for row in files if row.format)),
        "height": _spread([row.height for row in files]),
        "width": _spread([row.width for row in files]),
        "turned_by_exif": sum(row.orientation != 1 for row in files),
        "warnings": dict(Counter(r.warning.split(":")[0] for r in files if r.warning)),
        "exact_copies": sum(len(group) - 1 for group in copies),
        "near_copies": sum(len(group) - 1 for group in alike),
        "groups_across_splits": len(across),
        "label_conflicts": sum(len({source.said(i) for i in g}) > 1 for g in copies),
        "groups": [_group(examples, g) for g in [*across, *others][:SHOWN_GROUPS]],
        "classes": {
            name: {split: int(counts[split][i]) for split in counts}
            for i, name in enumerate(source.strata)
        },
    }


def _group(examples: Examples, group: Sequence[int]) -> list[dict[str, str]]:
    source = examples.source
    labels = [source.said(i) for i in group[:8]]
    return [
        {"id": source.ids[i], "label": label, "split": str(examples.split[i])}
        for i, label in zip(group, labels)
    ]


def _spread(values: Sequence[int]) -> list[int]:
    """Return the least, the middle and the largest."""
    return [int(value) for value in np.percentile(values, (0, 50, 100))]
