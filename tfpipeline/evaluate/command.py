"""From a run to its metrics on any source."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import cli
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config import EvaluateSettings
from tfpipeline.core import (
    console,
    file_io,
    provenance,
    result_dir,
    run_dir,
    startup,
)
from tfpipeline.core import target as targets
from tfpipeline.core import text_table
from tfpipeline.core.errors import UserError
from tfpipeline.models.engines import names
from tfpipeline.report.closing import closing

if TYPE_CHECKING:
    from tfpipeline.report.diagnosis import Answers


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a trained classifier, on its own test images or on any source."""
    phases = provenance.Phases()
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    names.check(settings.engine, "--engine")
    run = run_dir.RunFolder(Path(settings.run)).existing()
    output = _output(run, settings)
    trained = cli.of_run(run.config)
    if settings.robust is not None:
        targets.expect(
            *(trained.data.target or targets.SINGLE, f"--robust {settings.robust}"),
            "Attacks need one class to be the answer: leave it out.",
        )
    epsilons = []
    if settings.robust is not None:
        grid = settings.adversary.eight_bit
        epsilons = Epsilon.read_all(settings.robust, "--robust", grid=grid)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.data import dataset, pipeline, splits
        from tfpipeline.data.sources import jpeg_damage
        from tfpipeline.evaluate import (
            engine_pass,
            forward_pass,
            page,
            run_inputs,
            summary,
            target_evaluation,
        )
        from tfpipeline.metrics import calibration, novelty, target_metrics
        from tfpipeline.models import constant_weights, saving

        strategy = distribute.start(
            settings.distribute, trained.train.precision, trained.seed
        )
        if epsilons:
            from tfpipeline.attack.engine import robust_accuracy

            robust_accuracy.check(settings.adversary, "--robust")
    fitted, score = run_inputs.calibration_of(run), novelty.load(run)
    with phases("build"), strategy.scope():
        model, labels = saving.load_classifier(run.model)
    with phases("audit"):
        examples = run_inputs.examples_of(settings, trained, run, labels)
    chosen = run_inputs.measured(examples)
    size = distribute.replica_multiple(int(trained.data.batch_size), strategy)
    height, width = model.input_shape[1:3]
    ranges = examples.brightness.ranges
    reading = pipeline.Reading(height, width, trained.data.resize, size, ranges=ranges)
    label, keys = examples.source.label, examples.keys
    trained_on = splits.trained_digests(run.learned)
    batches = pipeline.Batches(examples.files, label, reading)
    cache = startup.cache_folder(settings.cache_dir or trained.cache_dir)
    brightness, engine = None, trained.train.engine
    engine = engine_pass.engine_of(settings.engine, engine)
    # A backbone that has learned is another one after each training: nothing is kept.
    if run.read_manifest().get("fingerprints", {}).get("features"):
        with contextlib.suppress(UserError):
            file_io.check_writable(cache)
            brightness = examples.brightness.fingerprint
    files = [examples.files[i] for i in chosen]
    scored = forward_pass.Scored(model, score)
    with phases("evaluate"), jpeg_damage.named(files):
        logits, values, cached = forward_pass.predict(
            *(scored, batches, keys, chosen, strategy),
            engine_pass.Ways(engine, cache, brightness),
        )
    if cached:
        console.note(f"features of {cached} of {len(chosen)} images were in the cache")
    robust = {}
    if epsilons:
        with phases("attack"):
            robust["robust"] = robust_accuracy.measure(
                constant_weights.traced(model, (height, width)),
                batches.plain(chosen),
                settings.adversary,
                epsilons,
                strategy,
                trained.seed,
            )
    known = {}
    if score is not None and values is not None:
        known["novelty"] = novelty.summary(score, values)
    decision = saving.load_decision(run.model)
    given = examples, chosen, logits, decision, trained.data.group
    measured = target_evaluation.Measured(*given)
    is_other = decision.target not in targets.CLASSES
    if is_other:
        figures = target_evaluation.metrics(measured)
    else:
        weight = examples.weights(chosen)
        figures = summary.metrics(logits, label[chosen], labels, weight)
        if decision.target == targets.SOFT and examples.source.values is not None:
            figures |= target_metrics.of_shares(logits, measured.truth, weight)
        figures["calibration"] = calibration.told(fitted, logits, label[chosen])
    result = {
        "source": examples.source.name,
        "split": str(examples.split[chosen[0]]) or "all",
        **figures,
        **robust,
        **known,
        "seen_in_training": sum(keys[i] in trained_on for i in chosen),
        "quarantined": len(examples.quarantined),
        "cached_features": cached,
        "seconds": phases.report(),
    }
    answers = None
    if not is_other:
        answers = page.answers(examples, chosen, logits, fitted)
    with output.recording():
        file_io.write_json(run.evaluation, result)
        if examples.quarantined:
            dataset.write_quarantine(run.evaluation_quarantine, examples.quarantined)
        if answers is None:
            written = page.attempt(
                run, lambda: target_evaluation.write(run, result, measured)
            )
        else:
            shown = answers, logits, fitted
            written = page.attempt(run, lambda: page.write(run, result, *shown))
    if answers is None:
        words: dict[str, Any] = {"decision": decision, "broken": examples.quarantined}
        words |= {"result": result, "quarantine": run.evaluation_quarantine}
        console.close(closing("evaluate_target", written or run.evaluation, **words))
    else:
        _say(run, result, written, answers, fitted.to_json())
    return result | {"written": console.written(run.path, written)}


def _say(
    run: run_dir.RunFolder,
    result: dict[str, Any],
    page: Path | None,
    answers: Answers,
    calibration: dict[str, Any],
) -> None:
    """Print the worst classes, and the summary."""
    from tfpipeline.evaluate import summary

    most = text_table.terminal_width()
    console.table(summary.table(result, most, page or run.evaluation))
    words: dict[str, Any] = {
        "result": result,
        "calibration": calibration,
        "worst": result["worst_class"],
        "broken": answers.examples.quarantined,
        "quarantine": run.evaluation_quarantine,
    }
    console.close(closing("evaluate", page or run.evaluation, **words))


def _output(run: run_dir.RunFolder, settings: EvaluateSettings) -> result_dir.Output:
    """Refuse, before the work, to replace what `evaluate` did not write."""
    output = result_dir.Output(run.path, run.evaluation.name, "--run")
    names = run.evaluation_page.name, run.evaluation_quarantine.name
    read = filter(None, (settings.source, settings.data.classes))
    output.check(names, map(Path, read))
    return output
