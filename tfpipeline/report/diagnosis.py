"""What a classifier's predictions come to: tables, confusions, suspects, data."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
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
from tfpipeline.metrics.per_example import Judgement
from tfpipeline.report.measured import Measured

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
class Answers:
    """What was said of the examples of a run.

    Args:
        examples: All of them.
        index: Of each example that was answered, into the examples, shape (n,).
        split: Of each, shape (n,).
        judged: The answers.
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

    def one(self, position: int) -> dict[str, Any]:
        """Return one answer in words.

        Args:
            position: Of the answer.
        """
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
    """Return what was said of each example; None where none was asked about.

    Args:
        measured: Whose logits are known.
    """
    examples, logits = measured.examples, measured.logits
    asked = [split for split in ORDER if split in logits]
    if not asked:
        return None
    places = {split: examples.of(split) for split in asked}
    parts = [
        per_example.judge(
            logits[split],
            examples.source.label[places[split]],
            measured.calibration.temperature,
        )
        for split in asked
    ]
    split = np.repeat(np.array(asked, object), [len(places[s]) for s in asked])
    index = np.concatenate(list(places.values()))
    return Answers(examples, index, split, per_example.joined(parts))


def predictions(found: Answers) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `predictions.csv`, in the order of splits and source.

    Args:
        found: What was said.
    """
    judged, labels = found.judged, found.labels
    for k, (i, split) in enumerate(zip(found.index.tolist(), found.split)):
        top = zip(judged.best[k].tolist(), judged.chance[k].tolist())
        told = [[labels[n], round(share, 6)] for n, share in top]
        yield (
            found.examples.source.ids[i],
            split,
            labels[judged.label[k]],
            told[0][0],
            f"{judged.chance[k, 0]:.6g}",
            f"{judged.own[k]:.6g}",
            f"{judged.loss[k]:.6g}",
            f"{judged.confidence[k]:.6g}",
            json.dumps(told, ensure_ascii=False),
        )


def cleaning(found: Answers) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `cleaning.csv`: what is suspected first, then by loss.

    Args:
        found: What was said.
    """
    judged, source = found.judged, found.examples.source
    for k in suspicious(found.judged).tolist():
        i, one = found.index[k], found.one(k)
        name, label, called, other = (
            corrections.cell(one[key] or "")
            for key in ("id", "label", "predicted", "suggested")
        )
        yield (
            *(name, source.paths[i].absolute(), one["split"], label),
            *(called, f"{one['probability']:.6g}", f"{one['loss']:.6g}"),
            *(f"{judged.suspicion[k]:.6g}", "", other),
        )


def suspicious(judged: Judgement) -> np.ndarray:
    """Return the positions of all answers, the most suspicious first, int64.

    Args:
        judged: The answers.
    """
    return np.lexsort((-judged.loss, -judged.suspicion))


def diagnosis(found: Answers, measured: Measured) -> dict[str, Any]:
    """Return the content of `diagnosis.json`, but for pictures.

    Args:
        found: What was said.
        measured: By whom.
    """
    held_out, trained = found.of("test", "validation"), found.of("train")
    suspicion = found.judged.suspicion
    return {
        "splits": {
            split: _split(found, found.of(split), logits, measured.calibration)
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


def _split(
    found: Answers, chosen: np.ndarray, logits: np.ndarray, fitted: Calibration
) -> dict[str, Any]:
    """Return what the answers to one split come to."""
    label, called = found.judged.label[chosen], found.judged.called[chosen]
    labels, classes = found.labels, len(found.labels)
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
    """Return what was found out about the images themselves.

    Args:
        examples: Of the run.
    """
    files, source = examples.files, examples.source
    copies, alike = duplicates.exact(files), examples.alike
    label = source.label.tolist()
    counts = {
        split: np.bincount(
            source.label[examples.of(split)], minlength=len(source.labels)
        )
        for split in ("train", "validation", "test")
    }
    across = [g for g in alike if len({examples.split[i] for i in g}) > 1]
    # Groups share no member.
    first = {group[0] for group in across}
    others = [group for group in alike if group[0] not in first]
    return {
        "files": len(files),
        "formats": dict(Counter(row.format for row in files)),
        "height": _spread([row.height for row in files]),
        "width": _spread([row.width for row in files]),
        "turned_by_exif": sum(row.orientation != 1 for row in files),
        "warnings": dict(Counter(r.warning.split(":")[0] for r in files if r.warning)),
        "exact_copies": sum(len(group) - 1 for group in copies),
        "near_copies": sum(len(group) - 1 for group in alike),
        "groups_across_splits": len(across),
        "label_conflicts": sum(len({label[i] for i in g}) > 1 for g in copies),
        "groups": [_group(examples, g) for g in [*across, *others][:SHOWN_GROUPS]],
        "classes": {
            name: {split: int(counts[split][i]) for split in counts}
            for i, name in enumerate(source.labels)
        },
    }


def _group(examples: Examples, group: Sequence[int]) -> list[dict[str, str]]:
    source = examples.source
    return [
        {
            "id": source.ids[i],
            "label": source.labels[source.label[i]],
            "split": str(examples.split[i]),
        }
        for i in group[:8]
    ]


def _spread(values: Sequence[int]) -> list[int]:
    """Return the least, the middle and the largest."""
    return [int(value) for value in np.percentile(values, (0, 50, 100))]
