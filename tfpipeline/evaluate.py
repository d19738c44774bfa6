"""VERB: from a run to its metrics on any source."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tfpipeline import atomic, cli, config_adversary, manifest, results, runs, terminal
from tfpipeline.config import EvaluateSettings
from tfpipeline.errors import UserError


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a trained classifier, on its own test images or on any source."""
    phases = manifest.Phases()
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    run = runs.RunFolder(Path(settings.run)).existing()
    results.check_file("--run", run.evaluation, _is_own)
    trained = cli.of_run(run.config)
    epsilons = []
    if settings.robust is not None:
        epsilons = config_adversary.epsilons(settings.robust, "--robust")
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.data import pipeline, splits
        from tfpipeline.evaluation import calibration, metrics
        from tfpipeline.models import frozen, saving
        from tfpipeline.report import summary
        from tfpipeline.training.predictor import Predictor
        from tfpipeline.workflow import measuring

        strategy = distribution.start(
            settings.distribute, trained.train.precision, trained.seed
        )
        if epsilons:
            from tfpipeline.workflow import robustness

            robustness.check(settings.adversary, epsilons, "--robust")
    fitted = measuring.calibration_of(run)
    with phases("build"), strategy.scope():
        model, labels = saving.load_classifier(run.model)
    with phases("audit"):
        examples = measuring.examples_of(settings, trained, run, labels)
    chosen = measuring.measured(examples)
    reading = pipeline.Reading(
        height=model.input_shape[1],
        width=model.input_shape[2],
        resize=trained.data.resize,
        batch_size=distribution.replica_multiple(
            int(trained.data.batch_size), strategy
        ),
    )
    label = examples.source.label
    trained_on = splits.trained_digests(run.learned)
    seen = sum(examples.keys[i] in trained_on for i in chosen)
    batches = pipeline.Batches(examples.files, label, reading)
    answer = frozen.traced(model, model.input_shape[1:3])
    predictor = Predictor(answer, strategy)
    with phases("evaluate"):
        logits = predictor.all(batches.plain(chosen), len(chosen), "evaluate")
    robust: dict[str, Any] = {}
    if epsilons:
        with phases("attack"):
            robust["robust"] = robustness.measure(
                answer,
                batches.plain(chosen),
                settings.adversary,
                epsilons,
                robustness.Place(strategy, trained.seed),
            )
    result = {
        "source": examples.source.name,
        "split": str(examples.split[chosen[0]]) or "all",
        **metrics.classification(logits, label[chosen], labels),
        "calibration": calibration.told(fitted, logits, label[chosen]),
        **robust,
        "seen_in_training": seen,
        "quarantined": len(examples.quarantined),
        "seconds": phases.report(),
    }
    atomic.write_json(run.evaluation, result)
    terminal.close(summary.evaluated(result, run.evaluation, fitted.to_json()))
    return result | {"written": terminal.written(run.path, None)}


def _is_own(file: Path) -> bool:
    """Tell whether a file is what `evaluate` wrote."""
    try:
        return "seen_in_training" in json.loads(file.read_text("utf-8"))
    except (ValueError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(cli.main(evaluate, EvaluateSettings))
