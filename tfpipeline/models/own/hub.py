"""Backbones and image converters of KerasHub, imported when they are asked for."""

import functools
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.core.errors import UserError
from tfpipeline.models.own import words
from tfpipeline.models.preprocessing import Mode, preprocess

_CONVERTER = "image_converter.json"


@functools.cache
def library(what: str = "a backbone of KerasHub") -> Any:
    """Return KerasHub, whose classes Keras knows from then on."""
    words.check_installed(what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import keras_hub
    except ImportError as error:
        raise UserError(
            f"{what}: KerasHub is installed, but cannot be imported ({error}). "
            "Give pip install --upgrade '.[hub]' in the folder of tfpipeline's source."
        ) from None
    return keras_hub


def load(preset: str, size: int, pooling: str, *, trained: bool) -> keras.Model:
    """Return a backbone of a preset: from pixels as its converter leaves them to maps.

    Of a vision transformer these are the last outputs for each patch, in their places.

    Args:
        preset: A folder, a name, or a handle with a scheme.
        size: Height and width of images, pixels.
        pooling: Of the classifier; `token` needs the tokens as they are.
        trained: Whether to load its weights.
    """
    flag = f"--model.backbone kerashub:{preset}"
    from_preset = library(flag).models.Backbone.from_preset
    try:
        try:
            shape = (size, size, 3)
            backbone = from_preset(preset, load_weights=trained, image_shape=shape)
        except Exception:  # It knows no `image_shape`, or its weights fit one only.
            backbone = from_preset(preset, load_weights=trained)
    except Exception as error:  # Of kagglehub, of h5py, of each backbone its own.
        raise _unusable(flag, error) from None
    return _vision(backbone, size, flag, tokens=pooling == "token")


def _unusable(flag: str, error: Exception) -> UserError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"{flag}: it cannot be loaded: {first}. A preset by its name is downloaded "
        "from Kaggle; where that cannot be, save it on a machine with a network, "
        "`keras_hub.models.Backbone.from_preset(NAME).save_to_preset(FOLDER)` and "
        "`keras_hub.layers.ImageConverter` likewise, and say kerashub:FOLDER."
    )


def _vision(backbone: Any, size: int, flag: str, *, tokens: bool) -> keras.Model:
    """Return the part of a backbone that sees, from its one input to its output."""
    # Of two towers, SigLIP's and CLIP's, one reads.
    seeing = getattr(backbone, "vision_encoder", None) or backbone
    inputs, outputs = getattr(seeing, "inputs", []), getattr(seeing, "outputs", [])
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        raise UserError(
            f"{flag}: expected a network from one image to one output. Received: a "
            f"{type(backbone).__name__} with {len(inputs)} inputs and {len(outputs)} "
            "outputs. Name a preset of an image classifier."
        )
    if inputs[0].shape[1] not in (size, None):
        raise UserError(
            f"--model.image_size: {flag.split()[-1]} takes {inputs[0].shape[1]} "
            f"pixels only. Received: {size}. Leave it out."
        )
    image = keras.Input(inputs[0].shape[1:])
    named = seeing.input
    given = dict.fromkeys(named, image) if isinstance(named, dict) else image
    output = seeing(given)
    if not tokens:
        output = _patches(output, getattr(seeing, "patch_size", None), size)
    return keras.Model(image, output)


def _patches(tokens: Any, patch: Any, size: int) -> Any:
    """Return the tokens of patches as maps; tokens as they are where that is unknown.

    Class and register tokens come before them, and go.
    """
    _, count, width = tokens.shape if len(tokens.shape) == 3 else (None, 0, 0)
    side = size // int(np.max(patch)) if patch else 0
    others = (count or 0) - side**2
    if not side or others < 0:
        return tokens
    if others:
        tokens = keras.layers.Cropping1D((others, 0), name="without_class")(tokens)
    return keras.layers.Reshape((side, side, width), name="patches")(tokens)


def _converter(preset: str) -> Any:
    """Return the image converter of a preset; None of a folder that has none."""
    flag = f"--model.backbone kerashub:{preset}"
    kind = library(flag).layers.ImageConverter
    if Path(preset).is_dir() and not (Path(preset) / _CONVERTER).is_file():
        return None
    try:
        return kind.from_preset(preset)
    except Exception as error:  # Of kagglehub, of JSON, of each converter its own.
        raise _unusable(flag, error) from None


def converter_size(preset: str) -> int | None:
    """Return the height and width that the converter of a preset resizes to."""
    shape = getattr(_converter(preset), "image_size", None)
    return int(max(shape)) if shape else None


def mode(preset: str) -> Mode:
    """Return scale and offset of a preset's converter, for pixels in [0, 1].

    Resizing and cropping are what `--data.resize` says, as for any other network.
    """
    flag = f"--model.backbone kerashub:{preset}"
    converter = _converter(preset)
    if converter is None:
        raise UserError(
            f"{flag}: it has no image converter, which would say what its pixels are "
            "scaled to. Save its preprocessor into the folder as well, or say "
            "--model.preprocessing NAME."
        )
    scale, offset = (getattr(converter, name, None) for name in ("scale", "offset"))
    scale = 1.0 if scale is None else scale
    folded = (255 * np.asarray(scale)).tolist(), np.asarray(offset or 0.0).tolist()
    _check_folded(converter, folded, flag)
    return folded


def _check_folded(converter: Any, folded: Mode, flag: str) -> None:
    """Refuse a converter that does more than scale and shift."""
    height, width = getattr(converter, "image_size", None) or (8, 8)
    pixels = np.random.default_rng(0).integers(0, 256, (1, height, width, 3))
    theirs = np.asarray(converter(pixels.astype(np.float32)), np.float32)
    ours = preprocess(keras.ops.convert_to_tensor(np.float32(pixels) / 255), folded)
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, atol=1e-3):
        raise UserError(
            f"{flag}: its image converter does more to pixels than scale and shift "
            "them, which is not known here. Say --model.preprocessing NAME."
        )
