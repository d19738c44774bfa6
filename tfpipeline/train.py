"""VERB: from images to a run folder with a trained and measured classifier."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import cli, manifest, runs
from tfpipeline.config import RunSettings

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfpipeline.data.pipeline import Batches
    from tfpipeline.data.preparation import Examples
    from tfpipeline.training.inputs import Inputs


SPLITS = ("train", "validation", "test")


def train(settings: RunSettings) -> dict[str, Any]:
    """Train a new head on a frozen backbone, with your images, and measure it."""
    phases = manifest.Phases()
    run = runs.new_run(settings.workdir, overwrite=settings.overwrite)
    cache = cli.cache_folder(settings.cache_dir)
    runs.check_writable(cache)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.data import pipeline, preparation
        from tfpipeline.demo import source, world
        from tfpipeline.models import backbones, classifier, saving, table
        from tfpipeline.training import optimizers

        strategy = distribution.start(
            settings.distribute, settings.train.precision, settings.seed
        )
    model_settings = backbones.resolve(settings.model, settings.data.source)
    settings = dataclasses.replace(settings, model=model_settings)
    optimizers.check(settings.train)
    reading = _reading(settings, strategy)
    mode = table.BACKBONES[model_settings.backbone].mode
    with phases("audit"):
        draw = source.drawer(settings.data)
        examples = preparation.prepare(settings.data, settings.seed, cache, draw)
    with phases("build"), strategy.scope():
        backbone = backbones.build_backbone(model_settings, world.WEIGHTS_FILE)
    batches = pipeline.Batches(examples.files, examples.source.label, reading)
    labels = examples.source.labels
    with phases("build"), strategy.scope():
        if model_settings.weights == "none":
            some = batches.plain(batches.shuffled(examples.of("train"), 0))
            backbones.calibrate(backbone, next(iter(some))[0], mode)
        model = classifier.build_classifier(backbone, mode, model_settings, len(labels))
    _begin(run, settings, examples)
    with phases("extract"):
        task = _task(settings, strategy, model, examples, batches, cache)
    with phases("train"):
        history = _fit(settings, strategy, model, examples, batches, task)
    with phases("evaluate"):
        result = _measure(strategy, examples, task)
    with phases("save"):
        saving.save_classifier(run.model, model, labels)
        _write_history(run, history)
    result["seconds"] = phases.report()
    _finish(run, settings, examples, task, result)
    print(_summary(run, settings, examples, history, result))
    return result


def _reading(settings: RunSettings, strategy: tf.distribute.Strategy) -> Any:
    from tfpipeline import distribution
    from tfpipeline.data import pipeline

    size = settings.model.image_size
    assert size is not None
    return pipeline.Reading(
        height=size,
        width=size,
        resize=settings.data.resize,
        batch_size=distribution.replica_multiple(settings.data.batch_size, strategy),
        augmentation=settings.data.augmentation,
        seed=settings.seed,
    )


def _begin(run: runs.RunFolder, settings: RunSettings, examples: Examples) -> None:
    """Make the run folder, now that nothing of the user's is known to be wrong."""
    from tfpipeline.data import preparation, splits

    for old in (run.manifest, run.model, run.metrics, run.history, run.evaluation):
        old.unlink(missing_ok=True)
    runs.write_text(run.config, cli.dump(settings))
    runs.write_text(run.labels, "".join(f"{n}\n" for n in examples.source.labels))
    splits.write(run.splits, examples.source, examples.split)
    preparation.write_quarantine(run.quarantine, examples.quarantined)


@dataclass(frozen=True)
class Task:
    """What is fed, and what is called on it in training and in inference."""

    inputs: Inputs
    training: Any
    inference: Any
    fingerprint: str | None


def _task(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    examples: Examples,
    batches: Batches,
    cache: Path,
) -> Task:
    """Compute features once where every image is always the same; else use images."""
    from tfpipeline.models import classifier
    from tfpipeline.training import feature_cache, inputs, loop

    extractor, head = classifier.split_classifier(model)
    if settings.data.augmentation != "none":
        return Task(
            inputs.Images(batches.augmented, batches.plain),
            lambda x: head(extractor(x, training=False), training=True),
            lambda x: model(x, training=False),
            None,
        )
    name = feature_cache.fingerprint(
        classifier.describe(extractor), settings.data.resize
    )
    store = feature_cache.FeatureCache(
        cache / "features" / name, extractor.output_shape[-1]
    )
    predictor = loop.Predictor(lambda x: extractor(x, training=False), strategy)
    store.fill(
        examples.keys,
        lambda order: predictor.over(batches.plain(order), len(order), "extract"),
    )
    return Task(
        inputs.CachedFeatures(
            store, examples.keys, examples.source.label, batches.arrange
        ),
        lambda x: head(x, training=True),
        lambda x: head(x, training=False),
        name,
    )


def _fit(
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    examples: Examples,
    batches: Batches,
    task: Task,
) -> list[dict[str, float]]:
    from tfpipeline.evaluation import metrics
    from tfpipeline.models import classifier
    from tfpipeline.training import loop, optimizers

    _, head = classifier.split_classifier(model)
    with strategy.scope():
        optimizer = optimizers.build_optimizer(settings.train, head.trainable_variables)
    trainer = loop.Trainer(
        task.training,
        head.trainable_variables,
        optimizer,
        classes=len(examples.source.labels),
        label_smoothing=settings.train.label_smoothing,
        strategy=strategy,
    )
    chosen, chooses = examples.of("train"), examples.of("validation")
    predictor = loop.Predictor(task.inference, strategy)

    def validate() -> dict[str, float]:
        logits = predictor.all(task.inputs.batches(chooses), len(chooses), None)
        return metrics.loss_and_accuracy(logits, examples.source.label[chooses])

    return loop.fit(
        trainer,
        head,
        lambda epoch: task.inputs.steps(batches.shuffled(chosen, epoch), epoch),
        validate if len(chooses) else None,
        settings.train,
        steps_per_epoch=len(batches.arrange(chosen)[0]),
    )


def _measure(
    strategy: tf.distribute.Strategy, examples: Examples, task: Task
) -> dict[str, dict[str, Any]]:
    """Return the metrics of the splits that the training did not learn from."""
    from tfpipeline.evaluation import metrics
    from tfpipeline.training import loop

    predictor = loop.Predictor(task.inference, strategy)
    result = {}
    for split in ("test", "validation"):
        some = examples.of(split)
        if len(some):
            logits = predictor.all(task.inputs.batches(some), len(some), split)
            result[split] = metrics.classification(
                logits, examples.source.label[some], examples.source.labels
            )
    return result


def _write_history(run: runs.RunFolder, history: list[dict[str, float]]) -> None:
    header = list(history[0]) if history else ["epoch"]
    runs.write_csv(run.history, header, ([row[k] for k in header] for row in history))


def _finish(
    run: runs.RunFolder,
    settings: RunSettings,
    examples: Examples,
    task: Task,
    result: dict[str, Any],
) -> None:
    """Write the result; the manifest comes last and says that the run is whole."""
    import tensorflow as tf

    runs.write_json(run.metrics, result)
    runs.write_json(
        run.manifest,
        {
            "finished": True,
            "command": manifest.command(),
            "versions": manifest.versions(),
            "seed": settings.seed,
            "devices": [device.name for device in tf.config.list_logical_devices()],
            "fingerprints": {"features": task.fingerprint},
            "examples": {s: int((examples.split == s).sum()) for s in SPLITS},
            "quarantined": len(examples.quarantined),
            "leaks": examples.leaks(),
            "seconds": result["seconds"],
        },
    )


def _summary(
    run: runs.RunFolder,
    settings: RunSettings,
    examples: Examples,
    history: list[dict[str, float]],
    result: dict[str, Any],
) -> str:
    """Say what was done, what came out, and what to do next."""
    model = settings.model
    name = model.backbone + (
        f" {model.alpha:g}" if model.alpha not in (None, 1) else ""
    )
    lines = [
        f"\nTrained a new head on {name} ({model.weights} weights, {model.image_size} "
        f"px): {len(examples.of('train'))} images of {len(examples.source.labels)} "
        f"classes, {len(history)} epochs, {result['seconds']['total']:.0f} s."
    ]
    if "test" in result:
        test = result["test"]
        lines.append(
            f"Test accuracy {test['accuracy']:.3f} on {test['n']} images that it never "
            f"saw. Run folder: {run.path}"
        )
    else:
        lines.append(f"No test images, so no test accuracy. Run folder: {run.path}")
    if examples.quarantined:
        lines.append(
            f"{len(examples.quarantined)} files could not be used: {run.quarantine}"
        )
    if leaks := examples.leaks():
        lines.append(
            f"Careful: {leaks} validation or test images are copies of training images."
        )
    if settings.data.source == "demo":
        own = "python -m tfpipeline.train --data.source FOLDER_OF_CLASS_FOLDERS"
        lines.append(f"Your own pictures: {own}")
    else:
        command = f"python -m tfpipeline.predict --model {run.path} --images PICTURES"
        lines.append(f"Next: {command}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(cli.main(train, RunSettings))
