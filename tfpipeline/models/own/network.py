"""A backbone of the user's own: its size, its preprocessing, and the network itself."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from tfpipeline.config import ModelSettings
from tfpipeline.core import console
from tfpipeline.core.errors import UserError
from tfpipeline.models import registry
from tfpipeline.models.own import archive, graphs, hub, words
from tfpipeline.models.preprocessing import Mode

# Where nothing says another size.
_SIZE = 224


def resolve(settings: ModelSettings) -> ModelSettings:
    """Return the settings with every null replaced that may not stay one."""
    words.check(settings)
    name, flag = settings.backbone, f"--model.backbone {settings.backbone}"
    if name.startswith(words.HUB):
        folder = Path(words.preset_of(name))
        shapes, own = [], None
        if folder.is_dir():
            shapes = archive.input_shapes(archive.read_preset(folder))
        own = _fixed(shapes, flag) or hub.converter_size(words.preset_of(name))
        size = settings.image_size or own or _SIZE
    else:
        shapes = archive.input_shapes(archive.read(Path(name)))
        if len(shapes) > 1:
            raise UserError(
                f"{flag}: expected a network with one input, an image. Received: "
                f"{len(shapes)} inputs. Save the part from one image on as a model."
            )
        own = _fixed(shapes, flag)
        size = settings.image_size or own or _SIZE
        if own is not None and size != own:
            raise UserError(
                f"--model.image_size: {name} takes {own} pixels only. Received: "
                f"{size}. Leave it out."
            )
    _warn_of_twice(settings, mode(settings))
    weights = settings.weights or words.OWN
    return dataclasses.replace(settings, weights=weights, image_size=size)


def _fixed(shapes: list[Any], flag: str) -> int | None:
    """Return the size that an input has; None where any will do."""
    if not shapes:
        return None
    shape = list(shapes[0])
    sizes = set(shape[:2])
    if len(shape) != 3 or shape[2] not in (3, None) or len(sizes) > 1:
        raise UserError(
            f"{flag}: expected square images of three channels (RGB), the channels "
            f"last. Received: an input of shape {shape}. Put in front of it what turns "
            "such images into its own (a Conv2D, a Resizing, a Permute), and save both "
            "as one model."
        )
    return sizes.pop()


def mode(settings: ModelSettings) -> Mode:
    """Return what pixels go through before a network, by its settings."""
    name, said = settings.backbone, settings.preprocessing
    if said is not None:
        return registry.named_mode(said)
    if name.startswith(words.HUB):
        return hub.mode(words.preset_of(name))
    path = Path(name)
    if archive.is_run(path):
        return "unit"
    if archive.prepares_pixels(archive.read(path)):
        return "none"
    raise UserError(
        f"--model.backbone {name}: no layer of it rescales its input, so its pixels "
        "have to be prepared as in its training. Say how: --model.preprocessing unit "
        "(0 to 1), none (0 to 255), tf (-1 to 1), caffe, torch, or a family such as "
        "mobilenet_v2."
    )


def _warn_of_twice(settings: ModelSettings, mode: Mode) -> None:
    """Say so where pixels are prepared outside of a network, and once more inside."""
    path, said = Path(settings.backbone), settings.preprocessing
    if said is None or mode in ("none", "unit") or not path.is_file():
        return
    if archive.prepares_pixels(archive.read(path)):
        console.warn(
            f"{path} rescales its input itself, and --model.preprocessing {said} does "
            "so before it: one of them is probably too much; `none` gives it 0 to 255"
        )


def build(settings: ModelSettings) -> keras.Model:
    """Return a frozen backbone, from preprocessed images to maps or a vector."""
    name, trained = settings.backbone, settings.weights != "none"
    # Operations that are no layers have their constants in no layer's configuration:
    # by the digest in its name the network is known in the cache of features.
    called = f"own_{words.content(settings)[:16]}"
    size = int(settings.image_size or 0)
    if name.startswith(words.HUB):
        preset = words.preset_of(name)
        model = hub.load(preset, size, settings.pooling, trained=trained)
    else:
        model = _load(Path(name), settings.cut)
    model = graphs.flatten(model, size, trained=trained, name=called)
    if settings.pooling == "token" and len(model.output_shape) == 3:
        model = graphs.first_token(model)
    graphs.freeze(model)
    return model


def _load(path: Path, layer: str | None) -> keras.Model:
    flag = f"--model.backbone {path}"
    if archive.uses_hub(archive.read(path)):
        hub.library(flag)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Of zipfile, h5py, Keras, and of any of its layers.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{flag}: Keras cannot load it in safe mode: {first}. Save it again with "
            "built-in layers, with this version of Keras."
        ) from None
    inner = graphs.functional(model)
    if not hasattr(inner, "_run_through_graph") or len(inner.inputs) != 1:
        raise UserError(
            f"{flag}: expected a functional or sequential model with one input. "
            f"Received: {type(model).__name__}. Save keras.Model(inputs, outputs)."
        )
    if not inner.inputs[0].dtype.startswith(("float", "bfloat")):
        raise UserError(
            f"{flag}: expected an input of type float32. Received: "
            f"{inner.inputs[0].dtype}. Save it with keras.Input(..., dtype='float32')."
        )
    return graphs.cut(inner, layer, flag)
