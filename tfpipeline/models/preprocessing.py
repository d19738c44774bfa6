"""What each family does to pixels, as built-in layers that are saved with the model."""

from collections.abc import Callable
from typing import Any

import keras

from tfpipeline.core.errors import unknown

# Of ImageNet. BGR, 0 to 255 (Caffe's VGG); RGB, 0 to 1 (Torch).
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_DEVIATION = (0.229, 0.224, 0.225)


def _caffe(image: Any) -> Any:
    bgr = keras.ops.flip(image, axis=-1)
    return keras.layers.Rescaling(255.0, [-m for m in _CAFFE_MEAN])(bgr)


def _tf(image: Any) -> Any:
    return keras.layers.Rescaling(2.0, -1.0)(image)


def _torch(image: Any) -> Any:
    scale = [1 / deviation for deviation in _TORCH_DEVIATION]
    offset = [-m / d for m, d in zip(_TORCH_MEAN, _TORCH_DEVIATION)]
    return keras.layers.Rescaling(scale, offset)(image)


def _none(image: Any) -> Any:
    return keras.layers.Rescaling(255.0)(image)


MODES: dict[str, Callable[[Any], Any]] = {
    "caffe": _caffe,
    "tf": _tf,
    "torch": _torch,
    "none": _none,
}


def preprocess(image: Any, mode: str) -> Any:
    """Return what a backbone of a family wants to see.

    Args:
        image: Keras tensor, RGB in [0, 1], shape (batch, height, width, 3).
        mode: Of the backbone's row in the table.

    Returns:
        Keras tensor of the same shape.
    """
    if mode not in MODES:
        raise unknown("preprocessing mode", mode, MODES)
    return MODES[mode](image)
