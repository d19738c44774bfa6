"""The rows of a pair: how well every method does on every number of examples."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tfpipeline.config.study import StudySettings
from tfpipeline.data import splits
from tfpipeline.data.dataset import Examples
from tfpipeline.study import gram, lda, probes
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
    """Yield the accuracies of every method and number of examples of a repetition."""
    label, classes = examples.source.label, program.classes
    most = max(Counter(label[examples.of("train")].tolist()).values())
    validation, test = (vectors.of(examples, name) for name in ("validation", "test"))
    for shots in read_shots(settings.shots):
        if shots is not None and shots >= most:
            continue
        kept = splits.few(label, examples.split, most=shots, fraction=1, seed=seed)
        x, y = vectors.of(examples, kept[examples.split[kept] == "train"])
        # No more than a class has examples.
        votes = min(settings.neighbours, shots or settings.neighbours)
        moments = gram.gather(x, y, classes)
        trained = program.train(x, y, steps=STEPS, seed=seed, gram=moments)
        chosen = trained.answers(*validation)
        best = choice.best(chosen, validation[1])
        # The images that chose a head do not say how good it is.
        unseen = choice.cross_fitted(chosen, validation[1]) == validation[1]
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
                "shots": ALL if shots is None else shots,
                "seed": seed,
                "accuracy": on_test,
                "validation_accuracy": on_validation,
                "trained_on": len(y),
                "measured_on": len(test[1]),
            }
            if method == "head":
                row["head"] = dataclasses.asdict(program.heads[best])
            yield row
