"""VERB: from a run to its metrics on any source."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import atomic, cli, config_adversary, manifest, runs
from tfpipeline.config import EvaluateSettings, RunSettings
from tfpipeline.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from tfpipeline.data.preparation import Examples


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a trained classifier, on its own test images or on any source."""
    phases = manifest.Phases()
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    run = runs.RunFolder(Path(settings.run)).existing()
    argv = ["--config", str(run.config)]
    trained = cli.parse(RunSettings, argv, prog="train", description="")
    epsilons = []
    if settings.robust is not None:
        epsilons = config_adversary.epsilons(settings.robust, "--robust")
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.data import pipeline, splits
        from tfpipeline.evaluation import metrics
        from tfpipeline.models import saving
        from tfpipeline.report import summary
        from tfpipeline.training.predictor import Predictor

        strategy = distribution.start(
            settings.distribute, trained.train.precision, trained.seed
        )
        if epsilons:
            from tfpipeline.workflow import robustness

            robustness.check(settings.adversary, epsilons, "--robust")
    with phases("build"), strategy.scope():
        model, labels = saving.load_classifier(run.model)
    with phases("audit"):
        examples = _examples(settings, trained, run, labels)
    chosen = _measured(examples)
    reading = pipeline.Reading(
        height=model.input_shape[1],
        width=model.input_shape[2],
        resize=trained.data.resize,
        batch_size=distribution.replica_multiple(
            int(trained.data.batch_size), strategy
        ),
    )
    label = examples.source.label
    trained_on = splits.trained_digests(run.splits)
    seen = sum(examples.keys[i] in trained_on for i in chosen)
    batches = pipeline.Batches(examples.files, label, reading)
    predictor = Predictor(lambda x: model(x, training=False), strategy)
    with phases("evaluate"):
        logits = predictor.all(batches.plain(chosen), len(chosen), "evaluate")
    robust: dict[str, Any] = {}
    if epsilons:
        with phases("attack"):
            robust["robust"] = robustness.measure(
                lambda x: model(x, training=False),
                batches.plain(chosen),
                settings.adversary,
                epsilons,
                robustness.Place(strategy, trained.seed),
            )
    result = {
        "source": examples.source.name,
        "split": str(examples.split[chosen[0]]) or "all",
        **metrics.classification(logits, label[chosen], labels),
        **robust,
        "seen_in_training": seen,
        "quarantined": len(examples.quarantined),
        "seconds": phases.report(),
    }
    atomic.write_json(run.evaluation, result)
    careful = f"Careful: {seen} of them were trained on.\n" if seen else ""
    robustly = summary.robust(result)
    top_3 = f" (top 3 {result['top_3_accuracy']:.3f})" if len(labels) > 3 else ""
    print(
        f"\nAccuracy {result['accuracy']:.3f}{top_3}, "
        f"loss {result['loss']:.3f} on {result['n']} images of {result['source']}, "
        f"split {result['split']}.\n{robustly}{careful}Written: {run.evaluation}"
    )
    return result


def _examples(
    settings: EvaluateSettings,
    trained: RunSettings,
    run: runs.RunFolder,
    labels: tuple[str, ...],
) -> Examples:
    """Return the run's own examples and splits, or those of another source."""
    from tfpipeline.data import preparation
    from tfpipeline.demo import source

    given = {k: v for k, v in vars(settings.data).items() if v is not None}
    data = dataclasses.replace(trained.data, **given)
    own = settings.source is None or _same(settings.source, data.source)
    if own:
        fixes = str(run.corrections) if run.corrections.is_file() else None
        data = dataclasses.replace(data, splits=str(run.splits), corrections=fixes)
    else:
        data = dataclasses.replace(
            data, source=str(settings.source), splits=None, corrections=None
        )
    # What limits training says nothing about what is measured.
    data = dataclasses.replace(data, examples_per_class=None, train_fraction=1.0)
    cache = cli.cache_folder(settings.cache_dir or trained.cache_dir)
    draw = source.drawer(data)
    if own:
        examples = preparation.prepare(data, trained.seed, cache, draw)
    else:
        examples = preparation.open_all(data, cache, draw)
    found = examples.source
    if settings.map_labels and _alike(found.labels, labels):
        return dataclasses.replace(examples, source=found.in_order(labels))
    _check_labels(found.labels, labels, found.name)
    return examples


def _same(source: str, trained: str) -> bool:
    """Tell whether two sources are the same, written differently perhaps."""
    return source == trained or (
        os.path.exists(source)
        and os.path.exists(trained)
        and os.path.samefile(source, trained)
    )


def _alike(found: tuple[str, ...], trained: tuple[str, ...]) -> bool:
    """Tell whether two lists hold the same names, in any order and letter case."""
    one, two = ({name.casefold() for name in names} for names in (found, trained))
    return one == two and len(one) == len(found) == len(trained)


def _measured(examples: Examples) -> np.ndarray:
    """Return the examples of the best split to measure on that there is."""
    for split in ("test", "", "validation", "train"):
        if len(chosen := examples.of(split)):
            return chosen
    raise UserError(f"{examples.source.name}: expected images, found none.")


def _check_labels(found: tuple[str, ...], trained: tuple[str, ...], name: str) -> None:
    """Refuse a source whose classes are others, or are in another order."""
    advice = "Name its classes as in labels.txt of the run."
    if _alike(found, trained):
        advice = (
            "Only their order or letter case differs: say --map_labels true to map "
            "them by name."
        )
    for index in range(max(len(found), len(trained))):
        theirs = found[index] if index < len(found) else None
        ours = trained[index] if index < len(trained) else None
        if theirs != ours:
            raise UserError(
                f"{name}: its classes are not those that the model was trained on. "
                f"First difference, at number {index}: the model has {ours!r}, the "
                f"source {theirs!r}. {advice}"
            )


if __name__ == "__main__":
    sys.exit(cli.main(evaluate, EvaluateSettings))
