"""What a run's network makes of pictures: features, and what its head says of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfpipeline.core import run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.data import sample_ranges, scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage
from tfpipeline.evaluate import run_inputs
from tfpipeline.metrics import classification
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import classifier, reference
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor
from tfpipeline.models.reference import Reference

# Features that go through the head at a time.
_TOGETHER = 4096


class Judged(NamedTuple):
    """What a head says of features.

    Args:
        label: Index of the likeliest class, shape (n,).
        probability: Of that class, calibrated, shape (n,).
        novelty: How unlike what the run has learned each is, shape (n,); None where
            the run does not tell.
        known: Whether that is within its limit, shape (n,); None likewise.
        said: The answer in words, of length n: the likeliest class, several of them,
            or a number, which has no probability.
        values: Of several labels which are said, bool, shape (n, classes); of a number
            itself, shape (n,); None where one class is the answer.
    """

    label: np.ndarray
    probability: np.ndarray
    novelty: np.ndarray | None
    known: np.ndarray | None
    said: Sequence[str] = ()
    values: np.ndarray | None = None


class Embedded(NamedTuple):
    """Pictures that could be read, and those that could not.

    Args:
        files: Those that could, of length n.
        features: What the head is fed with, float32, shape (n, width).
        bad: The path of each other file, and why it cannot be read.
    """

    files: Sequence[Row]
    features: np.ndarray
    bad: Sequence[tuple[Path, str]]


def reference_of(run: run_dir.RunFolder) -> Reference:
    """Return the features that a run has kept of its own images.

    Raises:
        UserError: It has kept none.
    """
    kept = reference.read(run)
    if kept is None or not len(kept.features):
        raise UserError(
            f"{run.path}: expected a run that kept the features of its images, found "
            "none in it: an earlier version, a combination, or --train.reference false "
            "made it. Train it again; features that are in the cache are found there."
        )
    return kept


class Network:
    """The classifier of a finished run, in two parts, on one device."""

    def __init__(self, run: run_dir.RunFolder) -> None:
        self._ready = run_inputs.ready(run)
        self._temperature = run_inputs.calibration_of(run).temperature
        extractor, self._head = classifier.split_classifier(self._ready.model)
        self._extract = Predictor(Frozen(extractor), self._ready.predictor.strategy)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""
        return self._ready.labels

    @property
    def novelty(self) -> Novelty | None:
        """What tells strange pictures; None where the run does not."""
        return self._ready.novelty

    @property
    def ranges(self) -> Ranges:
        """What is black and white in deep samples."""
        return self._ready.ranges

    def embed(self, paths: Sequence[Path], max_pixels: int) -> Embedded:
        """Return the features of files.

        Raises:
            UserError: None of them can be read.
        """
        rows = scan.audit(paths, cache=None, max_pixels=max_pixels)
        good = [row for row in rows if not row.reason]
        bad = [(path, row.reason) for path, row in zip(paths, rows) if row.reason]
        if not good:
            raise UserError(
                f"{bad[0][0]}: {bad[0][1]}. None of {len(bad)} files can be read; "
                "expected pictures."
            )
        sample_ranges.report(good, self._ready.ranges)
        batches = self._ready.batches(good)
        with jpeg_damage.named(good):
            features = self._extract.all(batches, len(good), "features")
        return Embedded(good, features, bad)

    def judge(self, features: np.ndarray) -> Judged:
        """Return what the head says of features, shape (n, width)."""
        logits, decision = in_parts(self._head, features), self._ready.decision
        novelty, known, score = None, None, self.novelty
        if score is not None:
            novelty = in_parts(score, features, logits)
            known = score.knows(novelty)
        if decision.target not in targets.CLASSES:
            every = decision.chance(logits)
            chance, values = every.max(1), decision.called(every)
            if decision.target == targets.NUMBER:
                chance, values = np.full(len(logits), None), logits[:, 0]
            own = novelty, known, decision.said(logits), values
            return Judged(logits.argmax(1), chance, *own)
        chance = classification.probabilities(logits / self._temperature)
        said = [self.labels[k] for k in logits.argmax(1)]
        return Judged(logits.argmax(1), chance.max(1), novelty, known, said)


def in_parts(ask: Callable[..., tf.Tensor], *arrays: np.ndarray) -> np.ndarray:
    """Return what a function says of arrays of rows, a part of them at a time."""
    parts = (slice(i, i + _TOGETHER) for i in range(0, len(arrays[0]), _TOGETHER))
    answers = [ask(*(tf.constant(array[part]) for array in arrays)) for part in parts]
    return np.concatenate([np.asarray(answer) for answer in answers])
