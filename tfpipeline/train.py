"""VERB: from images to a run folder with a trained and measured classifier."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import atomic, cli, images, manifest, runs
from tfpipeline.config import RunSettings
from tfpipeline.errors import UserError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfpipeline.data.pipeline import Batches, Reading
    from tfpipeline.data.preparation import Examples
    from tfpipeline.training.inputs import Task
    from tfpipeline.training.meter import Meter


SPLITS = ("train", "validation", "test")


def train(settings: RunSettings) -> dict[str, Any]:
    """Train a new head on a frozen backbone, with your images, and measure it."""
    phases = manifest.Phases()
    folder = runs.new_run(settings.workdir, overwrite=settings.overwrite)
    cache = cli.cache_folder(settings.cache_dir)
    atomic.check_writable(cache)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.data import pipeline, preparation
        from tfpipeline.demo import source, world
        from tfpipeline.models import backbones, classifier, table
        from tfpipeline.training import meter, optimizers

        strategy = distribution.start(
            settings.distribute, settings.train.precision, settings.seed
        )
    model_settings = backbones.resolve(settings.model, settings.data.source)
    settings = dataclasses.replace(settings, model=model_settings)
    optimizers.check(settings.train)
    if settings.data.sampling != "natural" and settings.train.class_weights != "none":
        raise UserError(
            "--data.sampling balanced and --train.class_weights balanced: expected one "
            "of them; both would count rare classes twice. Leave one out."
        )
    reading = _reading(settings, strategy)
    mode = table.BACKBONES[model_settings.backbone].mode
    with phases("audit"):
        draw = source.drawer(settings.data)
        examples = preparation.prepare(settings.data, settings.seed, cache, draw)
    with phases("build"), strategy.scope():
        backbone = backbones.build_backbone(model_settings, world.WEIGHTS_FILE)
    labels = examples.source.labels
    most = distribution.replica_multiple(len(examples.source), strategy)
    if reading.batch_size > most:
        reading = dataclasses.replace(reading, batch_size=most)
    batches = pipeline.Batches(
        examples.files, examples.source.label, reading, len(labels)
    )
    with phases("build"), strategy.scope():
        if model_settings.weights == "none":
            some = batches.plain(batches.shuffled(examples.of("train"), 0))
            backbones.calibrate(backbone, next(iter(some))[0], mode)
        model = classifier.build_classifier(backbone, mode, model_settings, len(labels))
    work = Work(settings, strategy, model, examples, batches, meter.Meter())
    with folder.claimed():
        return _train(folder, work, cache, phases)


def _train(
    folder: runs.RunFolder, work: Work, cache: Path, phases: manifest.Phases
) -> dict[str, Any]:
    """Train and measure, now that nothing of the user's is known to be wrong."""
    from tfpipeline.models import saving
    from tfpipeline.training import loop

    run = folder.staged()
    _begin(run, work)
    with phases("extract"):
        task = _task(work, cache)
    with phases("figures"):
        _draw_batch(run, work)
        leaks = {kind: work.examples.leaks(kind) for kind in ("exact", "near")}
        if leaks["near"] and (sheet := work.examples.leak_sheet()) is not None:
            images.save_png(run.figures / "leaks.png", sheet)
    with phases("train"):
        history = _fit(work, task)
    with phases("evaluate"):
        result: dict[str, Any] = _measure(work, task)
    with phases("save"):
        saving.save_classifier(run.model, work.model, work.examples.source.labels)
        loop.write_history(run.history, history)
    result["seconds"] = phases.report()
    result["input"] = work.meter.verdict()
    result["leaks"] = leaks
    _finish(run, work, task, result)
    folder.publish(run)
    print(_summary(folder, work, len(history), result))
    return result


@dataclass(frozen=True)
class Work:
    """What every step of a training needs."""

    settings: RunSettings
    strategy: tf.distribute.Strategy
    model: keras.Model
    examples: Examples
    batches: Batches
    meter: Meter


def _reading(settings: RunSettings, strategy: tf.distribute.Strategy) -> Reading:
    from tfpipeline import distribution
    from tfpipeline.data import pipeline

    size = settings.model.image_size
    assert size is not None
    data = settings.data
    return pipeline.Reading(
        height=size,
        width=size,
        resize=data.resize,
        batch_size=distribution.replica_multiple(data.batch_size, strategy),
        augmentation=data.augmentation,
        seed=settings.seed,
        sampling=data.sampling,
        views=data.views,
    )


def _begin(run: runs.RunFolder, work: Work) -> None:
    """Make the run folder; its manifest comes first and says that it is unfinished."""
    from tfpipeline.data import preparation, splits

    examples = work.examples
    for old in (run.model, run.metrics, run.history, run.evaluation):
        old.unlink(missing_ok=True)
    atomic.write_json(run.manifest, {"finished": False, "command": manifest.command()})
    atomic.write_text(run.config, cli.dump(cli.anchored(work.settings)))
    atomic.write_text(run.labels, "".join(f"{n}\n" for n in examples.source.labels))
    splits.write(run.splits, examples.source, examples.split, examples.keys)
    preparation.write_quarantine(run.quarantine, examples.quarantined)


def _draw_batch(run: runs.RunFolder, work: Work) -> None:
    """Draw the first training batch as the network sees it."""
    from tfpipeline.report import figures

    order = work.batches.shuffled(work.examples.of("train"), 0)
    order = order[: work.batches.reading.batch_size]
    pictures, targets, weights = next(iter(work.batches.augmented(order, 0)))
    count = int((weights.numpy() > 0).sum())
    labels = work.examples.source.labels
    sheet = figures.batch(pictures[:count], targets[:count], labels)
    images.save_png(run.figures / "batch.png", sheet)


def _task(work: Work, cache: Path) -> Task:
    """Compute features once where that can be done; else use images."""
    from tfpipeline.data import augmentations
    from tfpipeline.models import classifier
    from tfpipeline.training import extraction, inputs
    from tfpipeline.training.predictor import Predictor

    data, model, batches = work.settings.data, work.model, work.batches
    extractor, head = classifier.split_classifier(model)
    if data.augmentation != "none" and not data.views:
        plan = batches.keep_decoded(data.cache, cache / "decoded")
        print(f"decoded images: {plan.where} ({plan.reason})", file=sys.stderr)
        return inputs.Task(
            inputs.Images(batches.augmented, batches.plain),
            lambda x: head(extractor(x, training=False), training=True),
            lambda x: model(x, training=False),
        )
    frozen = extraction.Extraction(
        Predictor(lambda x: extractor(x, training=False), work.strategy, work.meter),
        extractor.output_shape[-1],
        (classifier.describe(extractor), data.resize, images.RULES),
        cache / "features",
    )
    keys, chosen = work.examples.keys, work.examples.of("train")
    store, views = frozen.features(keys, batches.plain), None
    if data.views:
        views = frozen.views(
            [keys[i] for i in chosen],
            data.views,
            lambda number, order: batches.augmented(chosen[order], number),
            *(data.augmentation, augmentations.RULES, work.settings.seed),
        )
    label = work.examples.source.label
    return inputs.Task(
        inputs.CachedFeatures(store, keys, label, batches.arrange, views),
        lambda x: head(x, training=True),
        lambda x: head(x, training=False),
        frozen.name,
    )


def _fit(work: Work, task: Task) -> list[dict[str, float]]:
    from tfpipeline.evaluation import metrics
    from tfpipeline.models import classifier
    from tfpipeline.training import loop, optimizers
    from tfpipeline.training.predictor import Predictor

    settings, strategy, examples = work.settings, work.strategy, work.examples
    _, head = classifier.split_classifier(work.model)
    with strategy.scope():
        optimizer = optimizers.build_optimizer(settings.train, head.trainable_variables)
    criterion = loop.Criterion(
        len(examples.source.labels),
        settings.train.label_smoothing,
        optimizers.class_weights(settings.train.class_weights, examples.counts()),
    )
    trainer = loop.Trainer(
        task.training,
        head.trainable_variables,
        optimizer,
        criterion,
        strategy,
        # Cached features say nothing of how fast images are read.
        work.meter if task.fingerprint is None else None,
    )
    chosen, chooses = examples.of("train"), examples.of("validation")
    predictor = Predictor(task.inference, strategy)

    def validate() -> dict[str, float]:
        logits = predictor.all(task.inputs.batches(chooses), len(chooses), None)
        return metrics.loss_and_accuracy(logits, examples.source.label[chooses])

    return loop.fit(
        trainer,
        head,
        lambda epoch: task.inputs.steps(work.batches.shuffled(chosen, epoch), epoch),
        validate if len(chooses) else None,
        settings.train,
        steps_per_epoch=len(work.batches.arrange(chosen)[0]),
    )


def _measure(work: Work, task: Task) -> dict[str, dict[str, Any]]:
    """Return the metrics of the splits that the training did not learn from."""
    from tfpipeline.evaluation import metrics
    from tfpipeline.training.predictor import Predictor

    source = work.examples.source
    predictor = Predictor(task.inference, work.strategy)
    result = {}
    for split in ("test", "validation"):
        some = work.examples.of(split)
        if len(some):
            logits = predictor.all(task.inputs.batches(some), len(some), split)
            label = source.label[some]
            result[split] = metrics.classification(logits, label, source.labels)
    return result


def _finish(
    run: runs.RunFolder, work: Work, task: Task, result: dict[str, Any]
) -> None:
    """Write the result; the manifest comes last and says that the run is whole."""
    import tensorflow as tf

    examples, data = work.examples, work.settings.data
    atomic.write_json(run.metrics, result)
    atomic.write_json(
        run.manifest,
        {
            "finished": True,
            "command": manifest.command(),
            "versions": manifest.versions(),
            "seed": work.settings.seed,
            "devices": [device.name for device in tf.config.list_logical_devices()],
            "fingerprints": {"features": task.fingerprint},
            "examples": {s: int((examples.split == s).sum()) for s in SPLITS},
            "quarantined": len(examples.quarantined),
            "leaks": result["leaks"]["exact"],
            "near_leaks": result["leaks"]["near"],
            "rare_classes": examples.rare(data.min_class_share),
            "seconds": result["seconds"],
        },
    )


def _summary(
    run: runs.RunFolder, work: Work, epochs: int, result: dict[str, Any]
) -> str:
    """Say what was done, what came out, and what to do next."""
    from tfpipeline.report import summary

    examples = work.examples
    return summary.trained(
        summary.Trained(
            work.settings,
            images=len(examples.of("train")),
            classes=len(examples.source.labels),
            epochs=epochs,
            metrics=result,
            folder=str(run.path),
            unusable=len(examples.quarantined),
            rare=examples.rare(work.settings.data.min_class_share),
        )
    )


if __name__ == "__main__":
    sys.exit(cli.main(train, RunSettings))
