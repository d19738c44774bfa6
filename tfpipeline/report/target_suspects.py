"""Labels and numbers of a run that look wrong: `cleaning.csv`, and rows of its page."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data import corrections
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources.base import BETWEEN
from tfpipeline.metrics import multi_label
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.targets import suspects

_FIRST = ("id", "path", "split", "label", "predicted")
_LAST = ("suspicion", "action", "new_label")


@dataclass(frozen=True)
class Suspects:
    """Examples that were predicted, and what speaks against their labels.

    Args:
        examples: All of the run.
        decision: What turns outputs into answers.
        index: Of each that was predicted, into the examples, int64, shape (n,).
        split: Of each, shape (n,).
        outputs: Of the network, shape (n, k).
        against: Of several labels, what speaks against each of them; of a number its
            robust z where that is an outlier; 0 where nothing does; shape (n, k).
    """

    examples: Examples
    decision: Decision
    index: np.ndarray
    split: np.ndarray
    outputs: np.ndarray
    against: np.ndarray

    @functools.cached_property
    def suspicion(self) -> np.ndarray:
        """What speaks against the worst label of each example, shape (n,)."""
        return np.asarray(self.against.max(axis=1, initial=0.0))

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """What each example is said to be, shape (n, k)."""
        return self.examples.truth(self.index)

    @functools.cached_property
    def error(self) -> np.ndarray:
        """Of a number: predicted minus what it is said to be, shape (n,)."""
        return np.asarray(np.float64(self.outputs[:, 0]) - self.truth[:, 0])

    @functools.cached_property
    def size(self) -> np.ndarray:
        """How wrong each answer is: its loss, or absolute error, shape (n,)."""
        if self.decision.target == targets.NUMBER:
            return np.abs(self.error)
        return multi_label.losses(self.outputs, self.truth)

    def order(self) -> np.ndarray:
        """Return the places of all examples, the most suspicious first, int64."""
        return np.lexsort((-self.size, -self.suspicion))

    def counts(self) -> dict[str, int]:
        """Return how many images are suspected, of those held out and of training."""
        is_train, marked = self.split == "train", self.suspicion > 0
        counts = {
            "held_out": int((marked & ~is_train).sum()),
            "held_out_n": int((~is_train).sum()),
            "train": int((marked & is_train).sum()),
            "train_n": int(is_train.sum()),
        }
        if self.decision.target == targets.MULTI:
            counts["labels"] = int((self.against > 0).sum())
        return counts

    def row(self, place: int) -> dict[str, Any]:
        """Return what is told of an example.

        Of several labels `add` and `remove`, names of classes, the most suspicious
        first; of a number its `error`, predicted minus what it is said to be.
        """
        source, i = self.examples.source, int(self.index[place])
        told: dict[str, Any] = {
            "id": source.ids[i],
            "split": str(self.split[place]),
            "label": source.said(i),
            "predicted": self.decision.said(self.outputs[place : place + 1])[0],
            "suspicion": float(self.suspicion[place]),
        }
        if self.decision.target == targets.NUMBER:
            return told | {"error": float(self.error[place])}
        against, there = self.against[place], self.truth[place]
        order = np.argsort(-against, kind="stable")
        marked = [k for k in order.tolist() if against[k] > 0]
        names = self.decision.labels
        return told | {
            "add": [names[k] for k in marked if there[k] < 0.5],
            "remove": [names[k] for k in marked if there[k] > 0.5],
        }

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the rows of `cleaning.csv`: what is suspected first, then by error."""
        is_number = self.decision.target == targets.NUMBER
        z = np.zeros(len(self.index))
        if is_number:
            for part in _parts(self.split):
                z[part] = suspects.robust_z(self.error[part])
        for place in self.order().tolist():
            own, path = self.row(place), self.examples.source.paths[self.index[place]]
            first = corrections.cell(own["id"]), path.absolute(), own["split"]
            suspicion = f"{own['suspicion']:.6g}"
            if is_number:
                numbers = f"{own['error']:.6g}", f"{z[place]:.6g}", suspicion
                yield (*first, own["label"], own["predicted"], *numbers, "", "")
                continue
            names = set(own["label"].split(BETWEEN)) | set(own["add"])
            names -= set(own["remove"])
            better = [n for n in self.decision.labels if n in names]
            new = BETWEEN.join(better) if own["suspicion"] else ""
            changes = (BETWEEN.join(own[key]) for key in ("add", "remove"))
            texts = map(corrections.cell, (own["label"], own["predicted"], *changes))
            yield (
                *(*first, *texts, f"{self.size[place]:.6g}", suspicion, ""),
                corrections.cell(new),
            )


def header(decision: Decision) -> tuple[str, ...]:
    """Return the columns of `cleaning.csv`."""
    if decision.target == targets.NUMBER:
        return (*_FIRST, "error", "robust_z", *_LAST)
    return (*_FIRST, "add", "remove", "loss", *_LAST)


def find(
    examples: Examples, logits: Mapping[str, np.ndarray], decision: Decision
) -> Suspects:
    """Return what speaks against the labels of all splits with logits, at least one.

    Images held out from training are judged among each other, and so are training
    images, which a network may have memorised where there are no folds.
    """
    places = {split: examples.of(split) for split in logits}
    index = np.concatenate(list(places.values()))
    sizes = [len(own) for own in places.values()]
    split = np.repeat(np.array(list(places), object), sizes)
    outputs = np.concatenate([logits[name] for name in places])
    truth, against = examples.truth(index), np.zeros(outputs.shape)
    for rows in _parts(split):
        if decision.target == targets.NUMBER:
            error = np.float64(outputs[rows, 0]) - truth[rows, 0]
            against[rows, 0] = suspects.of_numbers(error)
        elif rows.any():
            chance = multi_label.probabilities(outputs[rows])
            against[rows] = suspects.of_labels(chance, truth[rows])
    return Suspects(examples, decision, index, split, outputs, against)


def _parts(split: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    is_train = split == "train"
    return is_train, ~is_train
