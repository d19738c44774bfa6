"""Training from scratch: the whole network learns; there is nothing to transfer."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from tfpipeline.config import RunSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones, classifier, preprocessing, registry
from tfpipeline.models.preprocessing import Mode

# Of the moving statistics of batch norm, in a training from scratch; at most.
_MOMENTUM = 0.9


def resolve(settings: RunSettings) -> RunSettings:
    """Return settings without a null in `model` and in `train.from_scratch`."""
    model, from_scratch = settings.model, settings.train.from_scratch
    if from_scratch and model.weights is None:
        model = dataclasses.replace(model, weights="none")
    model = backbones.resolve(model, settings.data.source)
    untrained = model.weights == "none"
    if from_scratch and not untrained:
        raise UserError(
            "--train.from_scratch true: expected --model.weights none. Received: "
            f"{model.weights}. To let pretrained weights learn, say "
            "--fine_tune.epochs 10."
        )
    row = registry.BACKBONES.get(model.backbone)
    has_none = row is not None and row.imagenet_top_1 is None
    learns = (has_none and untrained) if from_scratch is None else from_scratch
    if learns and settings.fine_tune.epochs:
        raise UserError(
            "--fine_tune.epochs with a training from scratch: the whole network is "
            "trained already. Leave it out, and set --train.epochs."
        )
    if learns and settings.data.views:
        raise UserError(
            "--data.views with a training from scratch: views are features of a frozen "
            "network. Leave them out: every image is augmented again in every epoch."
        )
    train = dataclasses.replace(settings.train, from_scratch=learns)
    return dataclasses.replace(settings, model=model, train=train)


def trained_parts(model: keras.Model, settings: RunSettings) -> list[keras.Model]:
    """Return the parts of a classifier that the first stage changes; they learn now."""
    _, head = classifier.split_classifier(model)
    if not settings.train.from_scratch:
        return [head]
    backbone = classifier.backbone_of(model)
    backbone.trainable = True
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Of the global batch: any number of replicas then learns the same.
            layer.synchronized = True
            # Some networks are built for millions of steps: what a few hundred leave of
            # the statistics of the start would be what the network answers by.
            layer.momentum = min(layer.momentum, _MOMENTUM)
    return [head, backbone]


def extractor(model: keras.Model, mode: Mode) -> Callable[[Any], Any]:
    """Return what goes from images to features in training, batch norm included."""
    backbone = classifier.backbone_of(model)
    pooling = classifier.pooling_of(model)
    return lambda x: pooling(
        backbone(preprocessing.preprocess(x, mode), training=True), training=True
    )
