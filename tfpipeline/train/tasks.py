"""What each stage is fed with, and what is called on it."""

from pathlib import Path
from typing import Any

from tfpipeline.core import console, image_io
from tfpipeline.data import augment
from tfpipeline.models import classifier, feature_extraction, registry
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor
from tfpipeline.train import dropout, from_scratch, inputs
from tfpipeline.train.inputs import Task
from tfpipeline.train.setup import Work


def head_task(work: Work, cache: Path) -> Task:
    """Return what the head is trained on: features, computed once where that can be."""
    data, model = work.settings.data, work.model
    attacked = work.settings.robust.method != "none"
    if (
        attacked
        or work.settings.train.from_scratch
        or (data.augmentation != "none" and not data.views)
    ):
        return image_task(work, cache)
    extractor, head = classifier.split_classifier(model)
    frozen = feature_extraction.Extraction(
        Predictor(Frozen(extractor), work.strategy, work.meter),
        extractor.output_shape[-1],
        (classifier.describe(extractor), data.resize, image_io.RULES),
        cache / "features",
    )
    keys, chosen = work.examples.keys, work.examples.of("train")
    store, views = frozen.features(keys, work.alone.plain), None
    if data.views:
        views = frozen.views(
            [keys[i] for i in chosen],
            data.views,
            lambda number, order: work.alone.augmented(chosen[order], number),
            *(data.augmentation, augment.RULES, work.settings.seed),
        )
    label = work.examples.source.label
    every = work.settings.checkpoint.every_steps
    per_call = min(inputs.STEPS_PER_CALL, every or inputs.STEPS_PER_CALL)
    return Task(
        inputs.CachedFeatures(
            store, keys, label, work.batches.arrange, per_call, views
        ),
        lambda x, draws: dropout.train_through(head, x, draws),
        lambda x: head(x, training=False),
        frozen.name,
    )


def image_task(work: Work, cache: Path) -> Task:
    """Return the whole network and images, changed anew in every epoch."""
    batches, model = work.batches, work.model
    extractor, head = classifier.split_classifier(model)
    if batches.decoded is None:
        plan = batches.keep_decoded(work.settings.data.cache, cache / "decoded")
        console.note(f"decoded images: {plan.where} ({plan.reason})")
    if work.settings.train.from_scratch:
        mode = registry.BACKBONES[work.settings.model.backbone].mode
        extract = from_scratch.extractor(model, mode)
    else:
        # In inference mode whatever it learns: its batch norm is frozen.
        def extract(x: Any) -> Any:
            return extractor(x, training=False)

    return Task(
        inputs.Images(batches.augmented, batches.plain),
        lambda x, draws: dropout.train_through(head, extract(x), draws),
        lambda x: model(x, training=False),
    )
