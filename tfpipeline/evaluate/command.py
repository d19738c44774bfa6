"""From a run to its metrics on any source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfpipeline import cli
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config import EvaluateSettings
from tfpipeline.core import console, file_io, provenance, result_dir, run_dir, startup
from tfpipeline.core.errors import UserError
from tfpipeline.report.closing import closing


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a trained classifier, on its own test images or on any source."""
    phases = provenance.Phases()
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    run = run_dir.RunFolder(Path(settings.run)).existing()
    result_dir.check_file("--run", run.evaluation, _is_own)
    trained = cli.of_run(run.config)
    epsilons = []
    if settings.robust is not None:
        grid = settings.adversary.eight_bit
        epsilons = Epsilon.read_all(settings.robust, "--robust", grid=grid)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.data import pipeline, splits
        from tfpipeline.evaluate import run_inputs
        from tfpipeline.metrics import calibration, classification
        from tfpipeline.models import constant_weights, saving
        from tfpipeline.models.inference import Predictor

        strategy = distribute.start(
            settings.distribute, trained.train.precision, trained.seed
        )
        if epsilons:
            from tfpipeline.attack.engine import robust_accuracy

            robust_accuracy.check(settings.adversary, "--robust")
    fitted = run_inputs.calibration_of(run)
    with phases("build"), strategy.scope():
        model, labels = saving.load_classifier(run.model)
    with phases("audit"):
        examples = run_inputs.examples_of(settings, trained, run, labels)
    chosen = run_inputs.measured(examples)
    size = distribute.replica_multiple(int(trained.data.batch_size), strategy)
    height, width = model.input_shape[1:3]
    ranges = examples.brightness.ranges
    reading = pipeline.Reading(height, width, trained.data.resize, size, ranges=ranges)
    label = examples.source.label
    trained_on = splits.trained_digests(run.learned)
    seen = sum(examples.keys[i] in trained_on for i in chosen)
    batches = pipeline.Batches(examples.files, label, reading)
    network = constant_weights.traced(model, (height, width))
    predictor = Predictor(network, strategy)
    with phases("evaluate"):
        logits = predictor.all(batches.plain(chosen), len(chosen), "evaluate")
    robust = {}
    if epsilons:
        with phases("attack"):
            robust["robust"] = robust_accuracy.measure(
                network,
                batches.plain(chosen),
                settings.adversary,
                epsilons,
                strategy,
                trained.seed,
            )
    result = {
        "source": examples.source.name,
        "split": str(examples.split[chosen[0]]) or "all",
        **classification.classification(logits, label[chosen], labels),
        "calibration": calibration.told(fitted, logits, label[chosen]),
        **robust,
        "seen_in_training": seen,
        "quarantined": len(examples.quarantined),
        "seconds": phases.report(),
    }
    file_io.write_json(run.evaluation, result)
    words: dict[str, Any] = {"result": result, "calibration": fitted.to_json()}
    console.close(closing("evaluate", run.evaluation, **words))
    return result | {"written": console.written(run.path, None)}


def _is_own(file: Path) -> bool:
    """Tell whether a file is what `evaluate` wrote."""
    try:
        return "seen_in_training" in json.loads(file.read_text("utf-8"))
    except (ValueError, TypeError):
        return False
