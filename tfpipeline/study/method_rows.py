"""The rows of a pair: how well every method does on every number of examples."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from tfpipeline.config.study import StudySettings
from tfpipeline.data.dataset import Examples
from tfpipeline.study import gram, lda, probes, shot_counts
from tfpipeline.study.features import Vectors
from tfpipeline.study.heads import choice, search

# Steps in which every head of a search is trained.
STEPS = 150


def rows(
    vectors: Vectors,
    examples: Examples,
    seed: int,
    program: search.Program,
    settings: StudySettings,
) -> Iterator[dict[str, Any]]:
    """Yield the accuracies of every method and number of examples of a repetition."""
    classes = program.classes
    validation, test = (vectors.of(examples, name) for name in ("validation", "test"))
    for shots, chosen, votes in shot_counts.draws(examples, seed, settings):
        x, y = vectors.of(examples, chosen)
        moments = gram.gather(x, y, classes)
        trained = program.train(x, y, steps=STEPS, seed=seed, gram=moments)
        answered = trained.answers(*validation)
        best = choice.best(answered, validation[1])
        # The images that chose a head do not say how good it is.
        unseen = choice.cross_fitted(answered, validation[1]) == validation[1]
        on_test = trained.answers(*test).classes[best] == test[1]
        answers = {
            "probe": probes.fit_probe(x, y, classes, gram=moments).scores,
            "lda": lda.fit_lda(x, y, moments).scores,
            "neighbours": lambda z: probes.neighbours(x, y, z, classes, votes),
        }
        # Accuracies alone are kept: scores of many images and classes are gigabytes.
        accuracies = {
            method: [
                probes.accuracy(answer, z, right, classes)
                for z, right in (test, validation)
            ]
            for method, answer in answers.items()
        }
        accuracies["head"] = [probes.share(part) for part in (on_test, unseen)]
        for method, (on_test, on_validation) in accuracies.items():
            row: dict[str, Any] = {
                "method": method,
                "shots": shots,
                "seed": seed,
                "accuracy": on_test,
                "validation_accuracy": on_validation,
                "trained_on": len(y),
                "measured_on": len(test[1]),
            }
            if method == "head":
                row["head"] = dataclasses.asdict(program.heads[best])
            yield row
