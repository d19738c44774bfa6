"""The rows of a pair: how well every method does on every number of examples."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfpipeline.config.study import StudySettings
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples
from tfpipeline.study import probes
from tfpipeline.study.features import Vectors
from tfpipeline.study.heads import choice, search
from tfpipeline.study.shot_counts import ALL, read_shots

# Steps in which every head of a search is trained.
STEPS = 150


def rows(
    vectors: Vectors,
    examples: Examples,
    seed: int,
    program: search.Program,
    settings: StudySettings,
) -> Iterator[dict[str, Any]]:
    """Yield the accuracies of every method and number of examples.

    Args:
        vectors: Features of the examples, and perhaps of others.
        examples: Of one repetition.
        seed: Of the repetition.
        program: Trains the heads.
        settings: Of the study.
    """
    label = examples.source.label
    most = int(examples.counts().max())
    chooses = vectors.of(examples, "validation")
    measures = vectors.of(examples, "test")
    for shots in read_shots(settings.shots):
        if shots is not None and shots >= most:
            continue
        kept = splits.few(label, examples.split, most=shots, fraction=1, seed=seed)
        x, y = vectors.of(examples, kept[examples.split[kept] == "train"])
        # No more than a class has examples.
        votes = min(settings.neighbours, shots or settings.neighbours)
        answers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "probe": probes.fit_probe(x, y, program.classes).scores,
            "neighbours": functools.partial(
                probes.neighbours, x, y, classes=program.classes, count=votes
            ),
        }
        accuracies = {
            method: [probes.accuracy(answer(z), of) for z, of in (measures, chooses)]
            for method, answer in answers.items()
        }
        trained = program.train(x, y, steps=STEPS, seed=seed)
        logits = trained.logits(chooses[0])
        best = choice.best(logits, chooses[1])
        # The images that chose a head do not say how good it is.
        crossed = choice.cross_fitted(logits, chooses[1])
        accuracies["head"] = [
            probes.accuracy(trained.logits(measures[0])[best], measures[1]),
            probes.accuracy(crossed, chooses[1]),
        ]
        chosen = {"head": dataclasses.asdict(program.heads[best])}
        for method, (test, validation) in accuracies.items():
            yield {
                "method": method,
                "shots": ALL if shots is None else shots,
                "seed": seed,
                "accuracy": test,
                "validation_accuracy": validation,
                "trained_on": len(y),
                "measured_on": len(measures[1]),
                **(chosen if method == "head" else {}),
            }
