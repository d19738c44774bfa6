"""Preprocessing, a frozen backbone, pooling and a new head in one model."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.models.preprocessing import Mode, preprocess

# By the rank of what the backbone returns: maps, tokens, or a vector as it is.
POOLINGS: dict[str, dict[int, type[keras.Layer]]] = {
    "avg": {
        4: keras.layers.GlobalAveragePooling2D,
        3: keras.layers.GlobalAveragePooling1D,
    },
    "max": {4: keras.layers.GlobalMaxPooling2D, 3: keras.layers.GlobalMaxPooling1D},
    "flatten": {4: keras.layers.Flatten, 3: keras.layers.Flatten},
    # Other tokens have been cut off; see `own.graphs.first_token`.
    "token": {3: keras.layers.Flatten},
}

# Names by which the parts are found again in a model that was loaded from disk.
FEATURES, HEAD = "features", "head"


def build_classifier(
    backbone: keras.Model,
    mode: Mode,
    settings: ModelSettings,
    labels_count: int,
    unit: tuple[float, float] | None = None,
) -> keras.Model:
    """Return a model from images to logits; it loads in plain Keras, in safe mode.

    Args:
        backbone: From preprocessed images to maps, tokens or a vector; it stays as it
            is.
        mode: Of preprocessing; see `preprocessing.MODES`.
        unit: Of a number: mean and standard deviation, from which the last layer makes
            numbers in the user's unit; None for logits.

    Returns:
        A model from `image`, RGB float32 in [0, 1], shape (batch, height, width, 3), to
        logits, float32, shape (batch, labels_count).
    """
    layer = _pooling(settings.pooling, backbone.output_shape)
    image = keras.Input(backbone.input_shape[1:], name="image")
    maps = backbone(preprocess(image, mode), training=False)
    features = layer(name=FEATURES, dtype="float32")(maps)
    head = build_head(settings, features.shape[-1], labels_count, unit)
    return keras.Model(image, head(features), name="classifier")


def _pooling(name: str, shape: tuple[int | None, ...]) -> type[keras.Layer]:
    """Return the layer that makes a vector of what a backbone returns."""
    if name not in POOLINGS:
        raise unknown("--model.pooling", name, POOLINGS)
    by_rank, rank = POOLINGS[name], len(shape)
    if rank == 2:
        return keras.layers.Flatten
    if rank not in by_rank:
        raise UserError(
            f"--model.pooling {name}: this backbone returns no tokens, but maps. Say "
            "avg, max or flatten."
        )
    return by_rank[rank]


def build_head(
    settings: ModelSettings,
    width: int,
    labels_count: int,
    unit: tuple[float, float] | None = None,
) -> keras.Model:
    """Return the dense layers from pooled features to logits, or to numbers in a unit.

    They compute in float32 under any precision: it costs nothing, and float16 would
    lose the digits of the loss and small gradients altogether.
    """
    if not 0 <= settings.dropout < 1:
        raise UserError(
            "--model.dropout: expected a share from 0 up to, but not, 1. Received: "
            f"{settings.dropout}."
        )
    if any(units < 1 for units in settings.hidden):
        raise UserError(
            f"--model.hidden: expected positive numbers. Received: {settings.hidden}."
        )
    try:
        keras.initializers.get(settings.initialiser)
    except ValueError:
        known = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "zeros")
        raise unknown("--model.initialiser", settings.initialiser, known) from None

    def dense(units: int, **more: Any) -> Iterator[keras.Layer]:
        if settings.dropout:
            yield keras.layers.Dropout(settings.dropout, dtype="float32")
        start = keras.initializers.get(settings.initialiser)
        yield keras.layers.Dense(
            units, kernel_initializer=start, dtype="float32", **more
        )

    layers: list[Any] = [keras.Input((width,), name="vector")]
    for units in settings.hidden:
        layers += dense(units, use_bias=not settings.batch_norm)
        if settings.batch_norm:
            # Of the global batch: any number of replicas then learns the same.
            norm = keras.layers.BatchNormalization(dtype="float32", synchronized=True)
            layers.append(norm)
        layers.append(keras.layers.Activation("relu", dtype="float32"))
    layers += dense(labels_count, name="logits")
    if unit is not None:
        mean, deviation = unit
        layers.append(
            keras.layers.Rescaling(deviation, mean, name="unit", dtype="float32")
        )
    return keras.Sequential(layers, name=HEAD)


def split_classifier(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return extractor (images to features) and head (to logits), sharing weights."""
    features = model.get_layer(FEATURES).output
    return keras.Model(model.inputs[0], features), model.get_layer(HEAD)


def backbone_of(model: keras.Model) -> keras.Model:
    """Return the backbone inside a classifier, new or loaded."""
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return next(layer for layer in inner if layer.name != HEAD)


def pooling_of(model: keras.Model) -> keras.Layer:
    """Return the layer that makes a vector of the backbone's maps."""
    return model.get_layer(FEATURES)


def pooled_maps(model: keras.Model) -> list[Any]:
    """Return the maps that a classifier or its extractor pools; none of anything else.

    It is one symbolic tensor, shape (batch, height, width, channels), in a list.
    """
    pooled = [layer.input for layer in model.layers if layer.name == FEATURES]
    # An ensemble joins the features of its members under that name.
    return [maps for maps in pooled if len(getattr(maps, "shape", ())) == 4]


def describe(model: keras.Model, *, frozen: bool = False) -> str:
    """Return a digest of a model's layers and weights, the same in every process.

    If `frozen`, it is that of the model with nothing trainable, however it is now.
    """
    digest = hashlib.sha256()
    # Operations that are no layers have their constants in no layer's configuration;
    # the name of a network of one's own has a digest of its file.
    parts = (a.name for a in model.layers if isinstance(a, keras.Model))
    own = [name for name in parts if name.startswith("own_")]
    digest.update("".join(own).encode())
    for layer in leaves(model):
        config = dict(layer.get_config())
        config.pop("name", None)
        if own:
            # KerasHub's backbones forget it when they are saved.
            config.pop("trainable", None)
        elif frozen and "trainable" in config:
            config["trainable"] = False
        config["dtype"] = layer.compute_dtype
        text = json.dumps([type(layer).__name__, config], sort_keys=True, default=str)
        digest.update(text.encode())
    for weight in model.weights:
        array = np.ascontiguousarray(weight)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def leaves(model: keras.Model) -> Iterator[Any]:
    """Yield the layers of a model in order, and those of the models nested in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer
