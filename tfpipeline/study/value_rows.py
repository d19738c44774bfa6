"""The rows of a pair whose images have several labels, or a number, each."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from tfpipeline.config.study import StudySettings
from tfpipeline.core import target as targets
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import target_score
from tfpipeline.study import gram, probes, shot_counts
from tfpipeline.study.features import Vectors
from tfpipeline.study.heads import search, value_choice
from tfpipeline.study.heads.space import Head
from tfpipeline.study.method_rows import STEPS

# What a study has of single classes only.
LEFT_OUT = {targets.MULTI: "lda and LogME", targets.NUMBER: "lda"}


def not_defined(target: str) -> str:
    """Return what a study does not have for a target, as a sentence."""
    more = " Heads have no label smoothing." if target == targets.NUMBER else ""
    return f"{LEFT_OUT[target]}: not defined for {targets.FLAG} {target}.{more}"


def fitting(target: str, heads: tuple[Head, ...]) -> tuple[Head, ...]:
    """Return ways to train a head without what a target gives no meaning to."""
    if target != targets.NUMBER:
        return heads
    return tuple(dataclasses.replace(head, label_smoothing=0.0) for head in heads)


def rows(
    vectors: Vectors,
    examples: Examples,
    seed: int,
    program: search.Program,
    settings: StudySettings,
) -> Iterator[dict[str, Any]]:
    """Yield the figures of every method and number of examples of a repetition.

    So many examples are of each stratum: of several labels the rarest, of a number the
    tenth that it lies in.
    """
    target = examples.source.target
    score = target_score.of_target(target)
    held_out = {name: vectors.valued(examples, name) for name in ("validation", "test")}
    for shots, chosen, votes in shot_counts.draws(examples, seed, settings):
        x, y, _ = vectors.valued(examples, chosen)
        outputs = y.shape[1]
        moments = gram.gather_values(x, y)
        methods = {
            "probe": probes.fit_values(x, y, gram=moments).scores,
            "neighbours": lambda z: probes.neighbour_means(x, y, z, votes),
        }
        figures = {
            method: [
                target_score.measure(target, probes.answers(answer, z, outputs), true)
                for z, true, _ in (held_out["test"], held_out["validation"])
            ]
            for method, answer in methods.items()
        }
        trained = program.train(x, y, steps=STEPS, seed=seed, gram=moments)
        z, true, strata = held_out["validation"]
        answers = trained.outputs(z)
        best = value_choice.best(target, answers, true)
        # The images that chose a head do not say how good it is.
        unseen = value_choice.cross_fitted(target, answers, true, strata)
        z, on_test, _ = held_out["test"]
        figures["head"] = [
            target_score.measure(target, trained.outputs(z, best), on_test),
            target_score.measure(target, unseen, true),
        ]
        for method, (test, validation) in figures.items():
            row: dict[str, Any] = {
                "method": method,
                "shots": shots,
                "seed": seed,
                **test,
                score.validation: validation[score.key],
                "trained_on": len(y),
                "measured_on": len(on_test),
            }
            if method == "head":
                row["head"] = dataclasses.asdict(program.heads[best])
            yield row
