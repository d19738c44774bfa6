"""A backbone by its name, with its weights, or an error that helps."""

import dataclasses
import os
import re
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.models import registry
from tfpipeline.models.own import network, words
from tfpipeline.models.preprocessing import Mode, preprocess
from tfpipeline.models.registry import BACKBONES

# Weights of a MobileNet are published for these sizes; its others take those of 224.
_MOBILENET_SIZES = (96, 128, 160, 192, 224)

# What the demo weights were pretrained as.
_DEMO = ("MobileNetV2", 0.35, 96)


def resolve(settings: ModelSettings, source: str) -> ModelSettings:
    """Return the settings with every null replaced by what it stands for.

    Of the drawn world (`demo`, `demo:multi`, ...) that is the demo weights.
    """
    registry.check(settings)
    if words.is_own(settings.backbone):
        return network.resolve(settings)
    row = BACKBONES[settings.backbone]
    weights = settings.weights
    if weights is None:
        fits = settings.backbone == _DEMO[0] and settings.alpha in (None, _DEMO[1])
        drawn = source.partition(":")[0] == "demo"
        weights = "demo" if drawn and fits else "imagenet"
        if row.imagenet_top_1 is None:
            weights = "none"
    if weights == "imagenet" and row.imagenet_top_1 is None:
        raise UserError(
            f"--model.weights imagenet: {settings.backbone} has none; it is trained "
            f"from scratch. Say --model.weights none, or choose another backbone."
        )
    demo = weights == "demo"
    alpha = settings.alpha
    if alpha is None and row.alphas:
        alpha = _DEMO[1] if demo else 1.0
    if alpha is not None and not row.alphas:
        raise UserError(
            f"--model.alpha: {settings.backbone} comes in one width only; leave it "
            f"out. Received: {alpha}."
        )
    if alpha is not None and weights == "imagenet" and alpha not in row.alphas:
        raise UserError(
            f"--model.alpha: ImageNet weights of {settings.backbone} exist for "
            f"{', '.join(map(str, row.alphas))}. Received: {alpha}."
        )
    if demo and (settings.backbone, alpha) != _DEMO[:2]:
        raise UserError(
            f"--model.weights demo: expected --model.backbone {_DEMO[0]} "
            f"--model.alpha {_DEMO[1]}. Received: {settings.backbone}, alpha {alpha}."
        )
    size = settings.image_size or (_DEMO[2] if demo else row.native_size)
    if size < row.minimal_size:
        raise UserError(
            f"--model.image_size: {settings.backbone} needs at least "
            f"{row.minimal_size} pixels. Received: {size}."
        )
    return dataclasses.replace(settings, weights=weights, alpha=alpha, image_size=size)


def build_backbone(settings: ModelSettings, demo_weights: Path) -> keras.Model:
    """Return a frozen backbone, from preprocessed images to maps, as resolved."""
    weights = settings.weights
    if words.is_own(settings.backbone):
        return network.build(settings)
    if weights == "imagenet":
        model = _with_imagenet(settings)
    else:
        model = build(settings, settings.image_size, None, include_top=False)
    if weights == "demo":
        _load(model, demo_weights)
    elif weights not in ("imagenet", "none"):
        load_file(model, settings, Path(str(weights)))
    model.trainable = False
    return model


def mode_of(settings: ModelSettings) -> Mode:
    """Return what pixels go through before a backbone; see `preprocessing.MODES`."""
    if words.is_own(settings.backbone):
        return network.mode(settings)
    return BACKBONES[settings.backbone].mode


def content(settings: ModelSettings) -> str:
    """Return a digest of the files of a network of one's own; nothing of another."""
    own = words.is_own(settings.backbone)
    return words.content(settings) if own else ""


def load_file(model: keras.Model, settings: ModelSettings, file: Path) -> None:
    """Load the user's own weights file into a network."""
    if BACKBONES[settings.backbone].family == "efficientnet":
        raise UserError(
            f"--model.weights {settings.weights}: Keras' {settings.backbone} rescales "
            "its input once more with its ImageNet weights than with a file, so the "
            f"file's features would be wrong. Put it into {keras_folder()} under the "
            "name that Keras gives it and say --model.weights imagenet."
        )
    _load(model, file)


def keras_folder() -> Path:
    """Return the folder in which Keras keeps the weights that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def build(
    settings: ModelSettings, size: int | None, weights: str | None, **more: Any
) -> keras.Model:
    """Return a network of the table, as `keras.applications` or its row builds it."""
    own = BACKBONES[settings.backbone].build
    if own is not None:
        return own(int(size or 0))
    if settings.alpha is not None:
        more["alpha"] = settings.alpha
    with warnings.catch_warnings():
        # That 224's weights serve other sizes as well is what we want.
        warnings.filterwarnings("ignore", "`input_shape` is undefined")
        return getattr(keras.applications, settings.backbone)(
            weights=weights, input_shape=(size, size, 3), **more
        )


def _with_imagenet(settings: ModelSettings) -> keras.Model:
    size = settings.image_size
    mobile = settings.backbone in ("MobileNet", "MobileNetV2")
    try:
        if mobile and size not in _MOBILENET_SIZES:
            model = build(settings, size, None, include_top=False)
            other = build(settings, 224, "imagenet", include_top=False)
            model.set_weights(other.get_weights())
            return model
        return build(settings, size, "imagenet", include_top=False)
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise no_weights(settings.backbone, error) from None


_EMBEDDED = (
    "--model.backbone MobileNetV2 --model.weights demo --model.alpha 0.35 uses what "
    "comes with this package."
)


def no_weights(name: str, error: Exception, embedded: str = _EMBEDDED) -> UserError:
    """Return the error that says which ImageNet weights to fetch, and to where."""
    # Keras keeps these under other names than the server has.
    kept_as = {
        "NASNet-mobile-no-top.h5": "nasnet_mobile_no_top.h5",
        "NASNet-large-no-top.h5": "nasnet_large_no_top.h5",
    }
    folder = keras_folder()
    url = re.search(r"https?://\S+?/([\w.+-]+\.h5)", str(error))
    if url is None:
        return UserError(
            f"The ImageNet weights of {name} in {folder} cannot be read: {error}. "
            "Remove the file, so that it is downloaded again."
        )
    return UserError(
        f"The ImageNet weights of {name} are not on this machine and cannot be "
        f"downloaded. Fetch {url[0]} on a machine with a network and put it into "
        f"{folder} as {kept_as.get(url[1], url[1])}. Alternatively, "
        "--model.weights FILE takes a weights file, --model.weights none starts "
        f"untrained, and {embedded}"
    )


def _load(model: keras.Model, file: Path) -> None:
    """Load weights of the same architecture from `.npz`, `.weights.h5` or `.h5`."""
    if not file.is_file():
        raise UserError(
            f"--model.weights {file}: no such file. Expected: imagenet, demo, none, or "
            "a file that ends in .npz, .weights.h5 or .h5."
            + suggest(str(file), ("imagenet", "demo", "none"))
        )
    try:
        if file.suffix == ".npz":
            with np.load(file) as arrays:
                names = [f"{number:03d}" for number in range(len(model.weights))]
                model.set_weights([arrays[name].astype("float32") for name in names])
        else:
            model.load_weights(file)
    except Exception as error:  # h5py, zipfile, numpy and Keras each have their own.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"--model.weights {file}: expected weights of this backbone without its "
            f"top, but they cannot be loaded: {first}."
        ) from None


def calibrate(backbone: keras.Model, images: Any, mode: Mode) -> None:
    """Make an untrained network's features usable: of unit size at every depth.

    In inference mode an untrained network is vacuous: its batch-norm statistics are
    those of no data at all. Each is made to divide by one number, the size of what it
    gets from some images; a plain chain of layers without batch norm has its kernels
    scaled instead. What the network computes stays the same up to scale. The statistics
    of each channel would let it forget its image: whatever is alike in all images is
    subtracted at every depth, until what is left is chance.

    Args:
        backbone: Untrained, with or without a top.
        images: RGB in [0, 1], shape (n, height, width, 3).
        mode: Of preprocessing.

    Source: layer-sequential unit variance, Mishkin & Matas, arXiv:1511.06422; depth
        and chance, Schoenholz et al., arXiv:1611.01232.
    """
    x = preprocess(keras.ops.convert_to_tensor(images), mode)
    if any(isinstance(o, keras.layers.BatchNormalization) for o in backbone.layers):
        # Keras' own way through a graph; `clone_model` is built on it as well.
        backbone._run_through_graph(x, operation_fn=_scale_norm)
    elif backbone.name.startswith("vgg"):
        x = x[:8]
        for layer in backbone.layers[1:]:
            x = layer(x)
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
                deviation = float(keras.ops.std(x)) or 1.0
                kernel, *rest = layer.get_weights()
                layer.set_weights([kernel / deviation, *rest])
                x = x / deviation


def _scale_norm(layer: Any) -> Any:
    """Return what calls a layer; a batch norm is first made to divide by one number."""
    if not isinstance(layer, keras.layers.BatchNormalization):
        return layer

    def call(x: Any, *_: Any, **__: Any) -> Any:
        # In half precision, squares would be too large.
        wide = keras.ops.cast(x, "float32")
        square = float(keras.ops.mean(keras.ops.square(wide))) or 1.0
        mean, variance = layer.moving_mean, layer.moving_variance
        mean.assign(keras.ops.zeros_like(mean))
        variance.assign(keras.ops.full(variance.shape, square))
        return layer(x, training=False)

    return call
